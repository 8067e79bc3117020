"""Rows of measurements, one for each picture and point of a codec, in a file that an interrupted run continues."""

import functools
import json
import multiprocessing
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from tqdm import tqdm

from codec import files, pixels
from codec.errors import FileError, ImageError
from evaluation.coders import Coder, coder, nearest
from evaluation.judging import Panel
from evaluation.pictures import HOLD_OUT, held_out, read, save, to_tensor
from perception import from_spec
from perception.distance import Distance

Row = dict[str, object]


@dataclass(frozen=True)
class Point:
    """Where a codec is measured: at a setting of its own, or, whatever its setting, nearest to a rate in bits a pixel."""

    codec: str
    setting: float | None = None
    target: float | None = None


@functools.cache
def distance(spec: str) -> Distance:
    """`perception.from_spec`, once a process. Raises `PerceptionError`."""
    return from_spec(spec)


def pictures(folder: Path) -> list[Path]:
    """The pictures of a folder; of one to train on, those that its validation.txt holds out. ImageError where there is none."""
    if (Path(folder) / HOLD_OUT).exists():
        return held_out(Path(folder))
    found = sorted(path for path in Path(folder).glob("*") if path.suffix.lower() in pixels.SUFFIXES)
    if not found:
        raise ImageError(f"{folder}: no pictures there")
    return found


def rows(results: Path) -> list[Row]:
    """What runs have written; half a line at the end does not count. Raises FileError."""
    lines = results.read_text().splitlines(keepends=True) if results.exists() else []
    try:
        return [json.loads(line) for line in lines if line.endswith("}\n")]
    except ValueError:
        raise FileError(f"{results} is damaged; remove it") from None


def append(results: Path, row: Row) -> None:
    """Adds a line, in one write: processes that measure side by side do not mix theirs."""
    with open(results, "a", buffering=1) as log:
        log.write(json.dumps(row) + "\n")


def current(found: Iterable[Row], points: Sequence[Point], names: Iterable[str]) -> dict[tuple[str, Point], Row]:
    """(picture, point) → its latest row, for these pictures and points, of the codecs' versions of today."""
    wanted, names = set(points), set(names)
    latest = {}
    for row in found:
        point = Point(row["codec"], None if "target" in row else row["setting"], row.get("target"))
        if point in wanted and row["image"] in names and row["version"] == coder(point.codec).version:
            latest[row["image"], point] = row
    return latest


def measure(path: Path, points: Sequence[Point], specs: Sequence[str], results: Path,
            keep: Callable[[Path, Point], Path] | None = None) -> None:
    """Appends a row to ``results`` for every point that has none yet, or none with all of these distances.

    A row has codec, version, setting, target if there is one, image, width, height, bytes, bpp (of the whole file),
    encode_seconds, decode_seconds, and by its label each distance, null where the picture is too small for it. ``keep`` says
    where a decoded picture goes. The reference's place in each space is found once.
    """
    known = {point: row for (_, point), row in current(rows(results), points, [path.name]).items()}
    labels = [distance(spec).label for spec in specs]
    lacking = {point: set(labels) - set(known.get(point, ())) for point in points}
    todo = [point for point in points if lacking[point] or (keep and not keep(path, point).exists())]
    if not todo:
        return
    picture = read(path)
    wanted = set().union(*(lacking[point] for point in todo))
    panel = Panel(found for found in map(distance, specs) if found.label in wanted and found.min_side <= min(picture.size))
    place, streams = panel.places(to_tensor(picture)), Streams(picture)
    for point in todo:
        old, found = known.get(point, {}), coder(point.codec)
        setting = old.get("setting", point.setting)
        if setting is None:
            setting = nearest(functools.partial(streams.data, found), found.ladder, point.target * streams.area / 8)
        data = streams.data(found, setting)
        decoded, seconds = timed(lambda found=found, data=data: found.decode(data))
        if keep:
            keep(path, point).parent.mkdir(parents=True, exist_ok=True)
            save(decoded, keep(path, point))
        if lacking[point]:
            row = {"codec": point.codec, "version": found.version, "setting": setting, "image": path.name,
                   "width": picture.width, "height": picture.height, "bytes": len(data), "bpp": 8 * len(data) / streams.area,
                   "encode_seconds": streams.seconds[found.stream, setting], "decode_seconds": seconds}
            row |= {} if point.target is None else {"target": point.target}
            row |= dict.fromkeys(labels) | {key: value for key, value in old.items() if key not in row}
            append(results, row | panel.compare(place, panel.places(to_tensor(decoded))))


class Streams:
    """A picture's encodings, each made once, however many rates are searched for and decoders share them."""

    def __init__(self, picture: Image.Image):
        self.picture, self.area = picture, picture.width * picture.height
        self.made: dict[tuple[str, float], bytes] = {}
        self.seconds: dict[tuple[str, float], float] = {}

    def data(self, by: Coder, setting: float) -> bytes:
        key = by.stream, setting
        if key not in self.made:
            self.made[key], self.seconds[key] = timed(lambda: by.encode(self.picture, setting))
        return self.made[key]


def timed(work: Callable[[], bytes | Image.Image]) -> tuple:
    """What it gives, and the seconds it took."""
    begun = time.perf_counter()
    return work(), time.perf_counter() - begun


def run(paths: Sequence[Path], points: Sequence[Point], specs: Sequence[str], results: Path, jobs: int = 1,
        keep: Callable[[Path, Point], Path] | None = None) -> dict[tuple[str, Point], Row]:
    """`measure` for every picture, in ``jobs`` processes; returns (picture, point) → row.

    With several, the seconds of encoding and decoding are those of a busy machine.
    """
    for spec in specs:
        distance(spec)  # what cannot be used is told before the first hour is spent
    results.parent.mkdir(parents=True, exist_ok=True)
    text = results.read_text() if results.exists() else ""
    if not text.endswith("\n"):  # an interrupted run left half a line, to which nothing may be added
        files.write(str(results), text[: text.rfind("\n") + 1].encode())
    work = functools.partial(measure, points=points, specs=specs, results=results, keep=keep)
    bar = tqdm(total=len(paths), unit="image", disable=None)
    if jobs == 1:
        for path in paths:
            work(path)
            bar.update()
    else:
        share = max(1, torch.get_num_threads() // jobs)
        with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), torch.set_num_threads, (share,)) as pool:
            for done in as_completed([pool.submit(work, path) for path in paths]):
                done.result()
                bar.update()
    bar.close()
    found = current(rows(results), points, [path.name for path in paths])
    for label, side in ((distance(spec).label, distance(spec).min_side) for spec in specs):
        if all(row[label] is None for row in found.values()):
            raise ImageError(f"{label} needs {side} pixels a side, which no picture has")
    return found
