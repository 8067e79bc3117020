"""Quality levels: those that have parameters, what lies between them, and the qualities of files."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from metamer.codec.grid import HYPER_STRIDE
from metamer.codec.network.files.arrays import LIMITS
from metamer.codec.network.passes import CONTEXT_SHIFT, FRACTION, MEAN_SHIFT
from metamer.train.networks.entropy_model.integer_networks import (
    HIDDEN_ONE,
    ContextNetwork,
    HyperSynthesis,
    round_through,
    set_quantised,
)
from metamer.train.networks.entropy_model.proxies import PROXIES, dither, within_cell
from metamer.train.networks.transforms.synthesis import asinh
from metamer.train.networks.entropy_model.checkerboard import checkerboard
from metamer.train.networks.entropy_model.logistic import SCALE_LOW, SCALE_HIGH, SCALE_STEP, logistic_bits, chosen_residuals
import torch
from torch import Tensor
from metamer.codec.options import QUALITIES
from metamer.train.recipe.options import Recipe, Stage



def level_weights(level: Tensor, levels: int) -> Tensor:
    """Piecewise linear interpolation weights (N, K) of quality levels (N,) in [0, K−1]."""
    return (1 - (level[:, None] - torch.arange(levels, device=level.device)).abs()).clamp_min(0)


def quality_indices(count: int) -> list[int]:
    """So many of the 256 qualities, from the lowest to the highest.

    >>> quality_indices(3)
    [0, 128, 255]
    """
    return [round(place * (QUALITIES - 1) / (count - 1)) for place in range(count)]
