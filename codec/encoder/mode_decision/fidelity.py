"""What a quality gives photographs, which is what it promises for every picture, and what an error
is worth at it.

The tables are means over the 60 photographs that are kept out of training, by
`research/benchmarks/fidelity.py`, which prints them anew for a new model. A model that is not here
is taken to give what the least of these gives.
"""

import numpy as np

from metamer.codec.options import QUALITIES

LEVELS = (0, 20, 40, 60, 80, 100)  # qualities
# model: bits a pixel and PSNR in dB at each
MEASURED: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "base": (
        (0.044, 0.109, 0.273, 0.602, 1.186, 2.038),
        (26.37, 28.85, 31.78, 35.02, 38.55, 41.75),
    ),
}
MARGIN = 4.0  # dB below it that a picture may end
PROMISED_FROM = 60  # quality


def allowed_error(model: str, index: int) -> float | None:
    """The largest error that a tile may end with.

    Args:
        model: The model's name.
        index: The quality, 0 … 255.

    Returns:
        Mean squared, of 8-bit levels; None for any.
    """
    if index < PROMISED_FROM * (QUALITIES - 1) / LEVELS[-1]:
        return None
    _, psnr = _at(model, index)
    return 255**2 * 10 ** (-(psnr - MARGIN) / 10)


def typical_rate(model: str, index: int) -> float:
    """Bits a pixel that photographs take at quality ``index`` of 256."""
    return _at(model, index)[0]


def error_price(model: str, index: int) -> float:
    """What error is worth: the slope of the photographs' own curve.

    Args:
        model: The model's name.
        index: The quality, 0 … 255.

    Returns:
        Bits a pixel for a unit of mean squared error, of 8-bit levels.
    """
    low, high = max(0, index - 16), min(QUALITIES - 1, index + 16)
    (less, worse), (more, better) = _at(model, low), _at(model, high)
    return (more - less) / (255**2 * (10 ** (-worse / 10) - 10 ** (-better / 10)))


def _at(model: str, index: int) -> tuple[float, float]:
    """Bits a pixel, and PSNR in dB."""
    quality = index * LEVELS[-1] / (QUALITIES - 1)
    tables = [MEASURED[model]] if model in MEASURED else list(MEASURED.values())
    rate = min(np.exp(np.interp(quality, LEVELS, np.log(rates))) for rates, _ in tables)
    return float(rate), float(min(np.interp(quality, LEVELS, psnr) for _, psnr in tables))
