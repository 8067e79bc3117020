"""PIM, the perceptual information metric: a space learned from neighbouring video frames, without
human ratings.

Bhardwaj et al., "An unsupervised information-theoretic perceptual quality metric", NeurIPS 2020.
What neighbouring frames have in common is what matters about them: an encoder q(z|x) is trained to
keep it (`train.perceptual_spaces.pim.task`), and the distance of two images is the symmetrised
Kullback-Leibler divergence between their encodings.

An image is taken apart by a steerable pyramid, three scales of two orientations; a small
convolutional network for each of the eight sub-bands, then layers at each position, give the means
of unit-variance Gaussians over z, which has ten dimensions.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from metamer.perception import weights as pretrained
from metamer.perception.distance import Distance
from metamer.perception.errors import MetricError, WeightsError
from metamer.perception.vision.steerable_pyramid import SteerablePyramid

KERNEL = 5
LAYERS = 4
MARGIN = LAYERS * (KERNEL // 2)  # positions around one that its encoding depends on
FRONT_CHANNELS = 3
SEED = 0  # of Monte-Carlo samples


class Mixture(NamedTuple):
    """Mixtures of K unit-variance Gaussians at every position: means (N, K, D, h, w), log-weights
    (N, K, h, w).
    """

    means: Tensor
    log_weights: Tensor


class FrontEnd(nn.Sequential):
    """One sub-band's network: 5×5 convolutions 3 → W → W → W → 3. (N, 3, h, w) → (N, 3, h − 16, w −
    16).
    """

    def __init__(self, width: int):
        super().__init__(
            nn.Conv2d(3, width, KERNEL), nn.ReLU(),
            nn.Conv2d(width, width, KERNEL), nn.ReLU(),
            nn.Conv2d(width, width, KERNEL), nn.ReLU(),
            nn.Conv2d(width, FRONT_CHANNELS, KERNEL),
        )  # fmt: skip


def pointwise(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    """Two hidden layers, each position by itself."""
    return nn.Sequential(
        nn.Conv2d(inputs, hidden, 1),
        nn.ReLU(),
        nn.Conv2d(hidden, hidden, 1),
        nn.ReLU(),
        nn.Conv2d(hidden, outputs, 1),
    )


class MarginalEncoder(nn.Module):
    """q(z|x) of one sub-band, twice: with one Gaussian, and with a mixture."""

    def __init__(self, hidden: int, dimensions: int, components: int):
        super().__init__()
        self.components = components
        self.gaussian = pointwise(FRONT_CHANNELS, hidden, dimensions)
        self.mixture = pointwise(FRONT_CHANNELS, hidden, components * (dimensions + 1))

    def mixture_of(self, features: Tensor) -> Mixture:
        means, logits = self.mixture(features).float().tensor_split([-self.components], 1)
        return Mixture(means.unflatten(1, (self.components, -1)), logits.log_softmax(1))


class PimSpace(nn.Module):
    """The networks. width: of the front ends (the paper: 64); hidden: of the encoders' layers."""

    def __init__(self, width: int, hidden: int, dimensions: int = 10, components: int = 5):
        super().__init__()
        self.pyramid = SteerablePyramid()
        self.front_ends = nn.ModuleList(FrontEnd(width) for _ in range(self.pyramid.bands))
        self.encoders = nn.ModuleList(
            MarginalEncoder(hidden, dimensions, components) for _ in range(self.pyramid.bands)
        )

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor]) -> "PimSpace":
        """The networks whose state the tensors are; the shapes say how wide. Raises
        `WeightsError`.
        """
        try:
            width = len(tensors["front_ends.0.0.bias"])
            hidden = len(tensors["encoders.0.gaussian.0.bias"])
            dimensions = len(tensors["encoders.0.gaussian.4.bias"])
            components = len(tensors["encoders.0.mixture.4.bias"]) // (dimensions + 1)
            space = cls(width, hidden, dimensions, components)
            space.load_state_dict(tensors)
        except (KeyError, RuntimeError, ZeroDivisionError):
            raise WeightsError("these are no weights of PIM") from None
        return space

    def bands(self, image: Tensor) -> list[Tensor]:
        """(N, 3, H, W) → sub-bands (N, 3, h + 16, w + 16), edges replicated as far as the front
        ends look.
        """
        return [F.pad(band, (MARGIN,) * 4, mode="replicate") for band in self.pyramid(image)]

    def features(self, image: Tensor) -> list[Tensor]:
        """What the front ends make of an image: (N, 3, h, w) for every sub-band."""
        return [
            front_end(band)
            for front_end, band in zip(self.front_ends, self.bands(image), strict=True)
        ]


def gaussian_divergence(ours: Tensor, theirs: Tensor) -> Tensor:
    """Symmetrised KL divergence of unit-variance Gaussians with these means (N, D, h, w): (N, h,
    w), in nats.
    """
    return (ours - theirs).square().sum(1)


