"""Wasserstein distortion: from fidelity to realism by one length (Qiu, Wagner, Ballé & Theis, CISS
2024).

Around every position, features are pooled over a neighbourhood of width σ; two images differ by the
squared 2-Wasserstein distance between Gaussians of the pooled means and variances, (μ − μ̂)² + (s −
ŝ)². σ → 0 compares features place by place; the larger σ, the more only their statistics count. A
map of σ, large away from where people look, mixes both.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from metamer.perception.distances.deep import DeepDistance
from metamer.perception.errors import MetricError

LAYERS = {
    "squeezenet": ("relu1", "fire3", "fire5", "fire7", "fire9"),
    "alexnet": ("relu1", "relu2", "relu3", "relu4", "relu5"),
    "vgg16": ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3"),
}
FLAT = 1e-8  # added to variances: the root's gradient stays finite where features are constant


def halve(x: Tensor) -> Tensor:
    """Half the size, after the binomial kernel 1 3 3 1 (variance 3/4 pixel² each way); borders
    repeat.
    """
    kernel = x.new_tensor([1.0, 3.0, 3.0, 1.0]) / 8
    kernel = torch.outer(kernel, kernel).expand(x.shape[1], 1, 4, 4)
    return F.conv2d(F.pad(x, (1, 2, 1, 2), mode="replicate"), kernel, stride=2, groups=x.shape[1])


# local means, local standard deviations, and the weight of this depth at each place
PooledStatistics = tuple[Tensor, Tensor, Tensor]


class Wasserstein(DeepDistance):
    """Over the image and five layers: sum of mean squared differences of local means and standard
    deviations.

    network: squeezenet, alexnet or vgg16. sigma: width of the pooling in pixels, a number or an (H,
    W) tensor; 0 is plain squared feature differences. Pooling widths between powers of two are
    interpolated, linearly in log σ.
    """

    def __init__(self, network: str = "vgg16", sigma: float | Tensor = 8.0):
        super().__init__(network)
        self.layers = LAYERS[self.network.name]
        self.register_buffer("sigma", torch.as_tensor(sigma, dtype=torch.float32), persistent=False)
        if self.sigma.ndim not in (0, 2) or not (self.sigma.isfinite() & (self.sigma >= 0)).all():
            raise MetricError(
                "sigma is a width in pixels, not negative: one number, or an (H, W) tensor of them"
            )

    def space(self, image: Tensor) -> list[list[PooledStatistics]]:
        """For the image and every layer, what pooling leaves of it at each depth that σ
        asks for.
        """
        height = image.shape[-2]
        maps = [image, *self.network(image, self.layers).values()]
        return [self.pooled(features, height / features.shape[-2]) for features in maps]

    def pooled(self, features: Tensor, stride: float) -> list[PooledStatistics]:
        """(N, C, h, w) features that stand ``stride`` pixels apart, pooled by repeated halving."""
        # ℓ halvings pool with a standard deviation of √((4^ℓ − 1) / 4) elements; the level is where
        # σ lies among these
        level = 0.5 * torch.log2(4 * (self.sigma / stride).square() + 1)
        # one element cannot be pooled further
        level = level.clamp_max(int(math.log2(min(features.shape[-2:]))))
        level = (
            F.interpolate(level.expand(1, 1, *level.shape), features.shape[-2:], mode="area")
            if level.ndim
            else level
        )
        mean, square, levels = features, features.square(), []
        for depth in range(int(level.max().ceil()) + 1):
            if depth:
                mean, square = halve(mean), halve(square)
                level = F.interpolate(level, mean.shape[-2:], mode="area") if level.ndim else level
            share = (1 - (level - depth).abs()).clamp_min(0)  # linear between depths
            if share.any():
                deviation = (
                    ((square - mean.square()).clamp_min(0) + FLAT).sqrt()
                    if depth
                    else torch.zeros_like(share)
                )
                levels.append((mean, deviation, share))
        return levels

    def between(
        self, reference: list[list[PooledStatistics]], image: list[list[PooledStatistics]]
    ) -> Tensor:
        total = 0.0
        for theirs, ours in zip(reference, image, strict=True):
            for (mean, deviation, share), (other_mean, other_deviation, _) in zip(
                ours, theirs, strict=True
            ):
                apart = (mean - other_mean).square() + (deviation - other_deviation).square()
                total = total + (apart * share).mean((1, 2, 3))
        return total
