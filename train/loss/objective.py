"""What is minimised: rate + λ·255²·(weighted, balanced distortions + critic).

**Balancing.** Distances have ranges of their own. Each is brought to units of mean squared error,
such that λ asks for the same rate whichever it is. At the start the codec's own operational curve
is measured: the rate R(t) and every distance D(t) at each quality level t. Along it, rate + λ·D is
stationary where dR/dt = −λ·dD/dt. A network trained on mean squared error is there for its λ(t);
with D scaled by

    s(t) = (dMSE/dt) / (dD/dt)

it is there for D as well, at every level at once. Derivatives are of a parabola fitted to ln D over
t, which the noise of few crops does not upset. Weights of a mix are normalised to sum to one, so
the mix is balanced if its parts are. A network of a single rate, or one that is not yet trained,
has no such curve; then that of the shipped `base` is taken, where its λ is the network's. So may
that of any model be, as for a network that was trained on the mix before.
"""

import numpy as np
import torch
from torch import Tensor, nn

from metamer.codec.errors import RecipeError
from metamer.perception.backbones.imagenet import remembering, share_networks
from metamer.perception.registry import from_spec
from metamer.train.networks.codec import Codec
from metamer.train.networks.interface import Network
from metamer.train.networks.levels import level_weights
from metamer.train.recipe.options import Stage

# a distance that falls by less than this share a level, anywhere, tells nothing of the rate
FLATTEST = 0.02


def slopes(curve: Tensor) -> Tensor:
    """d ln D/dt (K,) of positive values (K,) at levels 0 … K−1, from a least-squares parabola (a
    line for two levels).
    """
    level = np.arange(len(curve))
    fit = np.polynomial.Polynomial.fit(
        level, curve.clamp_min(1e-12).log().double().numpy(), min(2, len(curve) - 1)
    )
    return torch.from_numpy(fit.deriv()(level)).float()


