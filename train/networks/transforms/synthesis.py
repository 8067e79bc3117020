"""Synthesis: the inverse of a lapped Karhunen-Loève transform plus a residual network at 1/8
resolution, in small decoders at 1/16.

Nonlinear transform coding (Ballé et al., IEEE JSTSP 2021) that starts as the best linear transform:
the last layer of each residual network starts near zero. Quality enters each network as a learned
scale and shift of its first features, so one network serves every rate.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from metamer.codec.grid import Box
from metamer.codec.network.noise import FINER, UNIT, common_noise
from metamer.train.networks.transforms.lapped import (
    BLOCK,
    LinearInverse,
    unblocks,
)
from metamer.train.networks.transforms.layers import Block, Companding, Modulation
from metamer.train.recipe.fields import Count, Natural, documented

NOISE_STD = 0.05  # of the first weights that read it: at 0 nothing would tell them where to go


@documented
@dataclass
class DecoderOptions:
    """Sizes of a synthesis."""

    stride: Literal[8, 16] = 8
    """Pixels from one position of the residual network to the next."""
    width: Count = 128
    """Channels of the residual network."""
    blocks: Natural = 6
    """Blocks of the residual network."""
    bands: Count = 1
    """Syntheses of these sizes, each for an equal share of the qualities."""
    noise: Natural = 0
    """Channels of noise, at 1/8 and at 1/16 of the resolution each, that the residual network is
    given to make texture of (`codec.network.noise`), at stride 8; 0 for none."""

    def __post_init__(self) -> None:
        if self.noise and self.stride != BLOCK // FINER:
            raise ValueError(f"noise: is for stride {BLOCK // FINER}")


class Synthesis(nn.Module):
    """Decoded latents (N, M, h, w) in image units to an image (N, 3, 16h, 16w), nominally in [0,
    1], not clipped.

    At stride 16 the residual network adds to the blocks of the lapped transform, before the filter
    across their boundaries, which then smooths what both give: an edge between blocks costs a
    network that looks no closer than a block more than it has.
    """

    def __init__(self, latents: int, options: DecoderOptions, levels: int):
        super().__init__()
        self.options, width = options, options.width
        self.finer = BLOCK // options.stride  # positions a latent position, along a side
        self.linear = LinearInverse(latents)
        self.stem = nn.Conv2d(latents, self.finer**2 * width, 1)
        self.modulation = Modulation(levels, width)
        self.blocks = nn.Sequential(*[Block(width) for _ in range(options.blocks)])
        self.head = nn.Conv2d(width, 3 * options.stride**2, 1)
        self.companding = Companding(levels, latents)
        if options.noise:
            self.noise = nn.Conv2d(2 * options.noise, width, 1, bias=False)
            nn.init.normal_(self.noise.weight, std=NOISE_STD)
        nn.init.orthogonal_(self.stem.weight)
        nn.init.normal_(self.head.weight, std=1e-3)
        nn.init.zeros_(self.head.bias)

    @property
    def receptive_field(self) -> int:
        """Latent positions beyond its own that a position's pixels depend on, on each side: every
        block sees one of its own more, the filter across boundaries half a latent position.
        """
        if self.finer == 1:
            return self.options.blocks + 1
        return max(1, -(-self.options.blocks // self.finer))

    def forward(self, latent: Tensor, weights: Tensor, noise: Tensor | None = None) -> Tensor:
        """noise: (N, 8·channels, h, w) as `common_noise` orders it, where there is any; by default
        that of a picture's first positions.
        """
        value = self.stem(self.companding(latent, weights))
        if self.finer > 1:
            value = F.pixel_shuffle(value, self.finer)
        if self.options.noise:
            noise = self._common_noise(latent) if noise is None else noise
            value = value + self.noise(F.pixel_shuffle(noise, FINER))
        detail = self.head(self.blocks(self.modulation(value, weights)))
        if self.finer == 1:
            return self.linear(latent, detail.float()) + 0.5
        return self.linear(latent) + unblocks(detail, self.options.stride).float() + 0.5

    def _common_noise(self, latent: Tensor) -> Tensor:
        noise = common_noise(Box(0, 0, *latent.shape[-2:]), self.options.noise)
        return torch.from_numpy(noise).permute(0, 3, 1, 2).to(latent)


def drawn_noise(batch: int, positions: int, channels: int, generator: torch.Generator) -> Tensor:
    """(N, 8·channels, S, S) noise distributed and ordered as `common_noise`, for images of (S, S)
    latent positions.
    """
    cells, side = FINER**2, (positions, positions)
    drawn = torch.randint(
        0,
        256,
        (4, batch, (cells + 1) * channels, *side),
        generator=generator,
        device=generator.device,
    )
    values = (drawn.sum(0) - 2 * 255) / UNIT
    fine, coarse = values.split([cells * channels, channels], 1)
    return torch.cat([fine, coarse.repeat_interleave(cells, 1)], 1)
