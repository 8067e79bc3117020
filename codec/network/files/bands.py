"""Syntheses by band of quality: what a file calls them, and which one a quality takes.

A model or decoder may hold a synthesis for each equal share of the quality levels
(`metamer.train.networks.transforms.bands`). Its card says how many, as ``synthesis_bands``.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from metamer.codec.network.files.archive import ArchiveError

MAX_BANDS = 16
BANDS = "synthesis_bands"  # key of a card


def checked_bands(card: Mapping[str, Any]) -> int:
    """How many bands a card says that there are. Raises ArchiveError."""
    bands = card.get(BANDS, 1)
    if type(bands) is not int or not 1 <= bands <= MAX_BANDS:
        raise ArchiveError(f"{BANDS} is out of range")
    return bands


def synthesis_names(bands: int) -> tuple[str, ...]:
    """The synthesis graphs of a file with so many bands, from the lowest quality up.

    Examples:
        >>> synthesis_names(1)
        ('synthesis',)
        >>> synthesis_names(2)
        ('synthesis0', 'synthesis1')
    """
    return ("synthesis",) if bands == 1 else tuple(f"synthesis{band}" for band in range(bands))


def band_of(level_weights: np.ndarray, bands: int) -> int:
    """The band of a quality with weights (K,) of the levels that it lies between."""
    last = max(len(level_weights) - 1, 1)
    share = float(level_weights @ np.arange(len(level_weights))) / last
    # a file may say anything: what is no number is of the lowest band
    return int(np.clip(np.nan_to_num(share * bands), 0, bands - 1))
