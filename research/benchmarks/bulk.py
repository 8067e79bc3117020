"""Throughput per core of Dask's workers (examples/bulk.py) beside one plain process.

    python research/benchmarks/bulk.py [--pictures 16] [--rounds 12] [--workers 2]

The two take turns. Per core means pictures a second of processor time, of all processes that take
part, the scheduler included; all are warm. So the ratio holds on a machine that has other work too,
where a clock on the wall would measure that.
"""

import argparse
import resource
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import psutil
from dask.distributed import Client
from PIL import Image

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "examples"))

import bulk  # noqa: E402

SIZE = (640, 400)


def make(folder: Path, count: int) -> list[Path]:
    """Crops of the shipped photograph, all different."""
    photo = Image.open(ROOT / "examples" / "otters.png").convert("RGB")
    paths = [folder / f"{index:04}.png" for index in range(count)]
    for index, path in enumerate(paths):
        left, top = index % 12 * 8, index // 12 % 14
        photo.crop((left, top, left + SIZE[0], top + SIZE[1])).save(path, compress_level=1)
    return paths


def processor_seconds() -> float:
    """Seconds of processor time so far, of this process and of those below it, ended or not."""
    parent, children = (
        resource.getrusage(scope) for scope in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    alive = [process.cpu_times() for process in psutil.Process().children(recursive=True)]
    return sum(usage.ru_utime + usage.ru_stime for usage in (parent, children)) + sum(
        times.user + times.system for times in alive
    )


def rates(
    ways: dict[str, Callable[[list[bulk.Work]], list]], paths: list[Path], folder: Path, rounds: int
) -> dict:
    """Pictures a second of processor time: way → one figure a round. The first round warms up and
    is left out.
    """
    pace: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds + 1):
        for name, way in ways.items():
            out = folder / f"{name}{turn}"
            out.mkdir()
            start = processor_seconds()
            problems = way([(str(path), str(out / f"{path.stem}.mtm")) for path in paths])
            seconds = processor_seconds() - start
            if problems:
                raise SystemExit(f"{name}: {problems}")
            if turn:
                pace[name].append(len(paths) / seconds)
    return pace


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = make(folder, arguments.pictures)
        with bulk.local(arguments.workers) as cluster, Client(cluster) as client:
            pace = rates(
                {
                    "one process": lambda work: [
                        problem for path in work if (problem := bulk.encode(path, {}))
                    ],
                    "Dask": lambda work: [
                        problem for _, problem in bulk.run(client, work, {}) if problem
                    ],
                },
                paths,
                folder,
                arguments.rounds,
            )
    single, dask = pace["one process"], pace["Dask"]
    ratios = [value / base for value, base in zip(dask, single, strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    print(
        f"{arguments.pictures} pictures of {SIZE[0]}x{SIZE[1]}, {arguments.rounds} rounds; pictures a "
        "second of processor time:"
    )
    print(
        f"one process {statistics.median(single):.2f}; Dask, {arguments.workers} workers, "
        f"{statistics.median(dask):.2f}; "
        f"ratio {middle:.3f} (quartiles {low:.3f}, {high:.3f})"
    )


if __name__ == "__main__":
    main()
