"""Analysis and synthesis: a lapped Karhunen-Loève transform plus a residual network at 1/8
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
    LinearTransform,
    blocks,
    unblocks,
)
from metamer.train.recipe.fields import Count, Natural, documented


class Asinh(torch.autograd.Function):
    """From operators that run on vectors: PyTorch's own asinh goes one by one on a CPU and takes
    eight times as long.
    """

    @staticmethod
    def forward(ctx, value: Tensor) -> Tensor:
        root = torch.sqrt(value.square() + 1)
        ctx.save_for_backward(root)
        return torch.log1p(value.square().div_(root + 1).add_(value.abs())).mul_(value.sign())

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return gradient / ctx.saved_tensors[0]


def asinh(value: Tensor) -> Tensor:
    return torch.asinh(value) if torch.compiler.is_exporting() else Asinh.apply(value)


class Block(nn.Module):
    """Depthwise 3x3, then a pointwise bottleneck turned inside out; edges replicated."""

    def __init__(self, width: int):
        super().__init__()
        self.depthwise = nn.Conv2d(
            width, width, 3, padding=1, groups=width, padding_mode="replicate"
        )
        self.expand = nn.Conv2d(width, 2 * width, 1)
        self.project = nn.Conv2d(2 * width, width, 1)

    def forward(self, value: Tensor) -> Tensor:
        return value + self.project(F.relu(self.expand(self.depthwise(value))))


class Modulation(nn.Module):
    """Scale and shift of features by quality: (N, C, h, w) and weights (N, K)."""

    def __init__(self, levels: int, width: int):
        super().__init__()
        self.table = nn.Parameter(torch.zeros(levels, 2 * width))

    def forward(self, value: Tensor, weights: Tensor) -> Tensor:
        scale, shift = (weights @ self.table)[:, :, None, None].chunk(2, 1)
        return value * (1 + scale) + shift


class Companding(nn.Module):
    """Latents as the synthesis' residual network sees them: gain · asinh(latent / scale).

    Latents have heavy tails; without the compression the network diverges. Scale and gain are
    fixed, by channel and quality. The scale is a standard deviation, or the quantiser step where
    that is wider. With deviations alone, steps of twenty of them made the network's slope where a
    latent is rounded to nothing five times that of the linear transform, and gradients that pass
    straight through rounding drove latents that should never be coded.
    """

    def __init__(self, levels: int, latents: int):
        super().__init__()
        self.register_buffer("log_scale", torch.zeros(levels, latents))
        self.register_buffer("log_gain", torch.zeros(levels, latents))

    @torch.no_grad()
    def widen(self, step: Tensor, keep: bool = True) -> None:
        """Makes room for quantiser steps.

        Args:
            step: (K, M), image units.
            keep: Choose gains that leave unchanged what latents of 0 and ± one step give.
        """
        before = self.log_scale.exp()
        after = torch.hypot(before, step)
        self.log_scale.copy_(after.log())
        if keep:
            self.log_gain.add_((torch.asinh(step / before) / torch.asinh(step / after)).log())

    def forward(self, latent: Tensor, weights: Tensor) -> Tensor:
        with torch.autocast(latent.device.type, enabled=False):  # 8 bits of mantissa are too few
            weights = weights.float()
            factor = torch.exp(-(weights @ self.log_scale))[:, :, None, None]
            gain = torch.exp(weights @ self.log_gain)[:, :, None, None]
        return asinh(latent * factor) * gain


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