class Distortion(nn.Module):
    """A weighted mix of distances, in units of mean squared error.

    weights: spec of a distance (`perception.registry.from_spec`) → its weight; levels: K of the
    codec. scale: (K, D), what a distance is multiplied by; start: (K,), the mix at the start, which
    the critic's weight refers to.
    """

    tables = ("scale", "start", "rates")  # what `balance` finds

    def __init__(self, weights: dict[str, float], levels: int):
        super().__init__()
        self.names = list(weights)
        self.distances = nn.ModuleList([from_spec(spec) for spec in weights])
        self.networks = share_networks(self.distances)
        for network in self.networks:
            network.to(memory_format=torch.channels_last)
        shares = torch.tensor(list(weights.values()))
        self.register_buffer("shares", shares / shares.sum())
        self.register_buffer("scale", torch.ones(levels, len(weights)))
        self.register_buffer("start", torch.ones(levels))
        self.register_buffer("rates", torch.ones(levels))  # bpp of each level at the start

    @property
    def is_plain(self) -> bool:
        """Mean squared error alone: in its own units already."""
        return self.names == ["mse"]

    def state(self) -> dict[str, Tensor]:
        return {name: getattr(self, name) for name in self.tables}

    def restore(self, state: dict[str, Tensor]) -> None:
        for name in self.tables:
            getattr(self, name).copy_(state[name])

    def per_distance(self, image: Tensor, decoded: Tensor) -> Tensor:
        """(N, D) what each distance itself says of images (N, 3, H, W), 0 for identical ones."""
        decoded = (
            decoded.float()
        )  # once: networks that distances share know an image by its identity
        with torch.autocast(image.device.type, enabled=False), remembering(self.networks):
            return torch.stack([distance.loss(image, decoded) for distance in self.distances], 1)

    def mix(self, distances: Tensor, weights: Tensor) -> Tensor:
        """(N,) in units of mean squared error; weights (N, K) of the quality levels."""
        return (distances * self.shares * self.interpolated(self.scale, weights)).sum(1)

    @staticmethod
    def interpolated(table: Tensor, weights: Tensor) -> Tensor:
        """Rows of a positive table (K, …) at quality weights (N, K), exponentially interpolated."""
        return torch.exp(weights @ table.log())

    @torch.no_grad()
    def balance(
        self, network: Network, crops: Tensor, stage: Stage, reference: Codec | None = None
    ) -> None:
        """Sets ``scale``, ``start`` and ``rates`` from what networks make of photographs.

        Args:
            network: What is to be trained.
            crops: (N, 3, S, S) in [0, 1].
            stage: The first; its parts are what ``network`` codes with.
            reference: The trained codec whose operational curve is taken at the λ of each level,
                instead of that of ``network``.

        Raises:
            RecipeError: A distance does not fall as the quality rises.
        """
        stage = Stage(stage.name, 1, parts=stage.parts, proxy="straight_through")
        curve, error, rate = self.operational_curve(network, crops, stage)
        self.rates.copy_(rate)
        if reference is None:
            scale, start = self.balanced(curve, error)
        else:
            stage = Stage("reference", 1, proxy="straight_through")
            curve, error, _ = self.operational_curve(reference, crops, stage)
            rows = reference.level_at(network.lagrangian(torch.arange(network.options.levels)))
            weights = level_weights(rows, reference.options.levels)
            scale, start = (
                self.interpolated(table, weights) for table in self.balanced(curve, error)
            )
        self.scale.copy_(scale)
        self.start.copy_(start)

    def operational_curve(
        self, network: Network, crops: Tensor, stage: Stage
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Distances (K, D), squared error (K,) and bits a pixel (K,) of ``crops`` at each level."""
        levels = network.options.levels
        curve, error, rate = (
            torch.zeros(levels, len(self.names)),
            torch.zeros(levels),
            torch.zeros(levels),
        )
        for level in range(levels):
            for image in crops.split(4):
                at = torch.full((len(image),), float(level), device=image.device)
                made = network(image, at, stage)
                share = len(image) / len(crops)
                curve[level] += share * self.per_distance(image, made.image).mean(0).cpu()
                error[level] += share * (image - made.image).square().mean().cpu()
                rate[level] += share * made.bits.mean().cpu() / image[0, 0].numel()
        return curve, error, rate

    def balanced(self, curve: Tensor, error: Tensor) -> tuple[Tensor, Tensor]:
        """``scale`` (K, D) and ``start`` (K,) along an operational curve. Raises RecipeError."""
        falls = torch.stack([slopes(column) for column in curve.T], 1)
        for name, fall in zip([*self.names, "mse"], [*falls.T, slopes(error)], strict=True):
            if not self.is_plain and fall.max() > -FLATTEST:
                raise RecipeError(
                    f"distortion {name}: does not fall as the quality rises, so no λ can weigh it; "
                    "start from a trained model"
                )
        scale = (error * slopes(error))[:, None] / (curve * falls)
        if self.is_plain:
            scale = torch.ones_like(scale)  # by definition, however poor the start
        return scale, (curve * scale) @ self.shares.cpu()


class RateTarget:
    """Holds each quality level at its bits a pixel by adapting λ: ln of a factor (K,) rises while
    the rate is below target.

    A dual ascent, smooth where HiFiC (section 4.2) switches between two values.
    """

    def __init__(self, targets: Tensor, speed: float):
        self.targets, self.speed = targets, speed  # (K,)
        self.log_factor = torch.zeros_like(targets)

    def factor(self, weights: Tensor) -> Tensor:
        """(N,) what λ is multiplied by, at quality weights (N, K)."""
        return torch.exp(weights @ self.log_factor)

    def update(self, bpp: Tensor, weights: Tensor) -> None:
        """bpp (N,) of files of this step's crops, at quality weights (N, K). One crop alone tells
        little: the speed is low.
        """
        targets = Distortion.interpolated(self.targets, weights)
        self.log_factor += self.speed * (weights * (1 - bpp / targets)[:, None]).mean(0)
        self.log_factor.clamp_(-3.0, 3.0)
