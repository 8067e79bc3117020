"""Ctrl-C and SIGTERM end a run after the step that is under way, with a checkpoint."""

import signal
import sys
import threading

import torch
from lightning_fabric import Fabric

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """While it is entered, a first signal is noted; a second ends the process at once."""

    def __init__(self, fabric: Fabric | None = None, every: int = 1):
        self._fabric, self._every, self._caught = fabric, every, 0
        self._before: dict[int, object] = {}

    def __enter__(self) -> "Interruption":
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(self, *_) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _) -> None:
        if self._caught:
            self.end()
        self._caught = number

    def due(self, step: int, now: bool = False) -> bool:
        """Whether the run ends after step ``step``: by a signal, or because ``now`` says so.

        Several processes agree on it, once in so many steps.
        """
        if self._fabric is None or self._fabric.world_size == 1:
            return bool(self._caught) or now
        if step % self._every:
            return False
        wish = torch.tensor([float(self._caught), float(now)], device=self._fabric.device)
        caught, now = self._fabric.all_gather(wish).reshape(-1, 2).amax(0).tolist()
        self._caught = int(caught)
        return bool(caught or now)

    def end(self) -> None:
        """What the signal would have done: nothing where there was none."""
        if self._caught == signal.SIGINT:
            raise KeyboardInterrupt
        if self._caught:
            sys.exit(128 + self._caught)
