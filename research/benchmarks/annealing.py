"""Latents refined by annealing, as papers do it, beside effort's whole latents.

    python research/benchmarks/annealing.py FOLDER [--quality 25 …] [--iterations 56] [--rate 0.05]

Stochastic Gumbel annealing (Yang, Bamler & Mandt, NeurIPS 2020) draws the neighbour that a latent
is rounded to from a relaxed distribution, whose temperature falls from 0.5 to 0.1. Soft rounding
with Kumaraswamy noise (C3: Kim et al., CVPR 2024) takes temperatures from 0.3 to 0.1 and the
distribution's a from 2 to 1. Both by Adam, from the analysis or from where some steps of effort
end, with 0.4 of the rate; what they end at is coded like any latents, by the better of three
tradeoffs. λ is effort's, and so is the judge: bits and error of the decoded picture. Seconds are
the processor's. Markdown.
"""

import time
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from metamer.codec.encoder.effort.descent import refine
from metamer.codec.encoder.effort.guide import Reanalysis
from metamer.codec.encoder.effort.slope import SQUARED_STEP, nominal
from metamer.codec.encoder.effort.view import Coding, View
from metamer.codec.grid import latent_area
from metamer.codec.network.colour_axes import choose_turn
from metamer.codec.network.files.arrays import relative_curvature
from metamer.codec.network.model import load_model
from metamer.codec.network.passes import FRACTION
from metamer.codec.options import quality_index
from metamer.codec.picture import pixels
from metamer.evaluation.rate.bjontegaard import PictureCurves, bd_rate
from metamer.train import colour_axes
from metamer.train.gradient_guide import Gradients, lattice, network, pictures
from metamer.train.networks.entropy_model.checkerboard import checkerboard
from metamer.train.networks.entropy_model.logistic import logistic_bits
from metamer.train.networks.entropy_model.proxies import soft_round

STEPS = (0, 8, 48)  # of effort
PLAIN = "effort, 0 steps"
EDGE = 1e-4  # of a latent from a whole number, for artanh
Relaxed = Callable[[Tensor, float], Tensor]  # residuals and progress, 0 … 1, to what is coded


def gumbel(residual: Tensor, progress: float) -> Tensor:
    """Yang, Bamler & Mandt, section 3.2: the two neighbours in a drawn, relaxed proportion."""
    temperature = 0.5 * 0.2**progress
    below = residual.detach().floor()
    above = (residual - below).clamp(EDGE, 1 - EDGE)
    logit = (torch.atanh(above) - torch.atanh(1 - above)) / temperature
    uniform = torch.rand_like(above).clamp(1e-6, 1 - 1e-6)
    return below + torch.sigmoid((logit + torch.logit(uniform)) / temperature)


def kumaraswamy(residual: Tensor, progress: float) -> Tensor:
    """Kim et al., section 3.2: soft rounding, noise that narrows, soft rounding."""
    temperature, a = 0.3 * (1 / 3) ** progress, 2 - progress
    b = (2**a * (a - 1) + 1) / a  # puts the mode at one half
    noise = (1 - (1 - torch.rand_like(residual)) ** (1 / b)) ** (1 / a) - 0.5
    return soft_round(soft_round(residual, temperature) + noise, temperature)


