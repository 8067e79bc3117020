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

from metamer.train.networks.transforms.lapped import (
    BLOCK,
    LinearInverse,
    unblocks,
)
from metamer.train.networks.transforms.layers import Block, Companding, Modulation
from metamer.train.recipe.fields import Count, Natural, documented


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
        nn.init.orthogonal_(self.stem.weight)
        nn.init.normal_(self.head.weight, std=1e-3)
        nn.init.zeros_(self.head.bias)

    def _load_from_state_dict(self, state_dict, prefix, *others) -> None:
        deviation = state_dict.pop(f"{prefix}deviation", None)
        if deviation is not None:  # of checkpoints from before there was `Companding`
            rows = deviation.log().expand(self.companding.log_scale.shape)
            state_dict[f"{prefix}companding.log_scale"] = rows
            state_dict[f"{prefix}companding.log_gain"] = torch.zeros_like(rows)
        super()._load_from_state_dict(state_dict, prefix, *others)

    @property
    def receptive_field(self) -> int:
        """Latent positions beyond its own that a position's pixels depend on, on each side: every
        block sees one of its own more, the filter across boundaries half a latent position.
        """
        if self.finer == 1:
            return self.options.blocks + 1
        return max(1, -(-self.options.blocks // self.finer))

    def forward(self, latent: Tensor, weights: Tensor) -> Tensor:
        value = self.stem(self.companding(latent, weights))
        if self.finer > 1:
            value = F.pixel_shuffle(value, self.finer)
        detail = self.head(self.blocks(self.modulation(value, weights)))
        if self.finer == 1:
            return self.linear(latent, detail.float()) + 0.5
        return self.linear(latent) + unblocks(detail, self.options.stride).float() + 0.5
