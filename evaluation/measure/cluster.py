"""Pictures measured by the workers of a Dask cluster, a picture a task. They see the pictures where
this machine sees them; rows come back and are written here.
"""

import functools
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from metamer.codec.system import cluster, json_lines
from metamer.evaluation.cost import machine
from metamer.evaluation.measure.measurements import measure_picture
from metamer.evaluation.measure.rows import Point, Row


class Measured(NamedTuple):
    """A picture's new rows, and the machine they are from: its key and `machine.conditions`."""

    rows: list[Row]
    machine: str
    conditions: dict


def measure_remotely(
    task: tuple[Path, list[Row]],
    points: Sequence[Point],
    specs: Sequence[str],
    keep: Callable[[Path, Point], Path] | None,
    jobs: int,
) -> Measured:
    """What a worker does. task: a picture, and the rows that there are of it."""
    path, earlier = task
    torch.set_num_threads(1)
    conditions = machine.conditions()
    name = machine.conditions_key(conditions)
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "rows.jsonl"
        for row in earlier:
            json_lines.append_line(results, row)
        fields = {"jobs": jobs, "machine": name}
        measure_picture(path, points, specs, results, keep, fields)
        return Measured(json_lines.read_lines(results)[len(earlier) :], name, conditions)


def measure_on_cluster(
    address: str,
    paths: Sequence[Path],
    points: Sequence[Point],
    specs: Sequence[str],
    rows: Iterable[Row],
    keep: Callable[[Path, Point], Path] | None,
    on_result: Callable[[Measured], object],
) -> None:
    """Measures every picture at every point, as `measure_picture` does.

    Args:
        address: Dask's scheduler.
        paths: Pictures, where all machines see them.
        points: Codecs and where to measure them.
        specs: Distances.
        rows: What has been measured.
        keep: As of `measure_picture`; a path that all machines see.
        on_result: Called with what comes back, picture by picture.

    Raises:
        MetamerError: No scheduler is there, workers are lost, or what `measure_picture` raises.
    """
    rows_by_picture: dict[str, list[Row]] = {path.name: [] for path in paths}
    for row in rows:
        if row["image"] in rows_by_picture:
            rows_by_picture[row["image"]].append(row)
    with cluster.connected(address) as client:
        client.wait_for_workers(1)
        work = functools.partial(
            measure_remotely, points=points, specs=specs, keep=keep, jobs=len(client.nthreads())
        )
        tasks = [(path.absolute(), rows_by_picture[path.name]) for path in paths]
        for _, measured, problem in cluster.cluster_outcomes(client, work, tasks):
            if problem:
                raise problem
            on_result(measured)
