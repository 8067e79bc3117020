"""Coding order: symbols grouped by table, so that a pass is at most one vectorised call a table."""

from collections.abc import Iterator

import numpy as np

# symbols that are sorted at a time: what sorts takes 16 bytes each, what is kept of it 4
SEGMENT = 1 << 20


def by_table(indices: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Groups positions by table. A table with positions in several segments comes several times in
    a row.

    Args:
        indices: (N,) uint8, the table of each position.

    Yields:
        Each table in ``indices``, lowest first, and its positions, ascending.

    Example:
        >>> indices = np.array([5, 2, 5], np.uint8)
        >>> [(table, positions.tolist()) for table, positions in by_table(indices)]
        [(2, [1]), (5, [0, 2])]
    """
    segments = []
    for start in range(0, len(indices), SEGMENT):
        part = indices[start : start + SEGMENT]
        order = np.argsort(part, kind="stable").astype(np.uint32)  # radix sort for bytes
        segments.append((order + np.uint32(start), np.cumsum(np.bincount(part, minlength=256))))
    counts = [np.diff(ends, prepend=0) for _, ends in segments]
    for table in np.flatnonzero(np.sum(counts, 0)).tolist() if counts else ():
        for order, ends in segments:
            positions = order[ends[table - 1] if table else 0 : ends[table]]
            if len(positions):
                yield table, positions