class Trial:
    """One picture at one quality."""

    def __init__(self, picture: Image.Image, quality: float):
        self.model, index = load_model("base"), quality_index(quality)
        self.view = View(
            picture, latent_area(*picture.size), index, self.model, choose_turn(picture)
        )
        self.slope = nominal(self.model, index, picture.width * picture.height)
        self.rdoq_lambda = self.model.rdoq_lambda[index]
        step = self.model.arrays["step"][index]
        self.curvature = (SQUARED_STEP * relative_curvature(step)).astype(np.float32)
        self.area = picture.width * picture.height

    def measured(self, coding: Coding) -> tuple[float, float]:
        """Bits a pixel and mean squared error."""
        decoded = self.view.pixels(self.view.planes(coding.decoded))
        return coding.bits / self.area, float(Reanalysis(self.view).distances(decoded)[0])

    def cost(self, coding: Coding) -> float:
        bits, error = self.measured(coding)
        return bits * self.area + self.slope.mse * error

    def descended(self, steps: int) -> Coding:
        guide = Gradients(self.view, ("mse",))
        return refine(self.view, guide, self.slope, self.rdoq_lambda, np.float32(1), steps)

    def annealed(self, initial: np.ndarray, relaxed: Relaxed, count: int, rate: float) -> Coding:
        """From latents (h, w, M) in steps, by so many iterations of Adam."""
        torch.manual_seed(0)
        latent = lattice(initial).clone().requires_grad_()
        optimiser = torch.optim.Adam([latent], lr=rate)
        for iteration in range(count):
            optimiser.zero_grad()
            self._loss(latent, relaxed, iteration / max(1, count - 1)).backward()
            optimiser.step()
        targets = latent.detach()[0].permute(1, 2, 0).numpy()
        rdoq_lambdas = (self.curvature, 2 * self.curvature, np.float32(1e9))
        return min(
            (self.view.code(targets, rdoq_lambda) for rdoq_lambda in rdoq_lambdas), key=self.cost
        )

    def _loss(self, latent: Tensor, relaxed: Relaxed, progress: float) -> Tensor:
        codec, view, arrays = network(self.model), self.view, self.model.arrays
        board, bits = checkerboard(*latent.shape[-2:], latent.device), []
        level = torch.from_numpy(arrays["level_weights"][view.index : view.index + 1])
        step = torch.from_numpy(arrays["step"][view.index])[None, :, None, None]

        def take(centre: Tensor, log_scale: Tensor, span: slice, colour: int) -> Tensor:
            residual = relaxed(board.column(latent[:, span], colour) - centre, progress)
            bits.append(logistic_bits(residual, log_scale).sum())
            return residual + centre

        hyper = torch.from_numpy(view.hyper.astype(np.float32))[None]
        decoded = codec.entropy.passes(hyper, step, level, latent.shape[-2:], take)
        image = codec.synthesis(decoded * step, level)
        image = colour_axes.restore(image, torch.from_numpy(view.affine)[None])
        image = image[:, :, view.visible[0], view.visible[1]].clamp(0, 1)
        error = (image - pictures(view.original)).square().mean()
        return torch.stack(bits).sum() + self.slope.mse * error


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--quality", "qualities", type=float, multiple=True, default=(25, 50, 80))
@click.option(
    "--iterations", default=56, show_default=True, help="From the analysis; 8 less later."
)
@click.option("--rate", default=0.05, show_default=True, help="Adam's, in quantiser steps.")
def main(folder: Path, qualities: tuple[float, ...], iterations: int, rate: float) -> None:
    """Prints the table; small pictures, as every row takes seconds for each."""
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in pixels.SUFFIXES)
    trials = [Trial(pixels.read_rgb(path), at) for path in paths for at in qualities]
    rows: dict[str, list[tuple[float, float]]] = {}
    seconds: dict[str, float] = {}

    def measure(name: str, code: Callable[[Trial], Coding]) -> list[Coding]:
        start = time.process_time()
        codings = [code(trial) for trial in trials]
        seconds[name] = time.process_time() - start
        rows[name] = [trial.measured(coding) for trial, coding in zip(trials, codings, strict=True)]
        return codings

    best = {
        steps: measure(f"effort, {steps} steps", lambda trial, steps=steps: trial.descended(steps))
        for steps in STEPS
    }
    start = {
        id(trial): coding.decoded / FRACTION for trial, coding in zip(trials, best[8], strict=True)
    }
    for relaxed in (gumbel, kumaraswamy):
        measure(
            f"{relaxed.__name__}, {iterations} iterations from the analysis",
            lambda trial, relaxed=relaxed: trial.annealed(
                trial.view.exact[trial.view.inside], relaxed, iterations, rate
            ),
        )
        measure(
            f"{relaxed.__name__}, {iterations - 8} iterations after 8 steps of effort",
            lambda trial, relaxed=relaxed: trial.annealed(
                start[id(trial)], relaxed, iterations - 8, 0.4 * rate
            ),
        )
    curves = PictureCurves(
        [path.name for path in paths],
        {
            name: np.array(measurements).reshape(len(paths), -1, 2)
            for name, measurements in rows.items()
        },
        lambda error: -10 * np.log10(error),
    )
    print(f"| {len(paths)} pictures | BD-rate | seconds |\n|---|---|---|")
    for name in rows:
        change = bd_rate(curves.curve(PLAIN), curves.curve(name))[0]
        print(f"| {name} | {change:+.2f} % | {seconds[name]:.0f} |")


if __name__ == "__main__":
    main()
