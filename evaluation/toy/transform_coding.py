"""Transform coding, linear and nonlinear: a transform, rounding, a factorised prior, a transform
back.
"""

import math
from collections.abc import Iterable
from itertools import pairwise

import numpy as np
import torch
from scipy import fft
from torch import Tensor, nn

from metamer.evaluation.toy.prior import FactorisedPrior
from metamer.evaluation.toy.schedule import Schedule
from metamer.evaluation.toy.sources import Source
from metamer.train.networks.entropy_model.proxies import PROXIES, dither

LINEAR_RATE = 1e-2  # learning rate of coders with few parameters
# deviations of latents at the start, in steps, where the first is to come before the others
FIRST, OTHERS = 0.1, 0.002
BEND_STEPS = 10.0  # steps of the first latent, to either side, over which the synthesis then bends
START_VECTORS = 1024  # that the deviations are measured on


class Analysis(nn.Module):
    """The leading coefficients of the Karhunen-Loève transform, in quantiser steps: learned steps
    and offsets.

    mix: a matrix (coefficients, coefficients) that is learned too, so that the transform is any
    linear one of them; or None.
    """

    def __init__(self, basis: Tensor, mean: Tensor, step: float, mix: Tensor | None):
        super().__init__()
        self.register_buffer("basis", basis)
        self.register_buffer("mean", mean)
        self.log_gain = nn.Parameter(torch.full((basis.shape[1],), -math.log(step)))
        self.offset = nn.Parameter(torch.zeros(basis.shape[1]))
        self.mix = None if mix is None else nn.Parameter(mix.clone())

    def forward(self, source: Tensor) -> Tensor:
        steps = (source - self.mean) @ self.basis * self.log_gain.exp()
        return (steps if self.mix is None else steps @ self.mix) + self.offset


class Synthesis(nn.Module):
    """Back from quantiser steps, with steps, offsets and matrix of its own, that undo the analysis
    at the start.
    """

    def __init__(self, basis: Tensor, mean: Tensor, step: float, mix: Tensor | None):
        super().__init__()
        self.register_buffer("basis", basis)
        self.register_buffer("mean", mean)
        self.log_step = nn.Parameter(torch.full((basis.shape[1],), math.log(step)))
        self.offset = nn.Parameter(torch.zeros(basis.shape[1]))
        self.mix = None if mix is None else nn.Parameter(mix.T.clone())

    def forward(self, latents: Tensor) -> Tensor:
        steps = latents + self.offset
        return (
            (steps if self.mix is None else steps @ self.mix) * self.log_step.exp()
        ) @ self.basis.T + self.mean


def perceptron(sizes: tuple[int, ...], activation: type[nn.Module]) -> nn.Sequential:
    """Fully connected layers with the activation between them."""
    layers: list[nn.Module] = []
    for into, out in pairwise(sizes):
        layers += [nn.Linear(into, out), activation()]
    return nn.Sequential(*layers[:-1])


def klt(source: Source) -> Tensor:
    """Orthonormal columns (dimensions, coefficients), of falling variance."""
    return (
        torch.linalg.eigh(source.covariance().double())
        .eigenvectors.flip(1)[:, : source.coefficients]
        .float()
    )


