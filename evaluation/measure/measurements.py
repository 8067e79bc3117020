"""Measurements of a picture at points of codecs: a row each, in a file that an interrupted run
continues.
"""

import functools
import math
from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image

from metamer.codec.errors import MetamerError
from metamer.codec.system import json_lines
from metamer.evaluation.codecs.interface import CallCost, Codec, nearest_setting
from metamer.evaluation.codecs.registry import get_codec
from metamer.evaluation.cost import subprocesses
from metamer.evaluation.images import picture_digest, read_image, save_image, to_tensor
from metamer.evaluation.measure.flat_areas import flat_areas
from metamer.evaluation.measure.panel import Panel
from metamer.evaluation.measure.rows import (
    Point,
    Row,
    current_rows,
    missing_distances,
    read_rows,
)
from metamer.perception import ComparisonError, from_spec
from metamer.perception.distance import Distance


@functools.cache
def cached_distance(spec: str) -> Distance:
    """`perception.from_spec`, once a process. Raises `PerceptionError`."""
    return from_spec(spec)


def measure_picture(
    path: Path,
    points: Sequence[Point],
    specs: Sequence[str],
    results: Path,
    keep: Callable[[Path, Point], Path] | None = None,
    extra_fields: Row | None = None,
    tick: Callable[[], None] = lambda: None,
) -> None:
    """Appends a row to ``results`` for every point that has none yet, or none with all of these
    distances.

    A row has codec, spec where that is an alias, version, trained where false, setting, target if
    there is one, image, pixels (`images.picture_digest`), width, height, bytes, bpp (of the whole
    file), encode_seconds, decode_seconds, encode_peak_mib, decode_peak_mib, flat_areas
    (`flat_areas.flat_areas`), and by its label each distance, null where the picture is too small
    for it; beside a metric that knows no original, the original's own value (`rows.original_key`).
    Peaks are of a fresh process that encodes or decodes such a picture once, interpreter and
    libraries included, at the codec's middle setting (`Codec.middle`), or of the program itself
    where the codec is one; null where the system does not tell.

    Args:
        path: The picture.
        points: Where to measure.
        specs: Distances.
        results: File of rows.
        keep: Picture and point → where a decoded picture goes; None to keep none.
        extra_fields: What else every row says.
        tick: Called after every point.

    Raises:
        MetamerError: A codec that fails, or a distance that gives no number.
        ComparisonError: A distance takes no such picture, as one without texture.
    """
    picture = read_image(path)
    digest = picture_digest(picture)
    earlier = read_rows(results)
    current = current_rows(earlier, points, {path.name: digest})
    labels = [cached_distance(spec).label for spec in specs]
    todo = missing_distances(path, digest, points, labels, earlier, keep)
    if not todo:
        return
    missing = set().union(*todo.values())
    panel = Panel(
        distance
        for distance in map(cached_distance, specs)
        if distance.label in missing and distance.min_side <= min(picture.size)
    )
    # the reference's place in each space is found once
    place, streams = places_of(panel, picture, path.name), EncodedPicture(picture)
    originals = panel.originals(place)
    for point, without in todo.items():
        old, codec = current.get((path.name, point), {}), get_codec(point.codec)
        setting = chosen_setting(point, codec, old, streams)
        decoded, cost = decode_checked(codec, streams.data(codec, setting), picture, path.name)
        if keep:
            keep(path, point).parent.mkdir(parents=True, exist_ok=True)
            save_image(decoded, keep(path, point))
        if without:
            values = panel.compare(place, places_of(panel, decoded, f"{path.name} by {codec.name}"))
            check_numbers(values, codec, path.name, setting)
            row = new_row(path.name, point, codec, setting, streams, cost)
            row |= {"pixels": digest, "flat_areas": flat_areas(picture, decoded)}
            row |= extra_fields or {}
            kept_fields = {key: value for key, value in old.items() if key not in row}
            json_lines.append_line(
                results, row | dict.fromkeys(labels) | kept_fields | values | originals
            )
        tick()


def places_of(panel: Panel, picture: Image.Image, name: str) -> list:
    """`Panel.places`; what it refuses is named."""
    try:
        return panel.places(to_tensor(picture))
    except ComparisonError as problem:
        raise ComparisonError(f"{name}: {problem}") from None


def chosen_setting(point: Point, codec: Codec, old: Row, streams: "EncodedPicture") -> float:
    """The setting of a point: its own, that of an earlier row, or the one nearest to its rate."""
    setting = old.get("setting", point.setting)
    if setting is None:
        encode = functools.partial(streams.data, codec)
        setting = nearest_setting(encode, codec.ladder, point.target * streams.area / 8)
    return setting


def decode_checked(
    codec: Codec, data: bytes, picture: Image.Image, name: str
) -> tuple[Image.Image, CallCost]:
    """What a codec decodes, and what that took. Raises MetamerError for another size."""
    decoded, cost = codec.decode_timed(data)
    if decoded.size != picture.size:
        sizes = ("{}x{}".format(*size) for size in (decoded.size, picture.size))
        raise MetamerError("{} decodes {} to {} pixels, not {}".format(codec.name, name, *sizes))
    return decoded, cost


def check_numbers(values: dict[str, float], codec: Codec, name: str, setting: float) -> None:
    """Raises MetamerError for a distance that is NaN or infinite: no such row is written."""
    for label, value in values.items():
        if not math.isfinite(value):
            raise MetamerError(
                f"{label} of {name} by {codec.name} at setting {setting:g} is {value}, no number"
            )


def new_row(
    name: str,
    point: Point,
    codec: Codec,
    setting: float,
    streams: "EncodedPicture",
    decoding: CallCost,
) -> Row:
    """A row but for what is measured on the decoded picture and what a run adds to all."""
    picture, data, encoding = (
        streams.picture,
        streams.data(codec, setting),
        streams.costs[codec.stream, setting],
    )
    row: Row = {"codec": codec.name}
    row |= {"spec": codec.spec} if codec.spec != codec.name else {}
    row |= {
        "version": codec.version,
        "setting": setting,
        "image": name,
        "width": picture.width,
        "height": picture.height,
        "bytes": len(data),
        "bpp": 8 * len(data) / streams.area,
        "encode_seconds": encoding.seconds,
        "decode_seconds": decoding.seconds,
    }
    row |= {} if codec.trained else {"trained": False}
    row |= peak_memory_fields(codec, picture, setting, encoding, decoding)
    return row if point.target is None else row | {"target": point.target}


def peak_memory_fields(
    by: Codec, picture: Image.Image, setting: float, encoding: CallCost, decoding: CallCost
) -> Row:
    """encode_peak_mib and decode_peak_mib of a row."""
    if encoding.peak is None:
        return subprocesses.peak_memories(by.spec, picture, by.middle(setting))
    return {"encode_peak_mib": encoding.peak, "decode_peak_mib": decoding.peak}


class EncodedPicture:
    """A picture's encodings, each made once, however many rates are searched for and decoders share
    them.
    """

    def __init__(self, picture: Image.Image):
        self.picture, self.area = picture, picture.width * picture.height
        self.made: dict[tuple[str, float], bytes] = {}
        self.costs: dict[tuple[str, float], CallCost] = {}

    def data(self, by: Codec, setting: float) -> bytes:
        key = by.stream, setting
        if key not in self.made:
            self.made[key], self.costs[key] = by.encode_timed(self.picture, setting)
        return self.made[key]
