"""Teaches `visibility` other screens than the one it was trained for, and measures what that is
worth:

    python -m research.experiments.visibility_screens PHOTOS OUT

ColorVideoVDP is asked about pairs as `train.perceptual_spaces.labels` makes them, on screens drawn at random:
peak luminance, light of the room, pixels a degree. The networks stay as they are; what is fitted is
one weight for each of their features and each of `viewing_conditions`. Writes screens.safetensors, all
weights with these, and screens.json: agreement with the teacher on screens and photographs that
were not learned from.
"""

import json
from pathlib import Path

import click
import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from metamer.codec.system import files
from metamer.evaluation.intervals import bootstrap_interval
from metamer.evaluation.progress import progress
from metamer.evaluation.ratings.agreement import linear_correlation, spearman
from metamer.perception import create
from metamer.perception.distances.visibility import (
    JND_PER_JOD,
    SCREENS,
    Detector,
    probability,
    viewing_conditions,
)
from metamer.perception.weights import load_trained
from metamer.train.data import find
from metamer.train.data.crops import Crops
from metamer.train.data.photographs import Photographs
from metamer.train.perceptual_spaces.visibility.distortions import distorted
from metamer.train.perceptual_spaces.visibility.labels import VERSIONS

SIDE = 192  # as `visibility` was trained on
CROPS = 3  # on every screen
SCREENS_LEARNED, SCREENS_HELD = 32, 12
STEPS, RATE, DECAY = 2000, 0.01, 3e-3  # of the fit; decay holds what pairs say nothing about at 0
VISIBLE = 0.05  # JOD that are added before logarithms are taken


def draw_screen(rng: np.random.Generator) -> dict[str, float]:
    """A screen anywhere in `SCREENS`: even in logarithms, rooms from 5 lux."""
    ends = {name: (max(low, 5), high) for name, (low, high) in SCREENS.items()}
    return {name: float(low * (high / low) ** rng.random()) for name, (low, high) in ends.items()}


@torch.no_grad()
def label_screen(detector: Detector, crops: Crops, number: int, seed: int) -> dict[str, Tensor]:
    """Of pairs on one screen: what the networks see of each feature, and the teacher's JOD."""
    rng = np.random.default_rng([seed, number])
    screen = draw_screen(rng)
    teacher, differences_of_screen, jod = create("cvvdp", **screen), [], []
    for index in range(number * CROPS, (number + 1) * CROPS):
        reference = crops[index].permute(1, 2, 0).numpy()
        versions = [reference] + [distorted(reference, rng)[0] for _ in range(VERSIONS)]
        stack = torch.from_numpy(np.stack(versions).transpose(0, 3, 1, 2).copy())
        features = detector(stack / 255)
        references = [feature[:1].expand(VERSIONS, -1, -1, -1) for feature in features]
        changed = [feature[1:] for feature in features]
        differences = detector.differences(references, changed)
        differences_of_screen.append(torch.cat([band.mean((2, 3)) for band in differences], 1))
        jod.append(teacher.loss(stack[:1].expand(VERSIONS, -1, -1, -1), stack[1:]))
    return {
        "seen": torch.cat(differences_of_screen),
        "jod": torch.cat(jod),
        "screen": viewing_conditions(**screen).expand(CROPS * VERSIONS, -1).contiguous(),
        "number": torch.full((CROPS * VERSIONS,), number),
    }


def labels(
    detector: Detector, paths: list[Path], count: int, seed: int, folder: Path
) -> dict[str, Tensor]:
    """Of ``count`` screens; what is in the folder already is not made again."""
    folder.mkdir(parents=True, exist_ok=True)
    crops, rows = Crops(Photographs(paths), SIDE, seed), []
    with progress(count, "screen", folder.name) as bar:
        for number in range(count):
            path = folder / f"{number:03d}.safetensors"
            if not path.exists():
                row = label_screen(detector, crops, number, seed)
                files.write_file(str(path), safetensors.torch.save(row))
            rows.append(safetensors.torch.load_file(path))
            bar.update()
    return {name: torch.cat([row[name] for row in rows]) for name in rows[0]}


def predicted(detector: Detector, data: dict[str, Tensor], uses_screen: bool = True) -> Tensor:
    """(N,) JOD, with or without regard to the screen."""
    if not uses_screen:
        return detector.jod(data["seen"])
    gains = (data["screen"] @ detector.screen.T).exp()
    return detector.jod(data["seen"] * gains)


def fit(detector: Detector, data: dict[str, Tensor]) -> None:
    """Trains ``screen`` alone, on the logarithm of the distance."""
    detector.requires_grad_(False)
    detector.screen.requires_grad_(True)
    optimiser = torch.optim.AdamW([detector.screen], RATE, weight_decay=0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
    for _ in range(STEPS):
        log_error = (predicted(detector, data) + VISIBLE).log() - (data["jod"] + VISIBLE).log()
        loss = log_error.abs().mean() + DECAY * detector.screen.square().sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    detector.screen.requires_grad_(False)


def agreement(distances: Tensor, data: dict[str, Tensor]) -> dict[str, tuple[float, float, float]]:
    """With the teacher on held-out screens: correlations and mean error of the probability, and how
    far distances are off, as a factor; 95 % intervals over screens.
    """
    predicted_probability, teacher_probability = (
        probability(values).numpy().astype(float) for values in (distances, data["jod"])
    )
    screens = data["number"].numpy()
    factor = (
        ((distances + VISIBLE).log() - (data["jod"] + VISIBLE).log()).abs().numpy().astype(float)
    )

    def interval(statistic, *arrays) -> tuple[float, float, float]:
        return statistic(*arrays), *bootstrap_interval(statistic, arrays, screens)

    jnd = [JND_PER_JOD * values.numpy().astype(float) for values in (distances, data["jod"])]
    return {
        "pearson": interval(linear_correlation, predicted_probability, teacher_probability),
        "spearman": interval(spearman, *jnd),
        "error": interval(
            lambda a, b: float(np.abs(a - b).mean()), predicted_probability, teacher_probability
        ),
        "factor": interval(lambda a: float(np.exp(a.mean())), factor),
    }


@click.command()
@click.argument("photos", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--weights", default="visibility", show_default=True)
def main(photos: Path, out: Path, weights: str) -> None:
    """Teach visibility other screens with PHOTOS."""
    tensors = load_trained(weights)
    detector = create("visibility", weights=weights).detector
    training, held_out = find(photos)
    learned = labels(detector, training, SCREENS_LEARNED, 0, out / "learned")
    tested = labels(detector, held_out, SCREENS_HELD, 1, out / "held-out")
    before = agreement(predicted(detector, tested, uses_screen=False), tested)
    detector.screen.data.zero_()
    fit(detector, learned)
    after = agreement(predicted(detector, tested), tested)
    record = {
        "learned": len(learned["jod"]),
        "pairs": len(tested["jod"]),
        "screens": SCREENS_HELD,
        "known": after,
        "unknown": before,
    }
    tensors = tensors | {"screen": detector.screen.detach().clone()}
    files.write_file(str(out / "screens.safetensors"), safetensors.torch.save(tensors))
    files.write_file(str(out / "screens.json"), (json.dumps(record, indent=1) + "\n").encode())
    click.echo(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
