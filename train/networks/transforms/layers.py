"""What both residual networks are made of: asinh, blocks, modulation by quality, companding."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


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
