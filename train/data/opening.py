"""What ``--data`` names, opened: photographs to train on, and those to validate on."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from metamer.codec.errors import RecipeError
from metamer.train.data import shards
from metamer.train.data.crops import Batches, Crops, Plan
from metamer.train.data.folders import find, has_list
from metamer.train.data.photographs import (
    MEMORY,
    Encoded,
    Packed,
    Photographs,
    Sized,
    measured,
)
from metamer.train.data.streams import Stream

SET_ASIDE = 16  # photographs that validation gets where nobody chose some
SHARE = 20  # at most one of so many
SIDE = 256  # of validation crops
# shards of no more bytes are decoded once and kept, as a folder is; larger ones are streamed
SMALL = 64 << 20
HELD_OUT = "validation.tar"  # beside local shards: what is held out of them


class Source(Protocol):
    """Where a run's crops come from."""

    def crops(self, crop: int, seed: int, count: int) -> Iterator[Tensor]:
        """The first ``count`` crops (3, S, S) uint8 of a run."""
        ...

    def batches(self, plan: Plan) -> Iterator[tuple[Tensor, Tensor]]:
        """A process's share of a stage's batches: crops (n, 3, S, S) uint8 and (n, 3, 4) what
        their whole pictures' colours are turned by, on the device.
        """
        ...

    def state(self, number: int) -> dict[str, int]:
        """What finds sample ``number`` again without reading all before it."""
        ...

    def restore(self, state: dict[str, int]) -> None:
        """Goes on from `state`."""
        ...


class Collection:
    """Photographs any of which can be had at any time."""

    def __init__(self, photographs: Photographs, workers: int | None = None):
        self.photographs, self.workers = photographs, workers

    def crops(self, crop: int, seed: int, count: int) -> Iterator[Tensor]:
        crops = Crops(self.photographs, crop, seed)
        return (crops[index] for index in range(count))

    def batches(self, plan: Plan) -> Iterator[tuple[Tensor, Tensor]]:
        return iter(Batches(self.photographs, plan, self.workers))

    def state(self, number: int) -> dict[str, int]:
        return {}

    def restore(self, state: dict[str, int]) -> None:
        pass


@dataclass
class Data:
    """What a run trains and validates on.

    Attributes:
        training: where crops come from.
        validation: photographs that are held out, not yet decoded.
        notice: what to tell who starts the run; empty if nothing.
        set_aside: names of the photographs that were held out because nobody chose some.
        count: photographs to train on; 0 for streams, which do not tell.
    """

    training: Source
    validation: list[Encoded]
    notice: str = ""
    set_aside: list[str] = field(default_factory=list)
    count: int = 0

    def state(self, number: int) -> dict[str, Any]:
        """What a checkpoint keeps, for a run that goes on with sample ``number``."""
        return {
            "set_aside": self.set_aside,
            "count": self.count,
            "stream": self.training.state(number),
        }


def label(picture: Encoded) -> str:
    """What a picture is called in checkpoints: nothing of where its folder lies."""
    return picture.name if isinstance(picture, Packed) else "/".join(picture.parts[-2:])


def open_data(
    specs: Sequence[str | Path],
    device: torch.device | str = "cpu",
    memory: int = MEMORY,
    workers: int | None = None,
    before: Mapping[str, Any] | None = None,
) -> Data:
    """Opens folders of pictures, or shards (`train.data.shards`).

    Where no `validation.txt` or `validation.tar` chooses photographs to validate on, a few are set
    aside.

    Args:
        specs: what ``--data`` names.
        device: where crops are wanted.
        memory: bytes of decoded pictures to keep.
        workers: threads that decode; by default as many as there are cores to spare, at most 8.
        before: of a run that is resumed: what `Data.state` gave, which decides what is set aside.

    Raises:
        RecipeError: Folders or shards that are not there or hold no pictures.
    """
    named = [str(spec) for spec in specs]
    sharded = [spec for spec in named if shards.is_sharded(spec)]
    folders = [Path(spec) for spec in named if not shards.is_sharded(spec)]
    full = [folder for folder in folders if any(folder.glob(f"*{shards.TAR}"))]
    folders = [folder for folder in folders if folder not in full]
    if (sharded or full) and folders:
        raise RecipeError(
            f"--data: {folders[0]} is a folder of pictures, which does not go with shards; "
            "`metamer data pack` makes shards of it"
        )
    if sharded or full:
        held = [path for folder in full if (path := folder / HELD_OUT).exists()]
        packed = [
            str(path)
            for folder in full
            for path in sorted(folder.glob(f"*{shards.TAR}"))
            if path.name != HELD_OUT
        ]
        return _shards([*sharded, *packed], held, device, memory, workers, before)
    files, held, more = sort_out(folders, before)
    return _collection(files, held, device, memory, workers, **more)


def sort_out(
    folders: Sequence[Path], before: Mapping[str, Any] | None = None
) -> tuple[list[Sized], list[Encoded], dict[str, Any]]:
    """Pictures of folders to train on, with their sizes, those that are held out, and the rest of
    `Data`. before: as of `open_data`. Raises RecipeError.
    """
    training, held = find(*folders)
    files = measured(training)
    if any(map(has_list, folders)):
        return files, list(held), {}
    return _split(files, before)


def _collection(files, held, device, memory, workers, **more) -> Data:
    photographs = Photographs.of_sizes(files, device, memory)
    if not len(photographs):
        raise RecipeError("no readable photographs to train on")
    return Data(Collection(photographs, workers), held, count=len(photographs), **more)


def _split(
    files: list[Sized], before: Mapping[str, Any] | None
) -> tuple[list[Sized], list[Encoded], dict[str, Any]]:
    """Some of the pictures set aside: those that were, or a few, spread evenly."""
    if before is None:
        large = [file for file, size in files if min(size) >= SIDE]
        count = min(SET_ASIDE, len(files) // SHARE, len(large))
        chosen = np.linspace(0, len(large) - 1, count).astype(int)
        names = [label(large[place]) for place in chosen]
    else:
        names = list(before.get("set_aside", []))
    held = {*names}
    aside = [file for file, _ in files if label(file) in held]
    rest = [(file, size) for file, size in files if label(file) not in held]
    notice = (
        f"{len(aside)} of {len(files)} photographs are set aside for validation; a validation.txt "
        "in their folder would choose them"
        if aside
        else ""
    )
    return rest, aside, {"notice": notice, "set_aside": names}


def _shards(specs, held, device, memory, workers, before) -> Data:
    """Small shards as a folder is, others as a stream."""
    opened = shards.open_shards(specs)
    held_out_shards = [
        path
        for name in opened.names
        if shards.TarShards.local([name]) and (path := Path(name).parent / HELD_OUT).exists()
    ]
    chosen = [
        picture
        for path in dict.fromkeys([*held, *held_out_shards])
        for picture in shards.TarShards(str(path)).pictures(0)
    ]
    if opened.size is not None and opened.size <= SMALL:
        every = [
            picture for number in range(len(opened.names)) for picture in opened.pictures(number)
        ]
        files = measured(every)
        if chosen:
            return _collection(files, chosen, device, memory, workers)
        files, held, more = _split(files, before)
        return _collection(files, held, device, memory, workers, **more)
    count = 0 if chosen or (before is not None and not before.get("set_aside")) else SET_ASIDE
    first = list(itertools.islice(opened.pictures(0), count))
    data = Data(
        Stream(opened, len(first), device, workers),
        chosen or first,
        notice=f"the first {count} photographs are set aside for validation" if count else "",
        set_aside=[picture.name for picture in first],
    )
    if before:
        data.training.restore(before["stream"])
    return data
