"""Restorers trained on one distance or another, and judged by those that none was trained on:

    python -m research.experiments.restorers PHOTOS OUT

Two papers' last experiment, on photographs: Ak & Le Callet (IPTA 2019, section VI) train a denoiser
on their measure of visibility and on squared error; Tariq et al. (ECCV 2020, section 5.5, figure 7)
train a restorer on squared error and the contextual loss of VGG16's relu2_2, whose channels count
alike or by perceptual efficacy. Here one small denoiser is trained on squared error and goes on
from there with each of the losses, for as many steps each; every seed draws the network, the crops
and the noise anew. Writes restorers.json into OUT: every judge's value of every held-out picture.
"""

import itertools
import json
from pathlib import Path

import click
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from metamer.codec.system import files
from metamer.evaluation.images import centre_crop, held_out_paths, read_image, to_tensor
from metamer.evaluation.measure.panel import Panel
from metamer.evaluation.progress import progress
from metamer.perception import from_spec
from metamer.train.data import find
from metamer.train.data.crops import Crops
from metamer.train.data.photographs import Photographs

NOISE = 25 / 255  # standard deviation, of sRGB values
WIDTH, LAYERS = 32, 5  # of the denoiser, at half the picture's resolution
CROP, BATCH = 64, 4
RATES = 1e-3, 3e-4  # of Adam in the first and the second part, each falling to 0
SIDE, PICTURES = 192, 12  # of held-out photographs' centres
CONTEXTUAL = "contextual:network=vgg16,layer=relu2_2,positions=400"
# name → weights of the losses: near the squared error that a denoiser reaches, each is about 1
ARMS = {
    "squared error": {"mse": 1000},
    "visibility": {"visibility": 1},
    "visibility and squared error": {"visibility": 1, "mse": 1000},
    "contextual and squared error": {CONTEXTUAL: 1, "mse": 500},
    "contextual by efficacy and squared error": {f"{CONTEXTUAL},channels=efficacy": 1, "mse": 500},
}
JUDGES = ("psnr", "ssim", "vsi", "lpips-alex", "ssimulacra2", "cvvdp")


class Denoiser(nn.Module):
    """(N, 3, H, W) noisy → what is left without noise; H and W even."""

    def __init__(self):
        super().__init__()
        sides = [12, *[WIDTH] * (LAYERS - 1), 12]
        self.layers = nn.ModuleList(
            nn.Conv2d(into, out, 3, padding=1) for into, out in itertools.pairwise(sides)
        )

    def forward(self, noisy: Tensor) -> Tensor:
        x = F.pixel_unshuffle(noisy, 2).contiguous(memory_format=torch.channels_last)
        for layer in self.layers[:-1]:
            x = F.relu(layer(x))
        return noisy - F.pixel_shuffle(self.layers[-1](x), 2).float()


def train(net: Denoiser, losses: dict[str, float], crops: Crops, steps: range, rate: float) -> None:
    """Trains in place on the crops and the noise that belong to these steps."""
    distances = [(from_spec(spec), weight) for spec, weight in losses.items()]
    optimiser = torch.optim.Adam(net.parameters(), rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, len(steps))
    for step in steps:
        clean = torch.stack([crops[step * BATCH + item] for item in range(BATCH)]).float() / 255
        noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(step))
        with torch.autocast("cpu", torch.bfloat16):
            restored = net(clean + NOISE * noise)
        total = torch.zeros(())
        for distance, weight in distances:
            # what compares small differences in single precision does so whatever is said here
            with torch.autocast(
                "cpu", torch.bfloat16, enabled=distance.metric.name == "contextual"
            ):
                total = total + weight * distance.loss(clean, restored).mean()
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
        schedule.step()


@torch.no_grad()
def judge(net: Denoiser, pictures: list[Tensor], panel: Panel) -> list[dict[str, float]]:
    """The judges' values of every picture, with noise that is always the same, denoised."""
    rows = []
    for number, picture in enumerate(pictures):
        noise = torch.randn(picture.shape, generator=torch.Generator().manual_seed(number))
        restored = net(picture + NOISE * noise).clamp(0, 1).mul(255).round().div(255)
        row = panel.compare(panel.places(picture), panel.places(restored))
        rows.append({judge: float(f"{value:.5g}") for judge, value in row.items()})
    return rows


@click.command()
@click.argument("photos", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True)
@click.option("--steps", type=click.IntRange(1), default=400, show_default=True)
@click.option("--more", type=click.IntRange(1), default=80, show_default=True)
def main(photos: Path, out: Path, seeds: int, steps: int, more: int) -> None:
    """Train denoisers on PHOTOS: --steps on squared error, then --more on each loss."""
    out.mkdir(parents=True, exist_ok=True)
    training = Photographs(find(photos)[0])
    held_out = held_out_paths(photos)
    sample = [held_out[place] for place in np.linspace(0, len(held_out) - 1, PICTURES).astype(int)]
    pictures = [centre_crop(to_tensor(read_image(path)), SIDE) for path in sample]
    panel = Panel(map(from_spec, JUDGES))
    arms: dict[str, list] = {name: [] for name in ARMS}
    record = {"seeds": 0, "steps": steps, "more": more, "batch": BATCH, "crop": CROP, "arms": arms}
    with progress(seeds * len(ARMS), "training") as bar:
        for seed in range(seeds):
            torch.manual_seed(seed)
            start, crops = (
                Denoiser().to(memory_format=torch.channels_last),
                Crops(training, CROP, seed),
            )
            train(start, ARMS["squared error"], crops, range(steps), RATES[0])
            for name, losses in ARMS.items():
                net = Denoiser().to(memory_format=torch.channels_last)
                net.load_state_dict(start.state_dict())
                train(net, losses, crops, range(steps, steps + more), RATES[1])
                arms[name].append(judge(net, pictures, panel))
                bar.update()
            record["seeds"] = seed + 1
            files.write_file(str(out / "restorers.json"), (json.dumps(record) + "\n").encode())


if __name__ == "__main__":
    main()
