"""Quality levels: weights of the two that a quality lies between, and qualities of files."""

import torch
from torch import Tensor

from metamer.codec.options import QUALITIES


def level_weights(level: Tensor, levels: int) -> Tensor:
    """Piecewise linear interpolation weights (N, K) of quality levels (N,) in [0, K−1]."""
    return (1 - (level[:, None] - torch.arange(levels, device=level.device)).abs()).clamp_min(0)


def quality_indices(count: int) -> list[int]:
    """So many of the 256 qualities, from the lowest to the highest.

    >>> quality_indices(3)
    [0, 128, 255]
    """
    return [round(place * (QUALITIES - 1) / (count - 1)) for place in range(count)]
