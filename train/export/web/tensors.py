"""A file for browsers: a gzip stream of JSON and of tensors, which it lists."""

import gzip
import json
from collections.abc import Mapping

import numpy as np

FORMAT = 3
# of the linear transforms' weights, whose errors all of the signal shows; of the networks'
LINEAR_BITS, BITS = 11, 10
# times that a table is differenced along the qualities, which makes its file smallest
DIFFERENCES = {
    "hyper_index": 1,
    "scale_offset": 1,
    "mean_factor": 1,
    "known_factor": 2,
    "planes": 1,
    "step": 4,
    "level_weights": 1,
    "encoder_gain": 4,
    "rdoq_lambda": 4,
}


class Tensors:
    """Collects what a file holds. Arrays are C-contiguous and little-endian."""

    def __init__(self) -> None:
        self._entries: list[dict] = []
        self._data: list[bytes] = []

    def add(self, name: str, array: np.ndarray, differences: int = 0, **more: object) -> None:
        """differences: times that neighbours along the first axis are subtracted, modulo
        the word.
        """
        array = np.ascontiguousarray(array)
        words = array.view(f"<u{array.itemsize}")
        for _ in range(differences):
            words = np.concatenate([words[:1], words[1:] - words[:-1]])
        planes = (
            np.ascontiguousarray(words.reshape(-1, 1)).view(np.uint8).reshape(-1, array.itemsize).T
        )
        self._entries.append(
            {
                "name": name,
                "type": str(array.dtype),
                "shape": list(array.shape),
                "differences": differences,
                **more,
            }
        )
        self._data.append(planes.tobytes())

    def add_rounded(self, name: str, array: np.ndarray, bits: int = BITS, axis: int = 0) -> None:
        """A matrix in ``bits`` bits, with a float32 scale for each row (axis 0) or column
        (axis 1).
        """
        largest = np.abs(array).max(1 - axis, keepdims=True)
        scale = np.where(largest > 0, largest, 1).astype(np.float32) / np.float32(
            2 ** (bits - 1) - 1
        )
        whole = np.rint(array / scale).astype(np.int8 if bits <= 8 else np.int16)
        self.add(f"{name}.scale", scale.ravel())
        self.add(name, whole, scale=axis)

    def add_half(self, name: str, array: np.ndarray, axis: int = 0) -> None:
        """As model files have it, so that browsers encode as Python does; ``axis`` is
        `add_rounded`'s.
        """
        self.add(name, array.astype(np.float16))

    def add_whole(self, name: str, array: np.ndarray) -> None:
        """Integers in as few bytes as hold them."""
        largest = np.abs(array).max(initial=0)
        self.add(
            name,
            array.astype(np.int8 if largest < 128 else np.int16 if largest < 32768 else np.int32),
        )

    def bytes(self, header: Mapping) -> bytes:
        """The file."""
        text = json.dumps(
            {"format": FORMAT, **header, "tensors": self._entries}, separators=(",", ":")
        ).encode()
        return gzip.compress(
            len(text).to_bytes(4, "little") + text + b"".join(self._data), 9, mtime=0
        )
