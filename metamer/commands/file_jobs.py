"""Work on many files: in several processes, with a progress bar, a line for each failure, and an
exit status.
"""

import contextlib
import functools
import time
import warnings
from collections.abc import Generator, Iterable, Sequence
from dataclasses import replace

import click

from metamer.codec.errors import MetamerError
from metamer.codec.system import cluster, jobs, terminal
from metamer.messages import explain, say

DAMAGED = 3  # exit status of a decode that salvaged


def for_each_file(
    names: Iterable[str],
    description: str,
    work: jobs.Work,
    count: int = 1,
    quiet: bool = False,
    dask: str | None = None,
) -> None:
    """Calls ``work(name)`` for every name, in ``count`` processes, or by the workers of the Dask
    scheduler at the address ``dask``, with a progress bar for several names.

    Failures are named and end with status 1; notices that ``work`` reports are, and end with status
    3. Who watches is told what was done, unless ``quiet``.
    """
    from tqdm import tqdm

    failed = noticed = 0
    names = list(names)
    debug = click.get_current_context().find_root().params["debug"]
    watched = terminal.is_watched() and not quiet
    progress = tqdm(
        total=len(names),
        desc=description,
        unit="file",
        disable=not watched or len(names) == 1,
        leave=False,
    )
    iterator = jobs.outcomes(work, names, count) if dask is None else on_cluster(work, names, dask)
    with progress as bar, contextlib.closing(iterator) as outcomes:
        for name, report, problem in outcomes:
            bar.update()
            if problem and debug:
                raise problem
            lines = [
                f"metamer: {name}: {line}"
                for line in ([explain(problem)] if problem else report.notices)
            ]
            if watched and report.summary:
                lines.append(f"{report.summary}, {report.seconds:.1f} s")
            if lines:
                bar.clear()
            for line in lines:
                say(line)
            failed += bool(problem)
            noticed += bool(report.notices)
    if failed or noticed:
        click.get_current_context().exit(1 if failed else DAMAGED)


def code_files(
    work,
    targets: dict[str, str],
    description: str,
    count: int,
    threads: int,
    force: bool,
    quiet: bool,
    options: dict,
    dask: str | None = None,
) -> None:
    """Encodes or decodes all of ``targets`` with ``count`` jobs that share ``threads``; 0: all
    there are. dask: a scheduler's address; its workers take a thread each instead.
    """
    count = min(count or jobs.available_cores(), len(targets))
    options = options | {"threads": 1 if dask else jobs.threads_per_job(threads, count)}
    work = functools.partial(work, targets=targets, force=force, options=options)
    debug = click.get_current_context().find_root().params["debug"]
    work = work if debug else functools.partial(undisturbed, work)
    for_each_file(targets, description, work, count, quiet, dask)


def on_cluster(
    work: jobs.Work, names: Sequence[str], address: str
) -> Generator[jobs.Outcome, None, None]:
    """As `jobs.outcomes`, by a cluster's workers."""
    with cluster.connected(address) as client:
        timed = functools.partial(report_timed, work)
        for name, report, problem in cluster.cluster_outcomes(client, timed, names):
            if problem and not isinstance(problem, (MetamerError, MemoryError)):
                raise problem
            yield name, report or jobs.Report(), problem


def report_timed(work: jobs.Work, name: str) -> jobs.Report:
    """``work(name)``, and how long it took."""
    start = time.perf_counter()
    report = work(name)
    return replace(report, seconds=time.perf_counter() - start)


def undisturbed(work: jobs.Work, name: str) -> jobs.Report:
    """``work(name)`` without what libraries print or warn of by themselves. This process is the
    command's own.
    """
    with terminal.silence_libraries(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return work(name)