class TransformCoder(nn.Module):
    """Analysis, rounding, ideal entropy coding under the prior, synthesis."""

    def __init__(
        self, analysis: nn.Module, synthesis: nn.Module, latents: int, learning_rate: float
    ):
        super().__init__()
        self.analysis, self.synthesis, self.learning_rate = analysis, synthesis, learning_rate
        self.prior = FactorisedPrior(latents)

    @classmethod
    def linear(cls, source: Source, tradeoff: float, mixed: bool) -> "TransformCoder":
        """The Karhunen-Loève transform or, mixed, any linear one of its leading coefficients.

        It begins with the step that is best at high rates, where each coefficient's error Δ²/12 is
        worth 1 / (2 ln 2) bits. The Karhunen-Loève transform is a minimum that training does not
        leave, though of banana not the lowest; mixed, it begins as far from it as orthogonal
        transforms go.
        """
        step = math.sqrt(12 / (2 * math.log(2) * tradeoff * source.weight))
        mix = (
            torch.from_numpy(fft.dct(np.eye(source.coefficients), norm="ortho")).float()
            if mixed
            else None
        )
        start = klt(source), source.mean(), step, mix
        return cls(Analysis(*start), Synthesis(*start), source.coefficients, LINEAR_RATE)

    @classmethod
    def nonlinear(cls, source: Source) -> "TransformCoder":
        sizes = (source.dimensions, *source.hidden, source.latents)
        return cls(
            perceptron(sizes, source.activation),
            perceptron(sizes[::-1], source.activation),
            source.latents,
            source.learning_rate,
        )

    def forward(self, source: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Codes vectors (N, dimensions): cells (N, latents) of whole numbers, bits (N,), decoded
        (N, dimensions).
        """
        cells = torch.round(self.analysis(source))
        return cells, self.prior.bits(cells), self.synthesis(cells)


@torch.no_grad()
def put_first_latent_first(coder: TransformCoder, vectors: Tensor) -> None:
    """Scales a nonlinear analysis so that the first latent varies a little over the vectors and the
    others hardly, and lets the synthesis bend anywhere along the first.

    Latents that come to life together all say the same, which a factorised prior pays for every
    time. Little, because random networks are rough: what they learn has to outweigh that.
    """
    last, latents = coder.analysis[-1], coder.analysis(vectors)
    wanted = torch.full((latents.shape[1],), OTHERS)
    wanted[0] = FIRST
    gain = wanted / latents.std(0)
    last.bias.sub_(latents.mean(0)).mul_(gain)
    last.weight.mul_(gain[:, None])
    first = coder.synthesis[0]
    first.weight[:, 0] = first.weight.norm(dim=1) * first.weight[:, 0].sign()
    places = torch.empty_like(first.bias).uniform_(-BEND_STEPS, BEND_STEPS)
    first.bias.copy_(places * first.weight[:, 0].abs())


def train_transform_coder(
    coder: TransformCoder,
    source: Source,
    tradeoff: float,
    steps: Iterable[int],
    total: int,
    generator: torch.Generator,
    schedule: Schedule,
) -> None:
    """Minimises rate + tradeoff · distortion in place, as the codec's recipes do: soft rounding
    that sharpens, then rounding.

    Under soft rounding s, what is sent is s(y) + dither. With F the cumulative of y, its density is
    F(c + ½) − F(c − ½) at its conditional mean c, for the staircase repeats with period one: the
    prior is asked about c and stays smooth however sharp s.
    """
    prior = list(coder.prior.parameters())
    transforms = [*coder.analysis.parameters(), *coder.synthesis.parameters()]
    groups = [(transforms, coder.learning_rate), (prior, coder.learning_rate * schedule.prior)]
    # fused, since of networks this small the calls are what costs
    optimiser = torch.optim.Adam([{"params": group} for group, _ in groups], fused=True)
    latents = torch.Size((source.batch, coder.prior.matrices[0].shape[0]))
    centre = torch.zeros(latents)
    for step in steps:
        progress = step / total
        for group, (_, highest) in zip(optimiser.param_groups, groups, strict=True):
            group["lr"] = highest * schedule.learning_rate(progress)
        vectors = source.sample(source.batch, generator)
        value, proxy = coder.analysis(vectors), "soft_round"
        if progress >= schedule.rounded:
            value, proxy = value.detach(), "straight_through"
        noise = dither(*latents, generator=generator)
        temperature = schedule.temperature(progress)
        _, received = PROXIES[proxy](value, centre, noise, temperature, value.round())
        errors = (coder.synthesis(received) - vectors).square().sum(1)
        weighted_tradeoff = tradeoff * schedule.tradeoff(progress) * source.weight
        loss = (coder.prior.bits(received) + weighted_tradeoff * errors).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
