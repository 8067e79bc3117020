"""The arrays of a model file: names, types, shapes and ranges, and what is checked of them.

Q stands for the 256 qualities, M for latent channels, Z for hyper-latent channels, K for levels.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from metamer.codec.network.files.archive import ArchiveError, parse_array
from metamer.codec.options import QUALITIES
from metamer.entropy.tables import Tables

ARRAYS = {  # name: (dtype, dimensions)
    "frequencies": ("uint32", 1),  # coding tables, entropy.tables.Tables
    "reach": ("int32", 1),
    "hyper_index": ("uint8", 2),  # (Q, Z) table of each hyper-latent
    "scale_offset": ("int16", 2),  # (Q, M) L of FORMAT.md: added to the predicted log-scale
    "mean_factor": ("int32", 2),  # (Q, M) H: predicted mean → sixteenths of a quantiser step
    "known_factor": ("int32", 2),  # (Q, M) G: decoded latent in sixteenths → context units
    "planes": ("uint8", 2),  # (Q, K) quality planes of the context networks
    "step": ("float32", 2),  # (Q, M) quantiser step, image units
    "encoder_gain": ("float32", 2),  # (Q, M) what the encoder multiplies latents by
    "level_weights": ("float32", 2),  # (Q, K) quality weights of analysis and synthesis
}
TABLE_ARRAYS = ("frequencies", "reach")
LIMITS = {"mean_factor": 1 << 18, "known_factor": 1 << 17}  # products of these stay inside 32 bits
DECODING_ARRAYS = (  # those that decoded latents depend on
    "frequencies",
    "reach",
    "hyper_index",
    "scale_offset",
    "mean_factor",
    "known_factor",
    "planes",
)
GREY = "grey.npy"  # (M,) uint8: 1 for latents that grey pictures have, 0 for those of colour
PER_LATENT = ("scale_offset", "mean_factor", "known_factor", "step", "encoder_gain")
# of what is not integers
RANGES = {"step": (1e-6, 1e6), "encoder_gain": (1e-6, 1e6), "level_weights": (0.0, 1.0)}
MAX_LATENTS, MAX_FREQUENCIES, MAX_TABLES = 4096, 1 << 20, 256


def read_arrays(members: Mapping[str, bytes], groups: Sequence[int]) -> dict[str, np.ndarray]:
    """The arrays of `ARRAYS`, by name.

    Args:
        members: A model file's members by name.
        groups: Latent channels of each group; their sum is M.

    Raises:
        ArchiveError: One is missing, or not of its type, shape and range.
    """
    arrays = {name: _array(name, members, sum(groups)) for name in ARRAYS}
    if arrays["planes"].shape != arrays["level_weights"].shape:
        raise ArchiveError("arrays planes and level_weights differ in shape")
    if len(arrays["frequencies"]) > MAX_FREQUENCIES:
        raise ArchiveError("array frequencies has the wrong type or shape")
    return arrays


def _array(name: str, members: Mapping[str, bytes], latents: int) -> np.ndarray:
    dtype, dimensions = ARRAYS[name]
    if f"{name}.npy" not in members:
        raise ArchiveError(f"is not a Metamer model: '{name}.npy' is missing")
    array = parse_array(name, members[f"{name}.npy"], dtype, dimensions)
    if dimensions == 2 and (array.shape[0] != QUALITIES or array.shape[1] > MAX_LATENTS):
        raise ArchiveError(f"array {name} has the wrong type or shape")
    if name in PER_LATENT and array.shape[1] != latents:
        raise ArchiveError(f"array {name} does not match the {latents} latent channels")
    low, high = RANGES.get(name, (0, LIMITS.get(name)))
    if high is not None and (array.min() < low or array.max() > high):
        raise ArchiveError(f"array {name} leaves {low:g}…{high}")
    return array


def read_grey(members: Mapping[str, bytes], groups: Sequence[int]) -> np.ndarray | None:
    """(M,) bool, which latents grey pictures have; None for all. Raises ArchiveError."""
    if GREY not in members:
        return None
    grey = parse_array("grey", members[GREY], "uint8", 1)
    if grey.shape != (sum(groups),) or grey.max() > 1:
        raise ArchiveError("array grey has the wrong type or shape")
    return grey.astype(bool)


def make_tables(arrays: Mapping[str, np.ndarray]) -> Tables:
    """The coding tables that ``arrays`` hold. Raises ArchiveError, ValueError."""
    tables = Tables(arrays["frequencies"], arrays["reach"])
    if len(tables) > MAX_TABLES or arrays["hyper_index"].max() >= len(tables):
        raise ArchiveError("array hyper_index names a table that does not exist")
    return tables


def relative_curvature(step: np.ndarray) -> np.ndarray:
    """What a squared step of error costs in each latent, as transforms are nearly orthogonal.

    Args:
        step: (…, M) quantiser steps.

    Returns:
        (…, M), the mean over latents being 1.
    """
    return step**2 / (step**2).mean(-1, keepdims=True)
