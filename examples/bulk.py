"""Encodes folders of photographs with Dask, on this machine or a cluster.

    pip install 'metamer-codec[scale]'
    python examples/bulk.py PHOTOS OUT --quality 40    # a worker a core of this machine
    python examples/bulk.py PHOTOS OUT --bpp 0.3 --scheduler tcp://head:8786

A cluster is `dask scheduler` on one machine and `dask worker tcp://head:8786 --nworkers auto
--nthreads 1` on each, with Metamer installed. PHOTOS and OUT are folders that every machine sees. A
worker loads its model once and uses one core. Streams are those of `metamer encode`, whole or not
there; what OUT has already is passed over, so an interrupted run goes on. Failures are named, and
end with exit status 1.
"""

import argparse
import functools
import sys
from collections.abc import Iterator
from pathlib import Path

import dask
from dask.distributed import Client, LocalCluster
from tqdm import tqdm

import metamer
from metamer.codec.picture import pixels
from metamer.codec.system import cluster, files, jobs

BATCH = 4  # pictures in a task: enough to hide what a task costs

# What Dask does beside the work: it profiles every 10 ms, wakes every 20, weighs its memory every
# 100, and has the allocator give back what is freed at once, so that each array is mapped anew.
# Tasks of seconds need none of it. On a cluster, put this into ~/.config/dask/distributed.yaml of
# its machines
QUIET = {
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.worker.memory.monitor-interval": "1s",
    "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": None,
}

Work = tuple[str, str]  # picture and where its stream goes


def encode(work: Work, options: dict) -> None:
    """What a worker does. ``options``: metamer.encode's."""
    source, target = work
    data = metamer.encode(files.read_file(source), threads=1, **options)
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    files.write_file(target, data)


def missing(photos: Path, out: Path) -> list[Work]:
    """The pictures below ``photos`` that ``out`` has no stream of."""
    pictures = (
        path for path in sorted(photos.rglob("*")) if path.suffix.lower() in pixels.SUFFIXES
    )
    pairs = ((path, out / path.relative_to(photos).with_suffix(".mtm")) for path in pictures)
    return [(str(path), str(target)) for path, target in pairs if not target.exists()]


def run(client: Client, work: list[Work], options: dict) -> Iterator[tuple[str, str]]:
    """Yields (picture, problem) of each as it ends; no problem is ""."""
    encode_one = functools.partial(encode, options=options)
    for (source, _), _, problem in cluster.cluster_outcomes(client, encode_one, work, BATCH):
        if problem and not isinstance(problem, (metamer.MetamerError, MemoryError, OSError)):
            raise problem
        yield source, "" if problem is None else str(problem) or "not enough memory"


def local(workers: int) -> LocalCluster:
    """Workers on this machine, of a thread each."""
    with dask.config.set(QUIET):
        return LocalCluster(workers, threads_per_worker=1, dashboard_address=None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path, help="folder, searched through and through")
    parser.add_argument("out", type=Path, help="folder to write to, with the same folders in it")
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--scheduler", help="address of a cluster's; default: workers on this machine"
    )
    where.add_argument(
        "--workers",
        type=int,
        default=jobs.available_cores(),
        help="default: as many as there are cores",
    )
    parser.add_argument("--model", default="base", help="shipped model, or a model file")
    rate = parser.add_mutually_exclusive_group()
    rate.add_argument("--quality", type=float, help="0 to 100, default 50")
    rate.add_argument("--bpp", type=float)
    rate.add_argument("--max-bytes", type=int)
    given = parser.parse_args()
    options = {
        name: value
        for name, value in vars(given).items()
        if name in ("model", "quality", "bpp", "max_bytes") and value is not None
    }
    work = missing(given.photos.resolve(), given.out.resolve())
    encoded = 0
    with (
        Client(given.scheduler or local(given.workers)) as client,
        tqdm(total=len(work), unit="file", disable=None, leave=False) as bar,
    ):
        for source, problem in run(client, work, options):
            bar.update()
            encoded += not problem
            if problem:
                print(f"{source}: {problem}", file=sys.stderr)
    print(f"{encoded} of {len(work)} encoded")
    sys.exit(0 if encoded == len(work) else 1)


if __name__ == "__main__":
    main()
