"""One piece of work for each of many items, on the workers of a Dask cluster.

A cluster is `dask scheduler` on one machine and `dask worker tcp://HEAD:8786 --nworkers auto
--nthreads 1` on each, with Metamer installed, and folders that all of them see. Needs the extra
`scale`.
"""

import contextlib
import importlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from metamer.codec.errors import MetamerError
from metamer.codec.system.jobs import portable_error

AHEAD = 4  # tasks for each worker that are on their way or waiting there
WAIT = "30s"  # for the scheduler

Item = TypeVar("Item")
Result = TypeVar("Result")
Outcome = tuple[Item, Result | None, Exception | None]


@contextlib.contextmanager
def connected(address: str) -> Iterator[Any]:
    """A `dask.distributed.Client` of the scheduler at ``address``. Raises MetamerError."""
    distributed: Any = importlib.import_module("distributed")
    try:
        client = distributed.Client(address, timeout=WAIT)
    except (OSError, ValueError) as problem:
        raise MetamerError(f"no Dask scheduler at {address}: {problem}") from None
    with client:
        yield client


def cluster_outcomes(
    client: Any, work: Callable[[Item], Result], items: Sequence[Item], batch: int = 1
) -> Iterator[Outcome[Item, Result]]:
    """Yields (item, result, what ``work(item)`` raised) for all, as they end. However many there
    are, few tasks are open at a time.

    Args:
        client: `dask.distributed.Client`.
        work: what workers call; pickles.
        items: that pickle.
        batch: items a task.

    An item whose worker is lost, again and again where Dask tries elsewhere, has a MetamerError.
    """
    distributed: Any = importlib.import_module("distributed")
    batches = [items[begin : begin + batch] for begin in range(0, len(items), batch)]
    sent: dict[str, Sequence[Item]] = {}

    def submitted() -> Iterator[Any]:
        for some in batches:
            future = client.submit(_attempt_all, work, some, pure=False)
            sent[future.key] = some
            yield future

    client.wait_for_workers(1)
    more = submitted()
    going = distributed.as_completed(
        list(itertools.islice(more, AHEAD * max(1, len(client.nthreads()))))
    )
    for future in going:
        some = sent.pop(future.key)
        lost = future.exception()
        if lost:
            problem = MetamerError(f"the worker was lost: {lost}")
            yield from ((item, None, problem) for item in some)
        else:
            for item, (result, raised) in zip(some, future.result(), strict=True):
                yield item, result, raised
        going.update(itertools.islice(more, 1))


def _attempt_all(
    work: Callable[[Item], Result], items: Sequence[Item]
) -> list[tuple[Result | None, Exception | None]]:
    """What a worker does."""
    return [_attempt(work, item) for item in items]


def _attempt(work: Callable[[Item], Result], item: Item) -> tuple[Result | None, Exception | None]:
    try:
        return work(item), None
    except Exception as problem:
        return None, portable_error(problem)
