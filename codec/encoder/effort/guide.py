"""Where latents should go for a better file: by analysing again, or by gradients."""

from collections.abc import Callable
from typing import Protocol

import numpy as np

from metamer.codec.encoder.effort.slope import Slope
from metamer.codec.encoder.effort.view import Coding, View
from metamer.codec.network.passes import FRACTION
from metamer.codec.system.entry_points import load_entry_point

GUIDES = "metamer.effort_guides"  # group of entry points in which what needs PyTorch offers itself


class Guide(Protocol):
    """What moves the latents of one view.

    smallest: pixels that either side must have. share: of the way to what is wanted that the first
    step goes; decay: what each later step's share is of the one before; momentum: of the last move
    that is made again.
    """

    smallest: int
    share: float
    decay: float
    momentum: float

    def distances(self, pixels: np.ndarray) -> np.ndarray:
        """(D,) of pixels as `View.pixels` gives them to the original."""

    def wanted(
        self, coding: Coding, planes: np.ndarray, slope: Slope, curvature: np.ndarray
    ) -> np.ndarray:
        """(h, w, M) latents, in steps, at which bits + Σ ``slope.weights`` · distances would be
        least but for rounding.

        planes: `View.planes` of the coding. curvature: (M,) or (h, w, M) bits that a squared step
        of error costs.
        """

    def rdoq_lambda(self, usual: np.ndarray, curvature: np.ndarray) -> np.ndarray:
        """`rdoq.choose_residuals`' for what is wanted; usual: without effort."""


class Reanalysis:
    """The decoded picture is analysed as the original was, and what differs is what is missing.

    The transforms are nearly orthogonal, so that is nearly the gradient of the mean squared error.
    It takes no more than what encodes and decodes. Steps and λ of rounding: least rate at equal
    PSNR on four held-out crops (research/notes/LEVERS.md).
    """

    smallest, share, decay, momentum = 1, 1.0, 0.7, 0.0

    def __init__(self, view: View):
        self._view = view

    def distances(self, pixels: np.ndarray) -> np.ndarray:
        error = np.square(pixels.astype(np.float32) - self._view.original).mean(dtype=np.float64)
        return np.array([error / 255**2])

    def wanted(
        self, coding: Coding, planes: np.ndarray, slope: Slope, curvature: np.ndarray
    ) -> np.ndarray:
        view = self._view
        missing = view.exact[view.inside] - view.reanalyse(planes)
        return coding.decoded / np.float32(FRACTION) + missing

    def rdoq_lambda(self, usual: np.ndarray, curvature: np.ndarray) -> np.ndarray:
        return 1.2 * usual


def gradient_guide() -> Callable[[View, tuple[str, ...]], Guide]:
    """What makes a guide from gradients: the workshop's, which the runtime knows by its entry point
    alone. Raises ImportError.
    """
    guide: Callable[[View, tuple[str, ...]], Guide] = load_entry_point(
        GUIDES, "gradients", "an effort above 3", "train"
    )
    return guide
