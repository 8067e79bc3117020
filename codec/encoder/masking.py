"""How much an error is seen, position by position: texture hides it, smooth places show it.

Encoders know this as adaptive quantisation. Structural similarity has the same form: it divides an
error by the local variance (Wang et al., TIP 2004). Here it weighs what an encoder gives up where
it saves bits; the decoder need not know.
"""

import numpy as np
from PIL import Image

from metamer.codec.grid import STRIDE, latent_area, split_windows
from metamer.codec.network.model import Model
from metamer.codec.transforms import box_planes

BLOCK = 8  # pixels a side in which variance is taken
FLOOR = (2 / 255) ** 2  # below this variance noise is what varies
LARGEST_FACTOR = 8.0  # weights stay within a factor of this around their geometric mean
LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # of gamma-coded sRGB, ITU-R BT.601


def log_variance(planes: np.ndarray) -> np.ndarray:
    """How much varies around each latent position.

    Args:
        planes: (1, 3, H, W) float32 in [0, 1], sides multiples of 16.

    Returns:
        (h, w) float32, the logarithm of luma's variance.
    """
    luma = np.tensordot(LUMA, planes[0], 1)
    height, width = luma.shape
    variance = luma.reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK).var((1, 3))
    per = STRIDE // BLOCK
    return np.log(
        variance.reshape(height // STRIDE, per, width // STRIDE, per).mean((1, 3)) + FLOOR
    )


def error_weights(log_variance: np.ndarray, exponent: float) -> np.ndarray:
    """Weights of squared errors, from a whole picture.

    Args:
        log_variance: (h, w), `log_variance` of the picture.
        exponent: 0 for equal weights; 1 divides by the local variance, as structural similarity
            does.

    Returns:
        (h, w) float32; their geometric mean is about 1.
    """
    log_weight = -exponent * log_variance
    limit = np.log(LARGEST_FACTOR)
    return np.exp((log_weight - log_weight.mean()).clip(-limit, limit)).astype(np.float32)


def error_importance(picture: Image.Image, model: Model) -> np.ndarray:
    """How much more than elsewhere an error counts to the encoder.

    Args:
        picture: A whole picture, mode RGB or L.
        model: Its model, whose ``masking`` is the exponent.

    Returns:
        (h, w) float32.
    """
    whole = latent_area(*picture.size)
    weights = np.ones((whole.height, whole.width), np.float32)
    if model.masking:
        for box in split_windows(whole):
            weights[box.within(whole)] = log_variance(box_planes(picture, box))
        weights = error_weights(weights, model.masking)
    return weights
