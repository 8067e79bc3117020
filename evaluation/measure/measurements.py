"""Rows of measurements, one for each picture and point of a codec, in a file that an interrupted
run continues.
"""

import functools
import json
import multiprocessing
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from tqdm import tqdm

from metamer.codec.errors import FileError, ImageError, MetamerError
from metamer.codec.system import files
from metamer.evaluation import json_lines
from metamer.evaluation.codecs.interface import CallCost, Codec, nearest_setting
from metamer.evaluation.codecs.registry import get_codec
from metamer.evaluation.cost import machine, subprocesses
from metamer.evaluation.images import read_image, save_image, to_tensor
from metamer.evaluation.measure.panel import Panel
from metamer.perception import from_spec
from metamer.perception.distance import Distance

Row = dict[str, object]


@dataclass(frozen=True)
class Point:
    """Where a codec is measured: at a setting of its own, or, whatever its setting, nearest to a
    rate in bits a pixel.
    """

    codec: str
    setting: float | None = None
    target: float | None = None


@functools.cache
def cached_distance(spec: str) -> Distance:
    """`perception.from_spec`, once a process. Raises `PerceptionError`."""
    return from_spec(spec)


def current_rows(
    rows: Iterable[Row], points: Sequence[Point], names: Iterable[str]
) -> dict[tuple[str, Point], Row]:
    """(picture, point) → its latest row, for these pictures and points, of the codecs' versions of
    today.
    """
    wanted, names = set(points), set(names)
    latest = {}
    for row in rows:
        point = Point(row["codec"], None if "target" in row else row["setting"], row.get("target"))
        if (
            point in wanted
            and row["image"] in names
            and row["version"] == get_codec(point.codec).version
        ):
            latest[row["image"], point] = row
    return latest


