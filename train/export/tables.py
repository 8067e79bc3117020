"""Tables of integers: what depends on the quality, and coding tables, counted on photographs with
the logistic that was trained against as the prior.
"""

import math
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

from metamer.codec.encoder.encoding import write_picture
from metamer.codec.network.colour_axes import choose_turn
from metamer.codec.network.files.arrays import ARRAYS, LIMITS
from metamer.codec.network.model import Model
from metamer.codec.network.passes import CONTEXT_SHIFT, FRACTION, MEAN_SHIFT
from metamer.codec.options import QUALITIES
from metamer.entropy.tables import quantise
from metamer.train.data import Source
from metamer.train.networks.codec import Codec
from metamer.train.networks.entropy_model.integer_networks import (
    HIDDEN_ONE,
    ContextNetwork,
)
from metamer.train.networks.entropy_model.logistic import SCALE_LOW, SCALE_STEP, SCALES
from metamer.train.networks.levels import level_weights

TAIL = 1e-6  # probability beyond a table's reach, under the logistic
MIN_REACH = 3
SKIP_BELOW = 5e-4  # tables that see fewer non-zeros than this are left empty
GREY_SHARE = 0.1  # a latent with less costs grey photographs more than it brings, at every quality
PRIOR_WEIGHT = 50.0  # observations that the logistic prior counts for


@torch.no_grad()
def quality_arrays(codec: Codec) -> dict[str, np.ndarray]:
    """The arrays of codec.network.files.arrays.ARRAYS that depend on quality."""
    entropy, levels = codec.entropy, codec.options.levels
    weights = level_weights(torch.linspace(0, levels - 1, QUALITIES), levels)
    log_step, log_stretch = weights @ entropy.log_steps(), weights @ entropy.log_stretch
    log_deviation = entropy.deviation.log()
    ratio = (log_deviation - log_step).double().exp()  # one standard deviation in quantiser steps
    low = math.log(SCALE_LOW)
    hyper_index = (
        ((weights @ entropy.hyper_log_scale - low) / SCALE_STEP).round().clamp(0, SCALES - 1)
    )
    one = ContextNetwork.SCALE_ONE
    # the half makes >> round
    offset = (one * (log_deviation - log_step - low) / SCALE_STEP).round() + one // 2
    mean = (ratio * (FRACTION * 2**MEAN_SHIFT / ContextNetwork.MEAN_ONE)).round()
    known_factor = (ContextNetwork.DECODED_ONE * 2**CONTEXT_SHIFT / FRACTION / ratio).round()
    values = {
        "hyper_index": hyper_index,
        "scale_offset": offset,
        "mean_factor": mean,
        "known_factor": known_factor,
        "planes": torch.floor(weights * HIDDEN_ONE + 0.5),
        "level_weights": weights,
        "step": log_step.exp(),
        "encoder_gain": (log_stretch - log_step).exp(),
    }
    values["known_factor"] = known_factor.clamp_max(
        LIMITS["known_factor"]
    )  # training does the same
    return {name: value.numpy().astype(ARRAYS[name][0]) for name, value in values.items()}


def grey_latents(codec: Codec) -> np.ndarray:
    """(M,) uint8 `codec.network.files.arrays.GREY`: 1 where a fair part of a basis vector's
    energy lies along grey, which R = G = B is.
    """
    basis = codec.analysis.linear.basis.detach().unflatten(1, (3, -1)).double()
    share = (basis.sum(1) / 3**0.5).square().sum(1) / basis.square().sum((1, 2))
    return (share > GREY_SHARE).to(torch.uint8).numpy()


def logistic_tables() -> list[np.ndarray]:
    """Probabilities of −reach…reach and of an escape, for each scale index."""
    tables = []
    for scale in SCALE_LOW * np.exp(SCALE_STEP * np.arange(SCALES)):
        reach = max(MIN_REACH, math.ceil(scale * math.log(2 / TAIL)))
        edges = np.tanh((np.arange(-reach, reach + 2) - 0.5) / (2 * scale)) / 2
        inside = np.diff(edges)
        tables.append(np.append(inside, max(1 - inside.sum(), TAIL)))
    return tables


class Counter:
    """Has an encoder's ``write`` and counts what would be coded, by table."""

    def __init__(self, sizes: list[int]):
        self.counts = [np.zeros(size) for size in sizes]

    def write(self, residuals: np.ndarray, indices: np.ndarray) -> None:
        for table in np.unique(indices):
            counts = self.counts[table]
            reach = len(counts) // 2 - 1
            values = residuals[indices == table]
            symbols = np.where(np.abs(values) > reach, 2 * reach + 1, values + reach)
            counts += np.bincount(symbols, minlength=len(counts))


def pack_tables(probabilities: list[np.ndarray], empty: np.ndarray) -> dict[str, np.ndarray]:
    """``frequencies`` and ``reach`` of codec.network.files.arrays.ARRAYS."""
    reach = np.array(
        [-1 if gone else len(p) // 2 - 1 for p, gone in zip(probabilities, empty, strict=True)],
        np.int32,
    )
    kept = [quantise(p) for p, gone in zip(probabilities, empty, strict=True) if not gone]
    return {"frequencies": np.concatenate(kept), "reach": reach}


def count_tables(path: Path, source: Source, crops: int, crop: int = 384) -> list[np.ndarray]:
    """Probabilities as in `logistic_tables`, counted with the model at ``path`` on ``crops`` crops
    of all qualities.

    Counts are made symmetric: a residual's sign carries no information here.
    """
    model, prior = Model(path), logistic_tables()
    counter = Counter([len(table) for table in prior])
    pieces = tqdm(source.crops(crop, 1, crops), "counting residuals", crops, unit="crop")
    for index, piece in enumerate(pieces):
        picture = Image.fromarray(piece.permute(1, 2, 0).numpy())
        quality = int((index + 0.5) / crops * QUALITIES)
        write_picture(picture, quality, model, counter, choose_turn(picture))
    tables = []
    for counts, shape in zip(counter.counts, prior, strict=True):
        inner = (counts[:-1] + counts[-2::-1]) / 2
        table = np.append(inner, counts[-1]) + PRIOR_WEIGHT * shape
        tables.append(table / table.sum())
    return tables


def hardly_used(tables: list[np.ndarray]) -> np.ndarray:
    """Which tables see so few non-zeros that coding them at all would cost more than it brings."""
    return np.array([1 - table[len(table) // 2 - 1] < SKIP_BELOW for table in tables])
