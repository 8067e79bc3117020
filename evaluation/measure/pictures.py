"""Many pictures measured at many points, in one process or several."""

import functools
import json
import multiprocessing
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, wait
from pathlib import Path

import torch
from tqdm import tqdm

from metamer.codec.errors import FileError, ImageError
from metamer.codec.system import files, json_lines
from metamer.evaluation.cost import machine
from metamer.evaluation.images import picture_digest, read_image
from metamer.evaluation.measure.cluster import Measured, measure_on_cluster
from metamer.evaluation.measure.measurements import cached_distance, measure_picture
from metamer.evaluation.measure.rows import (
    Point,
    Row,
    current_rows,
    missing_distances,
    read_rows,
)
from metamer.evaluation.measure.runs import record_run
from metamer.evaluation.progress import ProgressLines, progress


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
    dask: str | None = None,
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
        dask: Address of a Dask scheduler whose workers measure, instead of ``jobs``.

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
    json_lines.drop_half_line(results)
    record_run(results.parent)
    machines = results.parent / "machines.json"
    extra_fields = {"jobs": jobs, "machine": record_machine(machines, machine.conditions())}
    work = functools.partial(
        measure_picture,
        points=points,
        specs=specs,
        results=results,
        keep=keep,
        extra_fields=extra_fields,
    )
    rows = read_rows(results)
    digests = {path.name: picture_digest(read_image(path)) for path in paths}
    total = sum(
        len(missing_distances(path, digests[path.name], points, labels, rows, keep))
        for path in paths
    )
    with progress(total, "point") as bar:
        if dask is not None:

            def add(measured: Measured) -> None:
                record_machine(machines, measured.conditions)
                for row in measured.rows:
                    json_lines.append_line(results, row)
                bar.update(len(measured.rows))

            measure_on_cluster(dask, paths, points, specs, rows, keep, add)
        elif jobs == 1:
            for path in paths:
                work(path, tick=bar.update)
        else:
            measure_in_processes(work, paths, jobs, bar)
    measured = current_rows(read_rows(results), points, digests)
    check_measured(measured.values(), specs)
    return measured


def check_measured(rows: Iterable[Row], specs: Sequence[str]) -> None:
    """Raises ImageError for a distance that every picture is too small for."""
    rows = list(rows)
    for distance in map(cached_distance, specs):
        if all(row[distance.label] is None for row in rows):
            raise ImageError(
                f"{distance.label} needs {distance.min_side} pixels a side, which no picture has"
            )


def measure_in_processes(
    work: Callable, paths: Sequence[Path], jobs: int, bar: tqdm | ProgressLines
) -> None:
    """Every picture in one of ``jobs`` processes."""
    context = multiprocessing.get_context("spawn")
    count, share = context.Value("q"), max(1, torch.get_num_threads() // jobs)
    with ProcessPoolExecutor(jobs, context, ProgressCounter.start, (share, count)) as pool:
        open_ones = {pool.submit(work, path, tick=ProgressCounter.tick) for path in paths}
        try:
            while open_ones:
                finished, open_ones = wait(open_ones, timeout=0.5)
                bar.update(count.value - bar.n)
                for future in finished:
                    future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def record_machine(path: Path, conditions: dict) -> str:
    """The key under which ``path`` has a machine; added if it is not there. Raises FileError."""
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
