"""Coding order: symbols grouped by table, so that a pass is at most one vectorised call a table."""

from collections.abc import Iterator

import numpy as np


def by_table(indices: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yields (table, positions) for each table in ``indices`` (1-D, uint8), lowest first, positions ascending.

    >>> [(table, positions.tolist()) for table, positions in by_table(np.array([5, 2, 5], np.uint8))]
    [(2, [1]), (5, [0, 2])]
    """
    order = np.argsort(indices, kind="stable")  # radix sort for bytes
    ends = np.cumsum(np.bincount(indices))
    for table in np.flatnonzero(np.diff(ends, prepend=0)):
        yield int(table), order[ends[table - 1] if table else 0 : ends[table]]
