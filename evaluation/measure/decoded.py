"""Decoded pictures that a run keeps, and their originals."""

import re
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from metamer.evaluation.codecs.registry import split_alias
from metamer.evaluation.images import read_image, save_image
from metamer.evaluation.measure.rows import Point, Row, row_codec

ORIGINAL = "original"  # a folder next to those of codecs, whose names have an @


def decoded_path(folder: Path, path: Path, point: Point) -> Path:
    """Where the decoded picture goes: FOLDER/CODEC@BPP/NAME.png, CODEC being its alias if it has
    one, with _ for what stands between folders in a model's name.
    """
    codec = re.sub(r"[^\w.+@=-]", "_", split_alias(point.codec)[0] or point.codec)
    return folder / f"{codec}@{point.target:g}" / f"{path.stem}.png"


def save_originals(paths: Sequence[Path], folder: Path) -> None:
    """Writes the pictures, as codecs saw them, into FOLDER/original: a run can be looked at without
    its photographs.
    """
    (folder / ORIGINAL).mkdir(parents=True, exist_ok=True)
    for path in paths:
        target = folder / ORIGINAL / f"{path.stem}.png"
        if not target.exists():
            save_image(read_image(path), target)


def decode_again(path: Path, row: Row) -> Image.Image:
    """What the codec of a row makes of a picture at the row's setting."""
    codec = row_codec(row)
    return codec.decode(codec.encode(read_image(path), row["setting"]))
