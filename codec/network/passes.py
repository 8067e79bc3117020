"""The context passes of bitstreams/FORMAT.md: which latents are decoded when, and what is predicted
of them.

Encoder and decoder run the same passes, in integer arithmetic throughout; they differ only in where
residuals come from.
"""

from collections.abc import Callable

import numpy as np

from metamer.codec.errors import ModelError
from metamer.codec.grid import HYPER_STRIDE
from metamer.codec.network.graphs.session import check_outputs
from metamer.codec.network.model import Model

FRACTION = 16  # decoded latents are whole sixteenths of a quantiser step
# clipping of what the context networks see, before and after scaling
CONTEXT_MAX, VALUE_MAX = 511, 8191
MEAN_SHIFT, CONTEXT_SHIFT, SCALE_SHIFT = 14, 12, 3
# positions that context networks run on at a time, and rows: more than a tile has
STRIP, LEAST_ROWS = 1 << 13, 16
# above and below a strip; context networks see one position around each (FORMAT.md), and it must be
# even
CONTEXT_ROWS = 2

# (tables (n, C) uint8, centre (n, C) int32 sixteenths, positions (n,), channels) → residuals (n, C)
# int32
Residuals = Callable[[np.ndarray, np.ndarray, np.ndarray, slice], np.ndarray]


def _scaled(value: np.ndarray, factor: np.ndarray, shift: int) -> np.ndarray:
    """floor(value · factor / 2^shift + 1/2), int32; the bounds on the factors
    (codec.network.files.arrays) keep it from overflowing.
    """
    product = value * factor
    product += 1 << shift - 1
    product >>= shift
    return product


def run_passes(
    model: Model,
    quality: int,
    hyper: np.ndarray,
    height: int,
    width: int,
    residuals: Residuals,
    groups: int | None = None,
) -> np.ndarray:
    """Runs all passes. Everything is position-major, so that a pass picks whole rows.

    Args:
        model: The model.
        quality: 0 … 255.
        hyper: (Z, h', w') hyper-latents.
        height: Rows of latent positions.
        width: Columns of latent positions.
        residuals: Where residuals come from, for each pass.
        groups: How many groups of channels to decode, all by default; the rest stay 0.

    Returns:
        Decoded latents (h, w, M), int32 sixteenths of a step.
    """
    array = model.arrays
    features = _features(model, hyper)[:, :height, :width]
    planes = array["planes"][quality]
    fixed = len(features) + len(planes)
    context = np.zeros((1, height, width, fixed + model.latents), np.int16)
    context[0, :, :, : len(features)] = features.transpose(1, 2, 0)
    context[0, :, :, len(features) : fixed] = planes
    decoded_units = context.reshape(height * width, -1)[:, fixed:]
    decoded = np.zeros((height * width, model.latents), np.int32)
    colour = (np.add.outer(np.arange(height), np.arange(width)) % 2).ravel()
    begin = 0
    for group, size in enumerate(model.groups[:groups]):
        channels = slice(begin, begin + size)
        for parity in (0, 1):
            positions = np.flatnonzero(colour == parity)
            if not positions.size:
                continue  # a tile of one position has no second pass
            visible = context[..., : fixed + begin + parity * size]
            tables, centre = _predicted(
                model, quality, 2 * group + parity, visible, channels, len(positions)
            )
            value = residuals(tables, centre, positions, channels)
            value *= FRACTION
            value += centre
            decoded[positions, channels] = value
            units = _scaled(
                value.clip(-VALUE_MAX, VALUE_MAX, out=value),
                array["known_factor"][quality, channels],
                CONTEXT_SHIFT,
            )
            decoded_units[positions, channels] = units.clip(-CONTEXT_MAX, CONTEXT_MAX, out=units)
        begin += size
    return decoded.reshape(height, width, model.latents)


def _features(model: Model, hyper: np.ndarray) -> np.ndarray:
    """What hyper-latents (Z, h', w') say of each position: (F, 4h', 4w') float32, whole numbers of
    16 bits.
    """
    sides = (HYPER_STRIDE * side for side in hyper.shape[1:])
    outputs = model.run("features", hyper=hyper[None].astype(np.float32))
    features = check_outputs(outputs, "features", ("f", (1, None, *sides)))[0][0]
    if np.abs(features).max() > np.iinfo(np.int16).max or (features != np.rint(features)).any():
        raise ModelError("graph features gives what are no whole numbers, or too large ones")
    return features


def _predicted(
    model: Model, quality: int, index: int, context: np.ndarray, channels: slice, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Tables (n, C) uint8 and centres (n, C) int32 of pass ``index`` for the ``count`` positions
    that it codes, from context (1, h, w, ·).

    The network runs on strips, so that memory does not grow with the picture; a strip begins in an
    even row, where the checkerboard is as in the first, and brings the rows along that the network
    sees.
    """
    _, height, width, _ = context.shape
    size, parity = channels.stop - channels.start, index % 2
    offset = model.arrays["scale_offset"][quality, channels]
    factor = model.arrays["mean_factor"][quality, channels]
    tables, centre = np.empty((count, size), np.uint8), np.empty((count, size), np.int32)

    def positions(rows: int) -> int:
        """Of this pass in so many rows, from an even one."""
        return (rows * width + 1 - parity) // 2

    for top, bottom in strips(height, width):
        first, last = max(0, top - CONTEXT_ROWS), min(height, bottom + CONTEXT_ROWS)
        outputs = model.run(
            f"context{index}", context=context[:, first:last].astype(np.float32, order="C")
        )
        given = positions(last - first)
        mean, scale = check_outputs(outputs, f"context{index}", *[("i", (given, size))] * 2)
        inner = slice(positions(top - first), positions(bottom - first))
        outer = slice(positions(top), positions(bottom))
        chosen = (scale[inner] + offset) >> SCALE_SHIFT
        tables[outer] = chosen.clip(0, len(model.tables) - 1)
        centre[outer] = _scaled(mean[inner].astype(np.int32), factor, MEAN_SHIFT)
    return tables, centre


def strips(height: int, width: int) -> list[tuple[int, int]]:
    """Parts of a picture's rows, of some `STRIP` positions each.

    Args:
        height: Rows of latent positions.
        width: Columns of latent positions.

    Returns:
        First row, an even one, and the row behind the last, of each part.

    Example:
        >>> strips(300, 1), strips(50, 512)
        ([(0, 300)], [(0, 16), (16, 32), (32, 48), (48, 50)])
    """
    rows = max(LEAST_ROWS, STRIP // width & ~1)
    return [(top, min(top + rows, height)) for top in range(0, height, rows)]
