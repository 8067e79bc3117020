"""Latents to a payload and back: the pass schedule of bitstreams/FORMAT.md, in integer arithmetic
throughout.

Encoder and decoder run the same `_passes`; they differ only in where residuals come from.
"""

from collections.abc import Callable

import numpy as np

from metamer.codec.errors import ModelError
from metamer.codec.grid import HYPER_STRIDE
from metamer.codec.network.graphs.session import check_outputs
from metamer.codec.network.model import Model
from metamer.codec.network.texture import KEPT
from metamer.entropy.coder import MAX_RESIDUAL, Decoder, Encoder, Meter

HYPER_MAX = 63
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


def hyper_shape(model: Model, height: int, width: int) -> tuple[int, int, int]:
    """The shape of hyper-latents.

    Args:
        model: Their model.
        height: Rows of latent positions.
        width: Columns of latent positions.

    Returns:
        (Z, h', w').
    """
    return (
        model.arrays["hyper_index"].shape[1],
        -(-height // HYPER_STRIDE),
        -(-width // HYPER_STRIDE),
    )


def _hyper_tables(model: Model, quality: int, shape: tuple[int, int, int]) -> np.ndarray:
    return np.repeat(model.arrays["hyper_index"][quality], shape[1] * shape[2])


def _scaled(value: np.ndarray, factor: np.ndarray, shift: int) -> np.ndarray:
    """floor(value · factor / 2^shift + 1/2), int32; the bounds on the factors
    (codec.network.arrays) keep it from overflowing.
    """
    product = value * factor
    product += 1 << shift - 1
    product >>= shift
    return product


def _passes(
    model: Model,
    quality: int,
    hyper: np.ndarray,
    height: int,
    width: int,
    residuals: Residuals,
    groups: int | None = None,
) -> np.ndarray:
    """Decoded latents (h, w, M), int32 sixteenths of a step, from hyper-latents and a source of
    residuals.

    Everything is position-major, so that a pass picks whole rows. groups: how many groups of
    channels to decode, all by default; the rest stay 0.
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
        if outputs[0].ndim == 4:  # graphs of format 1 give every position
            outputs = check_outputs(
                outputs, f"context{index}", *[("i", (1, last - first, width, size))] * 2
            )
            here = np.add.outer(np.arange(last - first), np.arange(width)) % 2 == parity
            outputs = [array[0][here] for array in outputs]
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


def choose_residuals(
    exact: np.ndarray, tables: np.ndarray, model: Model, tradeoff: np.ndarray
) -> np.ndarray:
    """Rounds residuals to the nearest integer, or one closer to zero where that saves more than it
    costs.

    Minimises bits + tradeoff·(error in steps)². For elements that stood alone the weight of a
    squared step would be 6 / ln 2 = 8.7 bits (from Δ² = 18 / (ln 2 · λ · 255²), three channels a
    pixel); it pays to value fidelity more, because later passes predict from what this one keeps,
    and most in the first.

    Args:
        exact: (n,) residuals in steps.
        tables: (n,) uint8, the coding table of each.
        model: The model.
        tradeoff: (n,) bits that a squared step is worth.

    Returns:
        (n,) int32.
    """
    nearest = np.rint(exact).astype(np.int32)
    some = np.flatnonzero(nearest)
    value, table, error = nearest[some], tables[some], exact[some]
    closer = value - np.sign(value)
    saved = model.tables.cost(value, table) - model.tables.cost(closer, table)
    worse = tradeoff[some] * ((error - closer) ** 2 - (error - value) ** 2)
    nearest[some] = np.where(saved > worse, closer, value)
    return nearest


def write_latents(
    model: Model,
    quality: int,
    latent: np.ndarray,
    hyper: np.ndarray,
    writer: Encoder | Meter,
    tradeoff: np.ndarray,
) -> np.ndarray:
    """Codes hyper-latents, then latents pass by pass.

    Args:
        model: The model.
        quality: 0 … 255.
        latent: (h, w, M) float32, the analysis network's output.
        hyper: (Z, h', w') integers.
        writer: What they are written to.
        tradeoff: `choose_residuals`', broadcast to (h, w, M).

    Returns:
        The decoded latents, (h, w, M) int32 sixteenths of a step.

    Raises:
        ModelError: The model predicts what is too far from what it codes.
    """
    height, width = latent.shape[:2]
    hyper_tables = _hyper_tables(model, quality, hyper.shape)
    hyper = np.where(model.tables.coded[hyper_tables].reshape(hyper.shape), hyper, 0)
    writer.write(hyper.ravel(), hyper_tables)
    tradeoffs = np.broadcast_to(tradeoff, latent.shape).reshape(-1, model.latents)
    steps = (latent * model.arrays["encoder_gain"][quality]).reshape(-1, model.latents)

    def residuals(tables, centre, positions, channels):
        chosen = np.zeros(centre.shape, np.int32)
        some = model.tables.coded_positions(tables)
        if model.coded_channels is not None:
            some = some[model.coded_channels[channels][some % centre.shape[1]]]
        exact = steps[positions, channels].take(some) - centre.take(some) / np.float32(FRACTION)
        if some.size and not (exact.max() < MAX_RESIDUAL and exact.min() > -MAX_RESIDUAL):
            raise ModelError("the model predicts what is too far from what it codes")
        used = tables.take(some)
        values = choose_residuals(exact, used, model, tradeoffs[positions, channels].take(some))
        writer.write(values, used)
        chosen.put(some, values)
        return chosen

    return _passes(model, quality, hyper, height, width, residuals)


def read_latents(
    model: Model,
    quality: int,
    height: int,
    width: int,
    reader: Decoder,
    zeros: np.ndarray | None = None,
    groups: int | None = None,
) -> np.ndarray:
    """Decodes hyper-latents, then latents pass by pass.

    Args:
        model: The model.
        quality: 0 … 255.
        height: Rows of latent positions.
        width: Columns of latent positions.
        reader: What they are read from.
        zeros: If given, an (h, w, M) uint8 array that is filled with the coding table of every
            latent whose residual is 0, else with `texture.KEPT`.
        groups: If given, decoding stops after so many groups of channels; the others are 0.

    Returns:
        (h, w, M) int32 sixteenths of a step.

    Raises:
        DamagedError: The words cannot have come from the encoder.
    """
    shape = hyper_shape(model, height, width)
    hyper = (
        reader.read(_hyper_tables(model, quality, shape)).clip(-HYPER_MAX, HYPER_MAX).reshape(shape)
    )

    def residuals(tables, centre, positions, channels):
        if model.coded_channels is None:
            values, used = reader.read(tables.ravel()).reshape(tables.shape), tables
        else:
            some = model.coded_channels[channels]
            values, used = np.zeros(tables.shape, np.int32), np.full(tables.shape, KEPT, np.uint8)
            used[:, some] = coded = tables[:, some]
            values[:, some] = reader.read(coded.ravel()).reshape(coded.shape)
        if zeros is not None:
            zeros.reshape(-1, model.latents)[positions, channels] = np.where(values, KEPT, used)
        return values

    decoded = _passes(model, quality, hyper, height, width, residuals, groups)
    if groups is None:
        reader.finish()
    return decoded


def dequantise(model: Model, quality: int, decoded: np.ndarray) -> np.ndarray:
    """Latents as the synthesis takes them.

    Args:
        model: The model.
        quality: 0 … 255.
        decoded: (h, w, M) sixteenths of a step.

    Returns:
        (1, h, w, M) float32, in image units.
    """
    return (decoded.astype(np.float32) * (model.arrays["step"][quality] / np.float32(FRACTION)))[
        None
    ]
