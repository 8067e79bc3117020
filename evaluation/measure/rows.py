"""Rows of measurements: what one says, and those of a file that still hold."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from metamer.codec.errors import FileError
from metamer.codec.system import json_lines
from metamer.evaluation.codecs.interface import Codec
from metamer.evaluation.codecs.registry import get_codec

Row = dict[str, object]


def original_key(label: str) -> str:
    """Where a row has the original's own value in a metric that knows no original."""
    return f"original {label}"


@dataclass(frozen=True)
class Point:
    """Where a codec is measured: at a setting of its own, or, whatever its setting, nearest to a
    rate in bits a pixel. codec: what `get_codec` takes.
    """

    codec: str
    setting: float | None = None
    target: float | None = None


def read_rows(path: Path) -> list[Row]:
    """The rows of a file, a JSON object a line; half a line at the end does not count.

    Raises:
        FileError: A line is damaged, or holds a number that is NaN or infinite; the message names
            the line and the picture.
    """
    rows = json_lines.read_lines(path)
    for number, row in enumerate(rows, 1):
        for key, value in row.items():
            if isinstance(value, float) and not math.isfinite(value):
                raise FileError(
                    f"{path}: line {number}: {key} of {row.get('image')} is {value}; remove the "
                    "line, and `metamer evaluate` measures it again"
                )
    return rows


def row_codec(row: Row) -> Codec:
    """The codec that a row was measured with, whatever it was called."""
    return get_codec(row.get("spec", row["codec"]))


def is_trained(row: Row) -> bool:
    """Whether a row's files and pictures mean anything (`Codec.trained`)."""
    return row.get("trained", "trained=false" not in row.get("spec", row["codec"]))


def current_rows(
    rows: Iterable[Row], points: Sequence[Point], digests: dict[str, str]
) -> dict[tuple[str, Point], Row]:
    """(picture, point) → its latest row that still holds.

    A row holds no longer when the codec is of another version, its name means another codec, or
    the picture has other pixels. digests: name of a picture → `images.picture_digest`.
    """
    point_by_key = {}
    for point in points:
        codec = get_codec(point.codec)
        point_by_key[codec.name, codec.spec, codec.version, point.setting, point.target] = point
    latest = {}
    for row in rows:
        target = row.get("target")
        setting = row["setting"] if target is None else None
        spec = row.get("spec", row["codec"])
        point = point_by_key.get((row["codec"], spec, row["version"], setting, target))
        name = row["image"]
        if point and name in digests and row.get("pixels", digests[name]) == digests[name]:
            latest[name, point] = row
    return latest


def missing_distances(
    path: Path,
    digest: str,
    points: Sequence[Point],
    labels: Sequence[str],
    rows: Iterable[Row],
    keep: Callable[[Path, Point], Path] | None = None,
) -> dict[Point, set[str]]:
    """The points at which a picture is still to be measured, each with the distances that its row
    lacks.
    """
    current = current_rows(rows, points, {path.name: digest})
    without = {point: set(labels) - set(current.get((path.name, point), ())) for point in points}
    return {
        point: labels
        for point, labels in without.items()
        if labels or (keep and not keep(path, point).exists())
    }
