"""One piece of work for each of many files, in several processes. Each loads its model once and
ends with its parent.
"""

import contextlib
import itertools
import multiprocessing
import os
import pickle
import signal
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from multiprocessing import connection, resource_tracker
from multiprocessing.context import SpawnContext

from metamer.codec.errors import MetamerError
from metamer.codec.system.files import STREAM


@dataclass(frozen=True)
class Report:
    """What came of a file.

    Attributes:
        notices: What was wrong with it.
        summary: What was done, for who watches.
        seconds: That it took.
    """

    notices: tuple[str, ...] = ()
    summary: str = ""
    seconds: float = 0.0


Work = Callable[[str], Report]  # with several jobs, one that pickles
Outcome = tuple[str, Report, Exception | None]
LOST = "its process was killed, for want of memory perhaps"


def available_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads_per_job(threads: int, jobs: int) -> int:
    """Threads for one of several jobs that share them; one job has them all.

    Args:
        threads: For all of them; 0 for every core.
        jobs: How many there are.

    Example:
        >>> threads_per_job(8, 3), threads_per_job(2, 4), threads_per_job(0, 1)
        (2, 1, 0)
    """
    return threads if jobs == 1 else max(1, (threads or available_cores()) // jobs)


def outcomes(work: Work, names: Sequence[str], jobs: int) -> Generator[Outcome, None, None]:
    """Works on files, and says of each what came of it, as they end.

    A process that dies takes its file alone with it: the error is a MetamerError, and another
    process takes its place.

    Args:
        work: Called with each name; with several jobs, it pickles.
        names: The files; standard input is for this process alone.
        jobs: How many processes.

    Yields:
        Name, report, and what ``work`` raised if the file was at fault.

    Raises:
        Exception: What ``work`` raised otherwise.
    """
    several = jobs > 1 and len(names) > 1
    here = [name for name in names if name == STREAM or not several]  # standard input is ours alone
    elsewhere = [name for name in names if name != STREAM and several]
    for name, report, problem in itertools.chain(
        _here(work, here), _in_processes(work, elsewhere, jobs)
    ):
        if problem and not isinstance(problem, (MetamerError, MemoryError)):
            raise problem
        yield name, report, problem


def _here(work: Work, names: Sequence[str]) -> Iterator[Outcome]:
    for name in names:
        yield name, *_attempt(work, name)


def _attempt(work: Work, name: str) -> tuple[Report, Exception | None]:
    begin = time.perf_counter()
    try:
        report = work(name)
        return replace(report, seconds=time.perf_counter() - begin), None
    except Exception as problem:
        return Report(), problem


class _Worker:
    """A process, our end of a pipe to it, and the file that it works on."""

    def __init__(self, context: SpawnContext, work: Work):
        self.pipe, other_end = context.Pipe()
        self.process = context.Process(target=_serve, args=(other_end, work), daemon=True)
        with _without_interrupts():
            self.process.start()
        other_end.close()  # or its end would not be noticed
        self.name = ""

    def give(self, name: str) -> None:
        self.name = name
        with contextlib.suppress(BrokenPipeError):  # it died: reading from it will show that
            self.pipe.send(name)

    def end(self) -> None:
        self.process.terminate()
        self.process.join()
        self.pipe.close()


def _serve(pipe: connection.Connection, work: Work) -> None:
    """What a worker does: work on names until the pipe closes, which an interrupted parent's may do
    before it ends us.
    """
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            report, problem = _attempt(work, pipe.recv())
            if problem is not None:
                problem = portable_error(problem)
            pipe.send((report, problem))


def portable_error(problem: Exception) -> Exception:
    """What another process can be told: the error with its traceback as a note, or, of others'
    errors that do not pickle, a RuntimeError that says as much.
    """
    text = "".join(traceback.format_exception(problem)).strip()
    problem.add_note(text)
    try:
        told: Exception = pickle.loads(pickle.dumps(problem))
    except Exception:
        return RuntimeError(text)
    return told


@contextlib.contextmanager
def _without_interrupts() -> Iterator[None]:
    """Ctrl-C reaches a whole process group; processes started in here never see it, and their
    parent ends them.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    # the first start() would do it in here, and then let interrupts in again
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(1)  # files are whole or not there at any moment


def _in_processes(work: Work, names: Sequence[str], jobs: int) -> Iterator[Outcome]:
    # a fork would take the parent's threads' locks along
    context = multiprocessing.get_context("spawn")
    todo = deque(names)
    busy: dict[connection.Connection, _Worker] = {}

    def occupy(worker: _Worker) -> None:
        busy[worker.pipe] = worker
        worker.give(todo.popleft())

    try:
        for _ in range(min(jobs, len(names))):
            occupy(_Worker(context, work))
        while busy:
            for pipe in connection.wait(list(busy)):
                assert isinstance(pipe, connection.Connection)
                worker = busy[pipe]
                try:
                    (report, problem), alive = pipe.recv(), True
                except (EOFError, ConnectionResetError):
                    report, problem, alive = Report(), MetamerError(LOST), False
                yield worker.name, report, problem
                if alive and todo:
                    occupy(worker)
                else:
                    del busy[pipe]
                    worker.end()
                    if todo:
                        occupy(_Worker(context, work))
    finally:
        for worker in busy.values():
            worker.end()
