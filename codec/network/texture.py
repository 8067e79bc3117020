"""Noise that a decoder may make texture of: what may have been there where rounding to the
prediction left nothing.

At low rates most latents are rounded to what was predicted, and a decoder has nothing to tell a
lawn from a cloth by. But the stream says how much was expected of each, and so what may have been
rounded away: drawing it from that distribution gives texture the strength and the spectrum that it
has in photographs, at the price of some distortion (Blau & Michaeli, ICML 2019). Audio codecs fill
bands that they left out in this way (perceptual noise substitution, MPEG-4).
"""

import numpy as np

KEPT = 255  # in place of a table: the latent was not rounded to its prediction


def noise(tables: np.ndarray, scales: tuple[float, ...], count: int, seed: int) -> np.ndarray:
    """Draws what rounding may have removed.

    Table i of ``count`` is taken as a logistic whose scale lies at i between the first and the last
    of ``scales``, evenly in logarithm. Its distribution function is (1 + tanh(v / 2s)) / 2, so v =
    2s·artanh(2u·tanh(1 / 4s)) for uniform u.

    Args:
        tables: (h, w, M) uint8, the coding table of each latent; `KEPT` where nothing is drawn.
        scales: Of the first and the last table, in quantiser steps.
        count: Of tables.
        seed: Of the generator, PCG64.

    Returns:
        (h, w, M) float32 in [−½, ½] quantiser steps.
    """
    scale, inside = np.zeros((2, KEPT + 1), np.float32)
    scale[:count] = np.geomspace(scales[0], scales[1], count)
    inside[:count] = np.tanh(0.25 / scale[:count])
    drawn = np.random.Generator(np.random.PCG64(seed)).random(tables.shape, np.float32)
    drawn -= np.float32(0.5)
    drawn *= 2 * inside[tables]
    np.arctanh(drawn, out=drawn)
    drawn *= 2 * scale[tables]
    return drawn
