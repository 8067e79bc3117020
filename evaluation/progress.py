"""How far a long run is: a bar on a terminal, a line now and then in a log."""

import sys
import time
from collections.abc import Iterator, Sequence

from tqdm import tqdm

EVERY = 30.0  # seconds between lines in a log


class ProgressLines:
    """What stands in for tqdm's bar where stderr is no terminal: a line every 30 seconds.

    A run that is over sooner says nothing. n: how much is done.
    """

    def __init__(self, total: int, unit: str, label: str = ""):
        self.total, self.unit, self.label, self.n = total, unit, label, 0
        self.begun = self.said = time.monotonic()

    def update(self, count: int = 1) -> None:
        """Counts up, and says so where it is time."""
        self.n += count
        now = time.monotonic()
        if count and now - self.said >= EVERY:
            self.said = now
            gone = now - self.begun
            left = gone * (self.total - self.n) / self.n
            print(
                f"{self.label}{': ' if self.label else ''}{self.n} of {self.total} {self.unit}s, "
                f"{tqdm.format_interval(gone)} gone, about {tqdm.format_interval(left)} left",
                file=sys.stderr,
                flush=True,
            )

    def __enter__(self) -> "ProgressLines":
        return self

    def __exit__(self, *_) -> None:
        pass


def progress(total: int, unit: str, label: str = "", leave: bool = True) -> tqdm | ProgressLines:
    """A bar on a terminal, lines elsewhere; both count in ``n`` and go on by ``update``.

    leave: whether the bar stays when it is full.
    """
    if sys.stderr.isatty():
        return tqdm(total=total, unit=unit, desc=label or None, leave=leave)
    return ProgressLines(total, unit, label)


def tracked(items: Sequence, unit: str, label: str = "", leave: bool = True) -> Iterator:
    """The items one after the other, counted by `progress`."""
    with progress(len(items), unit, label, leave) as bar:
        for item in items:
            yield item
            bar.update()
