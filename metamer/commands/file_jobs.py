"""Work on many files: in several processes, with a progress bar, a line for each failure, and an
exit status.
"""

import contextlib
import functools
import warnings
from collections.abc import Iterable

import click

from metamer.codec.system import jobs, terminal
from metamer.messages import explain, say

DAMAGED = 3  # exit status of a decode that salvaged


def for_each_file(
    names: Iterable[str], description: str, work: jobs.Work, count: int = 1, quiet: bool = False
) -> None:
    """Calls ``work(name)`` for every name, in ``count`` processes, with a progress bar for several
    names.

    Failures are named and end with status 1; notices that ``work`` reports are, and end with status
    3. Who watches is told what was done, unless ``quiet``.
    """
    from tqdm import tqdm

    failed = noticed = 0
    names = list(names)
    debug = click.get_current_context().find_root().params["debug"]
    watched = terminal.watched() and not quiet
    progress = tqdm(
        total=len(names),
        desc=description,
        unit="file",
        disable=not watched or len(names) == 1,
        leave=False,
    )
    with progress as bar, contextlib.closing(jobs.outcomes(work, names, count)) as outcomes:
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
) -> None:
    """Encodes or decodes all of ``targets`` with ``count`` jobs that share ``threads``; 0: all
    there are.
    """
    count = min(count or jobs.available_cores(), len(targets))
    options = options | {"threads": jobs.threads_per_job(threads, count)}
    work = functools.partial(work, targets=targets, force=force, options=options)
    debug = click.get_current_context().find_root().params["debug"]
    for_each_file(
        targets, description, work if debug else functools.partial(undisturbed, work), count, quiet
    )


def undisturbed(work: jobs.Work, name: str) -> jobs.Report:
    """``work(name)`` without what libraries print or warn of by themselves. This process is the
    command's own.
    """
    with terminal.only_ours(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return work(name)
