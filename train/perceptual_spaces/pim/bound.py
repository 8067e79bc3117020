"""IXYZ of pairs: a lower bound of what two views and their encoding have in common."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from metamer.perception.distances.pim import MARGIN, log_density
from metamer.perception.vision.steerable_pyramid import SteerablePyramid, filtered
from metamer.train.perceptual_spaces.pim.model import PimModel
from metamer.train.perceptual_spaces.pim.pairs import Pairs


def window(image: Tensor, side: int) -> Tensor:
    """A random square of ``side``, or all there is where that is less, the same in all images of
    the batch.
    """
    for dim in (2, 3):
        full = image.shape[dim]
        if full > side:
            image = image.narrow(dim, torch.randint(full - side + 1, ()).item(), side)
    return image.contiguous(memory_format=torch.channels_last)


def windows(pyramid: SteerablePyramid, image: Tensor, positions: int) -> list[Tensor]:
    """`PimSpace.bands` where the front ends need them to encode positions² places of every
    sub-band, at random.

    Most of a pyramid's cost is its finest scale, of which this computes little.
    """
    side = positions + 2 * MARGIN

    def excerpt(source: Tensor, weight: Tensor) -> list[Tensor]:
        radius = weight.shape[-1] // 2
        # not far enough from the edges: the whole, continued beyond them
        if min(source.shape[-2:]) < side + 2 * radius:
            bands = F.pad(filtered(source, weight), (MARGIN,) * 4, mode="replicate")
            return list(window(bands, side).chunk(bands.shape[1] // 3, 1))
        return list(F.conv2d(window(source, side + 2 * radius), weight).chunk(len(weight) // 3, 1))

    high, low = pyramid.first.chunk(2)
    bands = excerpt(image, high)
    low = filtered(image, low)
    for _ in range(pyramid.scales):
        bands += excerpt(low, pyramid.oriented)
        low = filtered(low, pyramid.low, stride=2)
    return [*bands, window(F.pad(low, (MARGIN,) * 4, mode="replicate"), side)]


def log_marginal(z: Tensor, means: Tensor) -> Tensor:
    """log p̂(z): of the mean over the batch of unit-variance Gaussians at the same position,
    without the constant −D/2·log 2π.

    z, means: (N, D, h, w) → (N, h, w).
    """
    z, means = (tensor.flatten(2).permute(2, 0, 1) for tensor in (z, means))  # positions first
    norms = z.square().sum(2)[:, :, None] + means.square().sum(2)[:, None]
    exponents = torch.baddbmm(norms, z, means.mT, beta=-0.5)
    return (exponents.logsumexp(2) - math.log(len(means[0]))).T


def ixyz(z: Tensor, means: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Mean of log q(z|x) q(z|y) / p̂(z) p(z|x,y), in nats a position; at most log N.

    z, means: (N, D, h, w), what p(z|x,y) drew and its means; first, second: log q(z|x), log q(z|y),
    (N, h, w), all densities without the constant, which cancels.
    """
    full_encoder = -0.5 * (z - means).square().sum(1)
    return (first + second - full_encoder).mean() - log_marginal(z, means).mean()


def bounds(model: PimModel, pairs: Pairs, positions: int) -> tuple[Tensor, Tensor]:
    """(sub-bands,) of IXYZ each, for the Gaussian and for the mixture."""
    space, device = model.space, pairs.first.device.type
    with torch.autocast(device, enabled=False):
        bands = windows(
            space.pyramid, torch.cat(pairs).contiguous(memory_format=torch.channels_last), positions
        )
    rows = []
    for band, front_end, encoder, joint in zip(
        bands, space.front_ends, space.encoders, model.joint, strict=True
    ):
        features = front_end(band)
        gaussian, mixture = encoder.gaussian(features).float(), encoder.mixture_of(features)
        means, mixture_means = joint(features, gaussian, mixture)
        with torch.autocast(device, enabled=False):
            z = means + torch.randn_like(means)
            logs = -0.5 * (z.repeat(2, 1, 1, 1) - gaussian).square().sum(1)
            row = [ixyz(z, means, *logs.chunk(2))]
            z = mixture_means + torch.randn_like(mixture_means)
            row.append(ixyz(z, mixture_means, *log_density(mixture, z.repeat(2, 1, 1, 1)).chunk(2)))
        rows.append(row)
    return tuple(torch.stack(column) for column in zip(*rows, strict=True))
