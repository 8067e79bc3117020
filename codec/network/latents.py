"""Latents to a payload and back: hyper-latents, then residuals pass by pass
(`codec.network.passes`).
"""

import numpy as np

from metamer.codec.errors import ModelError
from metamer.codec.grid import HYPER_STRIDE
from metamer.codec.network.model import Model
from metamer.codec.network.passes import FRACTION, run_passes
from metamer.codec.network.rdoq import choose_residuals
from metamer.entropy.coder import MAX_RESIDUAL, Decoder, Encoder, Meter

HYPER_MAX = 63


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


def write_latents(
    model: Model,
    quality: int,
    latent: np.ndarray,
    hyper: np.ndarray,
    writer: Encoder | Meter,
    rdoq_lambda: np.ndarray,
) -> np.ndarray:
    """Codes hyper-latents, then latents pass by pass.

    Args:
        model: The model.
        quality: 0 … 255.
        latent: (h, w, M) float32, the analysis network's output.
        hyper: (Z, h', w') integers.
        writer: What they are written to.
        rdoq_lambda: `choose_residuals`', broadcast to (h, w, M).

    Returns:
        The decoded latents, (h, w, M) int32 sixteenths of a step.

    Raises:
        ModelError: The model predicts what is too far from what it codes.
    """
    height, width = latent.shape[:2]
    hyper_tables = _hyper_tables(model, quality, hyper.shape)
    hyper = np.where(model.tables.coded[hyper_tables].reshape(hyper.shape), hyper, 0)
    writer.write(hyper.ravel(), hyper_tables)
    rdoq_lambdas = np.broadcast_to(rdoq_lambda, latent.shape).reshape(-1, model.latents)
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
        values = choose_residuals(exact, used, model, rdoq_lambdas[positions, channels].take(some))
        writer.write(values, used)
        chosen.put(some, values)
        return chosen

    return run_passes(model, quality, hyper, height, width, residuals)


def read_latents(
    model: Model,
    quality: int,
    height: int,
    width: int,
    reader: Decoder,
    groups: int | None = None,
) -> np.ndarray:
    """Decodes hyper-latents, then latents pass by pass.

    Args:
        model: The model.
        quality: 0 … 255.
        height: Rows of latent positions.
        width: Columns of latent positions.
        reader: What they are read from.
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
            return reader.read(tables.ravel()).reshape(tables.shape)
        some = model.coded_channels[channels]
        coded, values = tables[:, some], np.zeros(tables.shape, np.int32)
        values[:, some] = reader.read(coded.ravel()).reshape(coded.shape)
        return values

    decoded = run_passes(model, quality, hyper, height, width, residuals, groups)
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