def missing_distances(
    path: Path,
    points: Sequence[Point],
    labels: Sequence[str],
    rows: Iterable[Row],
    keep: Callable[[Path, Point], Path] | None = None,
) -> dict[Point, set[str]]:
    """The points at which a picture is still to be measured, each with the distances that its row
    lacks.
    """
    current = {point: row for (_, point), row in current_rows(rows, points, [path.name]).items()}
    without = {point: set(labels) - set(current.get(point, ())) for point in points}
    return {
        point: labels
        for point, labels in without.items()
        if labels or (keep and not keep(path, point).exists())
    }


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

    A row has codec, version, setting, target if there is one, image, width, height, bytes, bpp (of
    the whole file), encode_seconds, decode_seconds, encode_peak_mib, decode_peak_mib, and by its
    label each distance, null where the picture is too small for it. Peaks are of a fresh process
    that encodes or decodes such a picture once, interpreter and libraries included, at the codec's
    middle setting (`Codec.middle`), or of the program itself where the codec is one; null where the
    system does not tell. extra_fields: what else every row says. tick: called after every point.
    ``keep`` says where a decoded picture goes. The reference's place in each space is found once.
    """
    earlier = json_lines.read_lines(results)
    current = {point: row for (_, point), row in current_rows(earlier, points, [path.name]).items()}
    labels = [cached_distance(spec).label for spec in specs]
    todo = missing_distances(path, points, labels, earlier, keep)
    if not todo:
        return
    picture = read_image(path)
    wanted = set().union(*todo.values())
    panel = Panel(
        distance
        for distance in map(cached_distance, specs)
        if distance.label in wanted and distance.min_side <= min(picture.size)
    )
    place, streams = panel.places(to_tensor(picture)), EncodedPicture(picture)
    for point, without in todo.items():
        old, codec = current.get(point, {}), get_codec(point.codec)
        setting = old.get("setting", point.setting)
        if setting is None:
            setting = nearest_setting(
                functools.partial(streams.data, codec),
                codec.ladder,
                point.target * streams.area / 8,
            )
        decoded, cost = codec.decode_timed(streams.data(codec, setting))
        if decoded.size != picture.size:
            sizes = ("{}x{}".format(*size) for size in (decoded.size, picture.size))
            raise MetamerError(
                "{} decodes {} to {} pixels, not {}".format(point.codec, path.name, *sizes)
            )
        if keep:
            keep(path, point).parent.mkdir(parents=True, exist_ok=True)
            save_image(decoded, keep(path, point))
        if without:
            row = new_row(path, point, codec, setting, streams, cost) | (extra_fields or {})
            row |= dict.fromkeys(labels) | {
                key: value for key, value in old.items() if key not in row
            }
            json_lines.append_line(
                results, row | panel.compare(place, panel.places(to_tensor(decoded)))
            )
        tick()


def new_row(
    path: Path,
    point: Point,
    codec: Codec,
    setting: float,
    streams: "EncodedPicture",
    decoding: CallCost,
) -> Row:
    """A row but for its distances and what a run adds to all."""
    picture, data, encoding = (
        streams.picture,
        streams.data(codec, setting),
        streams.costs[codec.stream, setting],
    )
    row = {
        "codec": point.codec,
        "version": codec.version,
        "setting": setting,
        "image": path.name,
        "width": picture.width,
        "height": picture.height,
        "bytes": len(data),
        "bpp": 8 * len(data) / streams.area,
        "encode_seconds": encoding.seconds,
        "decode_seconds": decoding.seconds,
    }
    row |= peak_memory_fields(codec, picture, setting, encoding, decoding)
    return row if point.target is None else row | {"target": point.target}


def peak_memory_fields(
    by: Codec, picture: Image.Image, setting: float, encoding: CallCost, decoding: CallCost
) -> Row:
    """encode_peak_mib and decode_peak_mib of a row."""
    if encoding.peak is None:
        return subprocesses.peak_memories(by.name, picture, by.middle(setting))
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


class ProgressCounter:
    """What worker processes count up and their parent shows."""

    count = None  # a worker's, set as it starts

    @classmethod
    def start(cls, threads: int, count) -> None:
        torch.set_num_threads(threads)
        cls.count = count

    @classmethod
    def tick(cls) -> None:
        with cls.count.get_lock():
            cls.count.value += 1


def measure_pictures(
    paths: Sequence[Path],
    points: Sequence[Point],
    specs: Sequence[str],
    results: Path,
    jobs: int = 1,
    keep: Callable[[Path, Point], Path] | None = None,
) -> dict[tuple[str, Point], Row]:
    """Measures every picture at every point, unless an earlier run has (`measure_picture`).

    Args:
        paths: Pictures.
        points: Codecs and where to measure them.
        specs: Distances, `perception.from_spec`.
        results: File of rows, a JSON object a line; rows are added.
        jobs: Processes, each with a picture of its own; the seconds of encoding and decoding are
        then those of a busy machine.
        keep: Picture and point → where the decoded picture goes; None to keep none.

    Returns:
        (name of the picture, point) → row. Rows also have jobs and machine, a key of machines.json
        beside ``results``.

    Raises:
        ImageError: A distance needs larger pictures than there are.
        MetamerError: A codec fails, or files cannot be read or written.
    """
    # unusable distances are reported before the first hour is spent
    labels = [cached_distance(spec).label for spec in specs]
    results.parent.mkdir(parents=True, exist_ok=True)
    text = results.read_text() if results.exists() else ""
    # an interrupted run left half a line, to which nothing may be added
    if not text.endswith("\n"):
        files.write_file(str(results), text[: text.rfind("\n") + 1].encode())
    extra_fields = {"jobs": jobs, "machine": record_machine(results.parent / "machines.json")}
    work = functools.partial(
        measure_picture,
        points=points,
        specs=specs,
        results=results,
        keep=keep,
        extra_fields=extra_fields,
    )
    rows = json_lines.read_lines(results)
    total = sum(len(missing_distances(path, points, labels, rows, keep)) for path in paths)
    with tqdm(total=total, unit="point", disable=None) as bar:
        if jobs == 1:
            for path in paths:
                work(path, tick=bar.update)
        else:
            measure_in_processes(work, paths, jobs, bar)
    measured = current_rows(json_lines.read_lines(results), points, [path.name for path in paths])
    for label, side in (
        (cached_distance(spec).label, cached_distance(spec).min_side) for spec in specs
    ):
        if all(row[label] is None for row in measured.values()):
            raise ImageError(f"{label} needs {side} pixels a side, which no picture has")
    return measured


def measure_in_processes(work: Callable, paths: Sequence[Path], jobs: int, bar: tqdm) -> None:
    """Every picture in one of ``jobs`` processes."""
    context = multiprocessing.get_context("spawn")
    count, share = context.Value("q"), max(1, torch.get_num_threads() // jobs)
    with ProcessPoolExecutor(jobs, context, ProgressCounter.start, (share, count)) as pool:
        open_ones = {pool.submit(work, path, tick=ProgressCounter.tick) for path in paths}
        try:
            while open_ones:
                done, open_ones = wait(open_ones, timeout=0.5)
                bar.update(count.value - bar.n)
                for future in done:
                    future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def record_machine(path: Path) -> str:
    """The key under which ``path`` has this machine; added if it is not there. Raises FileError."""
    conditions = machine.conditions()
    name = machine.conditions_key(conditions)
    try:
        machines = json.loads(path.read_text()) if path.exists() else {}
    except ValueError:
        raise FileError(f"{path} is damaged; remove it") from None
    if name not in machines:
        files.write_file(
            str(path), (json.dumps({**machines, name: conditions}, indent=1) + "\n").encode()
        )
    return name
