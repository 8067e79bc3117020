"""The sources: what they emit, their first two moments, and how their distortion is counted."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from metamer.evaluation.toy.schedule import STEADY, Schedule


@dataclass(frozen=True)
class Source:
    """A source of vectors, and what its coders are made of.

    dimensions: of a vector; weight: of a vector's squared error in its distortion, 1 for the sum,
    1/dimensions for the mean; latents, hidden, activation: of the nonlinear transforms;
    coefficients: of the linear ones; codewords: of the vector quantiser at the start; examples:
    vectors it is trained on; tested: vectors every coder is measured on; steps, learning_rate: of
    the nonlinear transforms; linear_steps: of the linear ones; batch: of both; tradeoffs: λ unless
    others are asked for; methods: coders worth comparing; schedule: of the nonlinear transforms'
    training; first_latent_first: whether they start with one latent alone.
    """

    name: str
    dimensions: int
    weight: float
    latents: int
    hidden: tuple[int, ...]
    activation: type[torch.nn.Module]
    coefficients: int
    codewords: int
    examples: int
    tested: int
    steps: int
    linear_steps: int
    batch: int
    learning_rate: float
    tradeoffs: tuple[float, ...]
    methods: tuple[str, ...] = ("klt", "ltc", "ntc", "vq")
    schedule: Schedule = STEADY
    first_latent_first: bool = False

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """(count, dimensions) independent vectors."""
        raise NotImplementedError

    def mean(self) -> Tensor:
        """(dimensions,)."""
        raise NotImplementedError

    def covariance(self) -> Tensor:
        """(dimensions, dimensions), in closed form."""
        raise NotImplementedError

    def density(self, points: Tensor) -> Tensor:
        """Probability density (N,) at points (N, dimensions), of sources that have one."""
        raise NotImplementedError


def rotation(degrees: float) -> Tensor:
    """The matrix (2, 2) that turns column vectors anticlockwise."""
    angle = math.radians(degrees)
    return torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])


class Banana(Source):
    """A Gaussian of two dimensions, bent, turned and moved (Ballé et al. 2021)."""

    TURN = rotation(240)
    DEVIATION = torch.tensor([3.0, 0.5])
    BEND = 0.1
    SHIFT = -1.0

    def sample(self, count, generator):
        bent = torch.randn(count, 2, generator=generator) * self.DEVIATION
        bent[:, 1] -= self.BEND * bent[:, 0] ** 2
        return bent @ self.TURN + self.SHIFT

    def mean(self):
        return torch.tensor([0.0, -self.BEND * self.DEVIATION[0] ** 2]) @ self.TURN + self.SHIFT

    def covariance(self):
        # of a normal z, z² has variance 2σ⁴ and is uncorrelated with z
        first, second = self.DEVIATION**2
        return (
            self.TURN.T
            @ torch.diag(torch.stack([first, second + 2 * self.BEND**2 * first**2]))
            @ self.TURN
        )

    def density(self, points):
        bent = (points - self.SHIFT) @ self.TURN.T
        straight = (
            torch.stack([bent[:, 0], bent[:, 1] + self.BEND * bent[:, 0] ** 2], 1) / self.DEVIATION
        )
        return torch.exp(-straight.square().sum(1) / 2) / (2 * math.pi * self.DEVIATION.prod())


class Laplace(Source):
    """One number, of density e^(−|x|) / 2."""

    def sample(self, count, generator):
        sides = torch.rand(count, 1, generator=generator) - 0.5
        return -sides.sign() * torch.log1p(-2 * sides.abs())

    def mean(self):
        return torch.zeros(1)

    def covariance(self):
        return torch.full((1, 1), 2.0)

    def density(self, points):
        return torch.exp(-points[:, 0].abs()) / 2


class Sawbridge(Source):
    """t − [t > U] at equally spaced t in [0, 1], U uniform there (Wagner & Ballé 2021).

    A curve of one parameter whose linear span has every dimension; its covariance is that of the
    Brownian bridge.
    """

    def times(self) -> Tensor:
        return torch.linspace(0, 1, self.dimensions)

    def sample(self, count, generator):
        return self.at(torch.rand(count, generator=generator))

    def at(self, jumps: Tensor) -> Tensor:
        """The paths (N, dimensions) that jump at (N,)."""
        return self.times() - (self.times() > jumps[:, None]).float()

    def mean(self):
        return torch.zeros(self.dimensions)

    def covariance(self):
        times = self.times().double()
        return (torch.minimum(times[:, None], times) - times[:, None] * times).float()


SOURCES = {
    source.name: source
    for source in (
        Banana(
            "banana",
            dimensions=2,
            weight=1.0,
            latents=2,
            hidden=(100, 100),
            activation=torch.nn.Softplus,
            coefficients=2,
            codewords=256,
            examples=1 << 17,
            tested=1 << 20,
            steps=8000,
            linear_steps=3000,
            batch=512,
            learning_rate=3e-3,
            tradeoffs=(8.0,),
        ),
        Laplace(
            "laplace",
            dimensions=1,
            weight=1.0,
            latents=1,
            hidden=(50, 50),
            activation=torch.nn.Softplus,
            coefficients=1,
            codewords=128,
            examples=1 << 17,
            tested=1 << 20,
            steps=2500,
            linear_steps=1500,
            batch=512,
            learning_rate=3e-3,
            tradeoffs=(1.0, 4.0, 16.0),
            methods=("ltc", "ntc", "vq"),
        ),
        Sawbridge(
            "sawbridge",
            dimensions=1024,
            weight=1 / 1024,
            latents=10,
            hidden=(100, 100),
            activation=torch.nn.LeakyReLU,
            coefficients=32,
            codewords=64,
            examples=1 << 13,
            tested=1 << 15,
            steps=6000,
            linear_steps=1500,
            batch=64,
            learning_rate=2e-3,
            tradeoffs=(16.0, 48.0, 144.0),
            methods=("klt", "ntc", "vq"),
            schedule=Schedule(
                sharpening=(0.4, 0.7),
                falling=(0.4, 0.75),
                lowest=0.1,
                rounded=0.75,
                refit=1.0,
                prior=5.0,
                surplus=2.0,
            ),
            first_latent_first=True,
        ),
    )
}
