"""Analysis: a lapped Karhunen-Loève transform plus a residual network at 1/8 resolution."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from metamer.train.networks.transforms.lapped import (
    LinearTransform,
    blocks,
)
from metamer.train.networks.transforms.layers import Block, Modulation


class Analysis(nn.Module):
    """Image (N, 3, H, W) in [0, 1], sides multiples of 16, to latents (N, M, H/16, W/16) in image
    units.
    """

    def __init__(self, latents: int, width: int, blocks: int, levels: int):
        super().__init__()
        self.linear = LinearTransform(latents)
        self.stem = nn.Conv2d(3 * 64, width, 1)
        self.modulation = Modulation(levels, width)
        self.blocks = nn.Sequential(*[Block(width) for _ in range(blocks)])
        self.head = nn.Conv2d(4 * width, latents, 1)
        self.register_buffer("deviation", torch.ones(latents))
        nn.init.orthogonal_(self.stem.weight, gain=2)
        nn.init.normal_(self.head.weight, std=1e-3)
        nn.init.zeros_(self.head.bias)

    def forward(self, image: Tensor, weights: Tensor) -> Tensor:
        centred = image - 0.5
        value = self.modulation(self.stem(blocks(centred, 8)), weights)
        detail = self.head(F.pixel_unshuffle(self.blocks(value), 2))
        return self.linear(centred) + detail.float() * self.deviation[:, None, None]
