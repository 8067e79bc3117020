"""A run's log: a progress line, rows of JSON, and the watch over what is not finite."""

import math
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from metamer.codec.errors import MetamerError
from metamer.codec.system import json_lines
from metamer.train.step.bands import BANDS

LOG = "log.jsonl"


class DivergedError(MetamerError):
    """The loss became NaN or infinite; the last good checkpoint is kept."""


class Log:
    """A progress line on stderr and a row of JSON every ``every`` steps, if ``active``; and the
    watch over what is not finite.

    A row has the means of the steps since the last. Values are read from the device where a row is
    due, or where `check` is called before a checkpoint, and at no other step. also: called with
    every row.
    """

    def __init__(
        self,
        path: Path,
        checkpoint: Path,
        every: int,
        total: int,
        steps_taken: int,
        active: bool = True,
        also: Callable[[dict], None] = lambda row: None,
    ):
        self._bar = tqdm(
            total=total, initial=steps_taken, disable=not active, unit="step", smoothing=0.05
        )
        self._path, self._checkpoint, self._every, self._active = path, checkpoint, every, active
        self._also = also
        self._begun, self._images, self._processor = time.monotonic(), 0, time.process_time()
        self._unread: list[tuple[int, str, list[str], Tensor]] = []
        self._read: dict[str, list[float]] = {}  # since the last row
        # rows written after the checkpoint that is resumed will be written again
        if active and path.exists():
            rows = json_lines.read_lines(path)
            json_lines.write_lines(path, [row for row in rows if row["step"] <= steps_taken])

    @property
    def minutes(self) -> float:
        """Since the first step."""
        return (time.monotonic() - self._begun) / 60

    def row(self, **values) -> None:
        """Appends one JSON line."""
        if self._active:
            json_lines.append_line(self._path, values)
            self._also(values)

    def step(self, steps_taken: int, images: int, values: Mapping[str, Tensor], **more) -> None:
        """Counts a step of so many images. values: scalars on the device, `a.b` for a mapping in
        the row, where NaN stands for none; more: plain.
        """
        self._images += images
        stacked = torch.stack([value.detach().float() for value in values.values()])
        of_stage = f" of stage {more['stage']}" if "stage" in more else ""
        where = f"step {steps_taken - 1}{of_stage}"
        self._unread.append((steps_taken, where, list(values), stacked))
        self._bar.update()
        if steps_taken % self._every:
            return
        self.check()
        read = {name: statistics.fmean(values) for name, values in self._read.items()}
        self._read = {}
        seconds = time.monotonic() - self._begun
        pace = {
            "images_per_second": self._images / seconds,
            "seconds": seconds,
            "processor_seconds": time.process_time() - self._processor,
        }
        self.row(step=steps_taken, **nested(read), **more, **pace)
        words = [*more.values()][:1] + [
            f"{NAMES.get(name, name)} {value:.4g}"
            for name, value in read.items()
            if "." not in name and name != "gradient"
        ]
        self._bar.set_postfix_str(
            f"{' '.join(map(str, words))} {pace['images_per_second']:.0f} images/s"
        )

    def check(self) -> None:
        """Reads what the steps since the last reading left. Raises DivergedError, with the step."""
        unread, self._unread = self._unread, []
        for (_, where, names, _), values in zip(
            unread, [values.tolist() for *_, values in unread], strict=True
        ):
            for name, value in zip(names, values, strict=True):
                if math.isfinite(value):
                    self._read.setdefault(name, []).append(value)
                elif "." not in name:
                    kept = (
                        f"{self._checkpoint} holds the last good weights"
                        if self._checkpoint.exists()
                        else "no checkpoint had been written yet"
                    )
                    raise DivergedError(f"the {name} is {value} at {where}; {kept}")

    def close(self, check: bool = True) -> None:
        """Ends the progress line. check: as `check` does."""
        self._bar.close()
        if check:
            self.check()


NAMES = {"psnr": "PSNR"}  # as the progress line has them


def nested(values: Mapping[str, float]) -> dict:
    """`{"a.b": 1}` as `{"a": {"b": 1}}`; of `BANDS`, which are by name and quantity, once more."""
    rows: dict = {}
    for name, value in values.items():
        group, dot, rest = name.partition(".")
        if dot:
            rows.setdefault(group, {})[rest] = value
        else:
            rows[name] = value
    return rows | ({BANDS: nested(rows[BANDS])} if BANDS in rows else {})