def divergences(ours: Mixture, theirs: Mixture) -> Tensor:
    """KL of every component of the one from every one of the other: (N, K, L, h, w)."""
    table = {}
    # pair by pair: all at once is ten times slower, for want of cache
    for k, mean in enumerate(ours.means.unbind(1)):
        for other, their_mean in enumerate(theirs.means.unbind(1)):
            mirrored = table.get((other, k)) if ours is theirs else None
            table[k, other] = (
                0.5 * (mean - their_mean).square().sum(1) if mirrored is None else mirrored
            )
    return torch.stack(list(table.values()), 1).unflatten(1, (ours.means.shape[1], -1))


def variational(ours: Mixture, theirs: Mixture) -> Tensor:
    """Symmetrised KL divergence of mixtures, by the variational approximation of either direction:
    (N, h, w), in nats.

    Hershey & Olsen, "Approximating the Kullback Leibler divergence between Gaussian mixture
    models", ICASSP 2007, equation 18.
    """
    between = divergences(ours, theirs)
    mirrored = between.transpose(1, 2).contiguous()  # laid out alike, sums round alike, and 0 is 0
    total = 0
    for mixture, other, across in ((ours, theirs, between), (theirs, ours, mirrored)):
        within = (mixture.log_weights[:, None] - divergences(mixture, mixture)).logsumexp(2)
        total += (
            mixture.log_weights.exp()
            * (within - (other.log_weights[:, None] - across).logsumexp(2))
        ).sum(1)
    return total


def log_density(mixture: Mixture, z: Tensor) -> Tensor:
    """Of z (N, D, h, w), without the constant −D/2·log 2π: (N, h, w)."""
    return (mixture.log_weights - 0.5 * (z[:, None] - mixture.means).square().sum(2)).logsumexp(1)


def sampled(ours: Mixture, theirs: Mixture, noise: Tensor) -> Tensor:
    """The same by Monte-Carlo, each component sampled as often as another and weighed: (N, h, w).

    noise: (S, D, h, w), standard normal.
    """
    total = 0
    for mixture, other in ((ours, theirs), (theirs, ours)):
        for weight, mean in zip(
            mixture.log_weights.exp().unbind(1), mixture.means.unbind(1), strict=True
        ):
            for shift in noise:
                total += weight * (
                    log_density(mixture, mean + shift) - log_density(other, mean + shift)
                )
    return total / len(noise)


class Pim(Distance):
    """Mean over positions, then over sub-bands, of a divergence between encodings. What both
    variants share.
    """

    def __init__(self, weights: str):
        super().__init__()
        networks = PimSpace.from_tensors(pretrained.load_trained(weights)).requires_grad_(False)
        self.networks = networks.to(memory_format=torch.channels_last)  # a fifth faster


class PimOne(Pim):
    """One Gaussian: the divergence is the squared distance of the means."""

    def space(self, image: Tensor) -> list[Tensor]:
        features = self.networks.features(image)
        return [
            encoder.gaussian(band)
            for encoder, band in zip(self.networks.encoders, features, strict=True)
        ]

    def between(self, reference: list[Tensor], image: list[Tensor]) -> Tensor:
        pairs = zip(reference, image, strict=True)
        return torch.stack(
            [gaussian_divergence(ours, theirs).mean((1, 2)) for ours, theirs in pairs]
        ).mean(0)


class PimMixture(Pim):
    """A mixture: its divergence has no closed form. samples: for Monte-Carlo, with a fixed seed; 0:
    `variational`.
    """

    def __init__(self, weights: str, samples: int):
        super().__init__(weights)
        if samples < 0 or samples != int(samples):
            raise MetricError(f"pim: samples={samples} is not a number of samples")
        self.samples = int(samples)

    def space(self, image: Tensor) -> list[Mixture]:
        features = self.networks.features(image)
        return [
            encoder.mixture_of(band)
            for encoder, band in zip(self.networks.encoders, features, strict=True)
        ]

    def between(self, reference: list[Mixture], image: list[Mixture]) -> Tensor:
        generator = torch.Generator().manual_seed(SEED)
        values = []
        for ours, theirs in zip(reference, image, strict=True):
            if self.samples:
                noise = torch.randn(self.samples, *ours.means.shape[2:], generator=generator).to(
                    ours.means
                )
                divergence = sampled(ours, theirs, noise)
            else:
                divergence = variational(ours, theirs)
            values.append(divergence.mean((1, 2)))
        return torch.stack(values).mean(0)


def pim_1(weights: str = "pim") -> PimOne:
    return PimOne(weights)


def pim(weights: str = "pim", samples: int = 0) -> PimMixture:
    return PimMixture(weights, samples)
