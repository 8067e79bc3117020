"""Pictures compared with their originals, file by file."""

from collections.abc import Sequence
from pathlib import Path

import torch

from metamer.codec.errors import MetamerError
from metamer.evaluation.images import read_image, to_tensor
from metamer.evaluation.progress import tracked
from metamer.perception.distance import Distance

Pair = tuple[Path, Path]  # original, image


def smallest_side(pairs: Sequence[Pair]) -> int:
    """Of all originals, in pixels. Raises ImageError for what cannot be read."""
    return min(min(read_image(original).size) for original in {first for first, _ in pairs})


@torch.no_grad()
def compare_pairs(pairs: Sequence[Pair], distances: Sequence[Distance]) -> list[dict]:
    """Measures images against their originals.

    Args:
        pairs: Files, each original before its image.
        distances: What to measure by.

    Returns:
        For every pair image, the file, and by its label each distance.

    Raises:
        MetamerError: A pair of different sizes, or a file that cannot be read.
    """
    rows = []
    for first, second in tracked(pairs, "picture", leave=False):
        original, picture = (to_tensor(read_image(path)) for path in (first, second))
        if picture.shape != original.shape:
            sizes = [
                "{}x{}".format(*reversed(shape[-2:])) for shape in (picture.shape, original.shape)
            ]
            raise MetamerError(f"{second} has {sizes[0]} pixels, the reference {sizes[1]}")
        values = {distance.label: distance(original, picture).item() for distance in distances}
        rows.append({"image": str(second), **values})
    return rows


def mean_row(rows: Sequence[dict]) -> dict:
    """The mean of every distance over rows of `compare_pairs`."""
    labels = [label for label in rows[0] if label != "image"]
    return {"image": "mean"} | {
        label: sum(row[label] for row in rows) / len(rows) for label in labels
    }
