"""What distortion is worth in bits at a quality: λ of rate-distortion theory."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from metamer.codec.network.model import Model

# Bits that a squared quantiser step of error is worth, on average over latents, where curves of
# photographs have the slope that they have: 9.6 at quality 5, 9.2 at 15, 8.8 at 40, 9.6 at 65, 8.7
# at 88, standard deviation over nine held-out photographs 0.3 to 1.3. Theory says 6 / ln 2 = 8.7
# where steps are small (`rdoq.choose_residuals`).
SQUARED_STEP = 9.2


@dataclass(frozen=True)
class Slope:
    """What distances are worth. weights: (D,) bits for each; mse: bits for the mean squared error
    of pixels in [0, 1].
    """

    weights: np.ndarray
    mse: float


def nominal(model: Model, index: int, pixels: int) -> Slope:
    """Of mean squared error alone, for so many pixels: the quantiser steps say it, as a trained
    model's are those that suit a slope.

    In orthogonal transforms a squared step, over the number of pixels in three planes, is the mean
    squared error that it makes.
    """
    step = model.arrays["step"][index].astype(np.float64)
    mse = 3 * pixels * SQUARED_STEP / float(np.square(step).mean())
    return Slope(np.array([mse]), mse)


def measured(rows: Sequence[Sequence[float]], shares: np.ndarray) -> Slope | None:
    """Of a picture's own curve; None where it has no slope, as that of a single colour.

    rows: at a lower quality, the quality that is asked for and a higher one, each bits, mean
    squared error and the D distances of the mix. shares: (D,) of the distances in the mix, their
    sum is 1; each distance alone would be worth as much as the mean squared error is, times its
    share.
    """
    low, here, high = np.array(rows)
    if min(low.min(), here.min(), high.min()) <= 0:
        return None
    # over one stretch of quality; the logarithms are nearly straight lines
    rises = here * np.log(high / low)
    bits, falls = rises[0], -rises[1:]
    if bits <= 0 or falls.min() <= 0:
        return None
    return Slope(shares * bits / falls[1:], float(bits / falls[0]))
