"""TensorBoard's events of a run, beside its log: `tensorboard --logdir RUN`."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor


def scalars(row: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """(tag, value) of a row of the log: `loss`, `bands/low/bpp`, `validation/psnr/level 3`."""
    for name, value in row.items():
        if name == "validation" and isinstance(value, list):
            for level in value:
                for key, number in level.items():
                    if key != "level":
                        yield f"validation/{key}/level {level['level']}", number
        elif isinstance(value, Mapping):
            yield from ((f"{name}/{key}", number) for key, number in scalars(value))
        elif isinstance(value, int | float) and name != "step":
            yield name, value


class Events:
    """A writer of events; one that writes nothing where the package `tensorboard` is missing.

    steps_taken: before; what an earlier process wrote of later ones is dropped.
    """

    def __init__(self, folder: Path, steps_taken: int, active: bool):
        self._writer = None
        if active:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError:
                return
            self._writer = SummaryWriter(
                folder, purge_step=steps_taken + 1 if steps_taken else None
            )

    @property
    def active(self) -> bool:
        return self._writer is not None

    def row(self, row: Mapping[str, Any]) -> None:
        """The numbers of a row of the log."""
        if self._writer:
            for tag, value in scalars(row):
                self._writer.add_scalar(tag, value, row["step"])

    def picture(self, tag: str, picture: Tensor, step: int) -> None:
        """picture: (3, H, W) in [0, 1]."""
        if self._writer:
            self._writer.add_image(tag, picture, step)

    def close(self) -> None:
        if self._writer:
            self._writer.close()
