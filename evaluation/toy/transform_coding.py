"""Transform coding, linear and nonlinear: a transform, rounding, a factorised prior, a transform back."""

import math
from collections.abc import Iterable
from itertools import pairwise

import torch
from torch import Tensor, nn

from evaluation.toy.prior import FactorisedPrior
from evaluation.toy.sources import Source
from train.proxies import PROXIES, dither

SHARPEST = 6.0  # of the soft rounding, 1/temperature; it starts at 1, nearly uniform noise
ANNEALED = 0.5  # share of the steps over which the soft rounding sharpens; then the learning rate falls, hundredfold
ROUNDED = 0.9  # share of the steps after which prior and synthesis see rounded latents, and the analysis rests


class Analysis(nn.Module):
    """The leading coefficients of the Karhunen-Loève transform, in quantiser steps: learned steps and offsets."""

    def __init__(self, basis: Tensor, mean: Tensor, step: float):
        super().__init__()
        self.register_buffer("basis", basis)
        self.register_buffer("mean", mean)
        self.log_gain = nn.Parameter(torch.full((basis.shape[1],), -math.log(step)))
        self.offset = nn.Parameter(torch.zeros(basis.shape[1]))

    def forward(self, source: Tensor) -> Tensor:
        return (source - self.mean) @ self.basis * self.log_gain.exp() + self.offset


class Synthesis(nn.Module):
    """Back from quantiser steps, with gains and offsets of its own."""

    def __init__(self, basis: Tensor, mean: Tensor, step: float):
        super().__init__()
        self.register_buffer("basis", basis)
        self.register_buffer("mean", mean)
        self.log_step = nn.Parameter(torch.full((basis.shape[1],), math.log(step)))
        self.offset = nn.Parameter(torch.zeros(basis.shape[1]))

    def forward(self, latents: Tensor) -> Tensor:
        return ((latents + self.offset) * self.log_step.exp()) @ self.basis.T + self.mean


def perceptron(sizes: tuple[int, ...], activation: type[nn.Module]) -> nn.Sequential:
    """Fully connected layers with the activation between them."""
    layers: list[nn.Module] = []
    for into, out in pairwise(sizes):
        layers += [nn.Linear(into, out), activation()]
    return nn.Sequential(*layers[:-1])


def klt(source: Source) -> Tensor:
    """Orthonormal columns (dimensions, coefficients), of falling variance."""
    return torch.linalg.eigh(source.covariance().double()).eigenvectors.flip(1)[:, : source.coefficients].float()


class TransformCoder(nn.Module):
    """Analysis, rounding, ideal entropy coding under the prior, synthesis."""

    def __init__(self, analysis: nn.Module, synthesis: nn.Module, latents: int):
        super().__init__()
        self.analysis, self.synthesis = analysis, synthesis
        self.prior = FactorisedPrior(latents)

    @classmethod
    def linear(cls, source: Source, tradeoff: float) -> "TransformCoder":
        """From the step that is best at high rates: each coefficient's Δ²/12 of error is worth 1 / (2 ln 2) bits."""
        basis = klt(source)
        step = math.sqrt(12 / (2 * math.log(2) * tradeoff * source.weight))
        return cls(Analysis(basis, source.mean(), step), Synthesis(basis, source.mean(), step), source.coefficients)

    @classmethod
    def nonlinear(cls, source: Source, tradeoff: float) -> "TransformCoder":
        sizes = (source.dimensions, *source.hidden, source.latents)
        return cls(perceptron(sizes, source.activation), perceptron(sizes[::-1], source.activation), source.latents)

    def forward(self, source: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Codes vectors (N, dimensions): cells (N, latents) of whole numbers, bits (N,), decoded (N, dimensions)."""
        cells = torch.round(self.analysis(source))
        return cells, self.prior.bits(cells), self.synthesis(cells)


def train(
    coder: TransformCoder, source: Source, tradeoff: float, steps: Iterable[int], total: int, generator: torch.Generator
) -> None:
    """Minimises rate + tradeoff · distortion in place, as the codec's recipes do: soft rounding that sharpens, then rounding.

    Under soft rounding s, what is sent is s(y) + dither. With F the cumulative of y, its density is F(c + ½) − F(c − ½) at its
    conditional mean c, for the staircase repeats with period one: the prior is asked about c and stays smooth however sharp s.
    """
    optimiser = torch.optim.Adam(coder.parameters(), source.learning_rate)
    latents = torch.Size((source.batch, coder.prior.matrices[0].shape[0]))
    centre = torch.zeros(latents)
    for step in steps:
        done = step / total
        for group in optimiser.param_groups:
            group["lr"] = source.learning_rate * 0.01 ** max(0.0, (done - ANNEALED) / (1 - ANNEALED))
        temperature = 1 / (1 + (SHARPEST - 1) * min(done / ANNEALED, 1.0))
        vectors = source.sample(source.batch, generator)
        value, proxy = coder.analysis(vectors), "soft_round"
        if done >= ROUNDED:
            value, proxy = value.detach(), "straight_through"
        _, received = PROXIES[proxy](value, centre, dither(*latents, generator=generator), temperature)
        errors = (coder.synthesis(received) - vectors).square().sum(1)
        loss = (coder.prior.bits(received) + tradeoff * source.weight * errors).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
