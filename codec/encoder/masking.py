"""How much an error is seen, position by position: texture hides it, smooth places show it.

Encoders know this as adaptive quantisation. Structural similarity has the same form: it divides an
error by the local variance (Wang et al., TIP 2004). Here it weighs what an encoder gives up where
it saves bits; the decoder need not know.
"""

import numpy as np

from metamer.codec.grid import STRIDE

BLOCK = 8  # pixels a side in which variance is taken
FLOOR = (2 / 255) ** 2  # below this variance noise is what varies
REACH = 8.0  # weights stay within a factor of this around their geometric mean
LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # of gamma-coded sRGB, ITU-R BT.601


def log_variance(planes: np.ndarray) -> np.ndarray:
    """(h, w) float32, what varies around each position, from planes (1, 3, H, W) in [0, 1]. H, W:
    multiples of 16.
    """
    luma = np.tensordot(LUMA, planes[0], 1)
    height, width = luma.shape
    variance = luma.reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK).var((1, 3))
    per = STRIDE // BLOCK
    return np.log(
        variance.reshape(height // STRIDE, per, width // STRIDE, per).mean((1, 3)) + FLOOR
    )


def error_weights(log_variance: np.ndarray, exponent: float) -> np.ndarray:
    """(h, w) float32 weights of squared errors, their geometric mean about 1, from a whole
    picture's `log_variance`.

    exponent: 0 for equal weights; 1 divides by the local variance, as structural similarity does.
    """
    log_weight = -exponent * log_variance
    limit = np.log(REACH)
    return np.exp((log_weight - log_weight.mean()).clip(-limit, limit)).astype(np.float32)
