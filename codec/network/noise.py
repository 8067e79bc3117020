"""Noise that a decoder may make texture of: the same in every picture, on every machine.

Encoder and decoder share it (common randomness), so it costs no bits. At low rates nothing in a
stream tells a lawn from a cloth but their statistics; a network that is given noise can draw
texture with such statistics, where one without can only repeat itself (Theis & Agustsson, "On the
advantages of stochastic encoders", 2021; Ballé, Versari, Dupont, Kim & Bauer, "Good, cheap, and
fast: overfitted image compression with Wasserstein distortion", CVPR 2025). It is a function of the
place alone, in whole numbers until its last division by a power of two, so that tiles and regions
have the noise of the whole picture. bitstreams/FORMAT.md, section 5, is normative.
"""

import numpy as np

from metamer.codec.grid import Box

FINER = 2  # positions of the finer noise that lie along a side of a latent position
UNIT = 128  # the sum of four bytes, less its mean, that makes 1


def common_noise(box: Box, channels: int) -> np.ndarray:
    """The noise of a part of a picture.

    Args:
        box: The part, in latent positions.
        channels: At each of two resolutions.

    Returns:
        (1, h, w, 8·channels) float32, about normal with a deviation of 1.15, in [−4, 4]: for each
        channel of the finer noise the four values of a latent position, row by row, then for each
        channel of the coarser one its value, four times.
    """
    fine = _values(box.scaled(FINER), np.arange(channels, dtype=np.uint32))
    coarse = _values(box, np.arange(channels, 2 * channels, dtype=np.uint32))
    cells = fine.reshape(box.height, FINER, box.width, FINER, channels).transpose(0, 2, 4, 1, 3)
    return np.concatenate(
        [cells.reshape(box.height, box.width, -1), coarse.repeat(FINER**2, 2)], 2
    )[None]


def _values(part: Box, keys: np.ndarray) -> np.ndarray:
    """(rows, columns, keys) float32 for the positions of a part."""
    rows = np.arange(part.top, part.bottom, dtype=np.uint32)[:, None, None] << 16
    columns = np.arange(part.left, part.right, dtype=np.uint32)[:, None]
    words = _mixed((rows | columns) ^ _mixed(keys))
    bytes_of_words = words.view(np.uint8).reshape(*words.shape, 4)
    return (bytes_of_words.sum(3, dtype=np.int32) - 2 * 255).astype(np.float32) / UNIT


def _mixed(word: np.ndarray) -> np.ndarray:
    """A bijection of 32 bits that leaves no pattern (Wellons, "Prospecting for hash functions",
    2018, lowbias32).
    """
    word = word ^ (word >> 16)
    word *= np.uint32(0x7FEB352D)
    word ^= word >> 15
    word *= np.uint32(0x846CA68B)
    word ^= word >> 16
    return word
