"""Folders of pictures → shards in WebDataset's layout, as `train.data.shards` reads them."""

import io
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from metamer.codec.errors import FileError, RecipeError
from metamer.codec.system import files
from metamer.train.data.opening import HELD_OUT, SET_ASIDE, sort_out
from metamer.train.data.photographs import Encoded, Photographs, Sized, measured

SHARD = 100 << 20  # bytes of a shard, about
RECORD, BLOCK = 10240, 512  # what a tar file's size, and a member's, is a multiple of
VALIDATED = 10  # a tenth of --max-bytes, at most, is for what is held out
SEED = 0  # of the order, so that the same folder packs to the same shards


@dataclass(frozen=True)
class Packing:
    """How pictures are packed.

    Attributes:
        side: cut those with longer sides into even pieces of at most so many pixels a side; 0 to
            pack files as they are.
        quality: of WebP, for pieces; None for no loss.
        shard: bytes of a shard, about.
        most: bytes of all shards, at most; pieces of all pictures then come in turn. None for no
            limit.
    """

    side: int = 0
    quality: int | None = None
    shard: int = SHARD
    most: int | None = None


@dataclass
class PackingReport:
    """What was packed: shards, pictures in them, bytes, and pictures that were held out."""

    shards: int
    pictures: int
    size: int
    held_out: int
    notice: str = ""


Piece = tuple[int, int, int, int]  # left, top, right, bottom


def pieces(size: tuple[int, int], side: int) -> list[Piece | None]:
    """The parts of a picture of this height and width; None for the whole of it.

    >>> pieces((300, 700), 350)
    [(0, 0, 350, 300), (350, 0, 700, 300)]
    >>> pieces((300, 200), 350)
    [None]
    """
    if not side or max(size) <= side:
        return [None]
    rows, columns = (
        np.linspace(0, length, -(-length // side) + 1).round().astype(int).tolist()
        for length in size
    )
    return [
        (left, top, right, bottom)
        for top, bottom in itertools.pairwise(rows)
        for left, right in itertools.pairwise(columns)
    ]


def in_order(sized: Sequence[Sized], packing: Packing) -> Iterator[tuple[int, Piece | None]]:
    """(picture, piece) of all, shuffled: by picture, or, where not all may fit, in rounds of one
    piece of each picture.
    """
    rng = np.random.default_rng(SEED)
    order = rng.permutation(len(sized)).tolist()
    parts: dict[int, list[Piece | None]] = {}
    for number in order:
        whole = pieces(sized[number][1], packing.side)
        parts[number] = [whole[k] for k in rng.permutation(len(whole))]
    if packing.most is None:
        yield from ((number, part) for number in order for part in parts[number])
        return
    for turn in range(max(map(len, parts.values()), default=0)):
        yield from ((number, parts[number][turn]) for number in order if turn < len(parts[number]))


def encoded(
    photographs: Photographs, number: int, piece: Piece | None, packing: Packing
) -> tuple[str, bytes] | None:
    """Suffix and bytes of a piece, or None for a picture that cannot be read."""
    picture = photographs.files[number]
    if piece is None and isinstance(picture, Path) and not packing.side:
        return picture.suffix.lower().lstrip("."), files.read_file(str(picture))
    pixels = photographs.try_get(number)
    if pixels is None:
        return None
    left, top, right, bottom = piece or (0, 0, pixels.shape[2], pixels.shape[1])
    cut = np.ascontiguousarray(pixels[:, top:bottom, left:right].permute(1, 2, 0).numpy())
    buffer, lossless = io.BytesIO(), packing.quality is None
    quality = {} if lossless else {"quality": packing.quality}
    Image.fromarray(cut).save(buffer, "WEBP", lossless=lossless, **quality)
    return "webp", buffer.getvalue()


class Shard:
    """A tar file in memory, as large as it will be on disk."""

    def __init__(self):
        from webdataset import TarWriter

        self._file, self.members, self._used = io.BytesIO(), 0, 2 * BLOCK
        self._writer = TarWriter(self._file, encoder=False, mtime=0)

    def size(self, more: int | None = None) -> int:
        """Bytes of the file, with another member of ``more`` bytes."""
        used = self._used + (0 if more is None else BLOCK + more + -more % BLOCK)
        return used + -used % RECORD

    def add(self, key: str, suffix: str, data: bytes) -> None:
        self._writer.write({"__key__": key, suffix: data})
        self._used += BLOCK + len(data) + -len(data) % BLOCK
        self.members += 1

    def write(self, path: Path) -> int:
        """Writes the file, whole or not at all; returns its bytes."""
        self._writer.close()
        files.write_file(str(path), self._file.getvalue())
        return len(self._file.getvalue())


def pack(folders: Sequence[Path], out: Path, packing: Packing) -> PackingReport:
    """Writes the pictures of ``folders`` into out/000000.tar and so on, those that are held out
    (`validation.txt`, or a few that are set aside) into out/validation.tar.

    Raises:
        RecipeError: Folders without pictures, or none that fits.
        FileError: There are shards in ``out`` already, or it cannot be written.
    """
    if any(out.glob("*.tar")):
        raise FileError(f"{out} holds shards already; name another folder, or remove them")
    sized, held, more = sort_out(folders)
    out.mkdir(parents=True, exist_ok=True)
    aside, room = Shard(), (packing.most or 0) // VALIDATED
    every = held[:: max(1, len(held) // SET_ASIDE)] if packing.most else held
    add_whole(aside, every, packing, room)
    spent = aside.write(out / HELD_OUT) if aside.members else 0
    made, count, total = 0, 0, spent
    photographs, shard = Photographs.of_sizes(sized, memory=256 << 20), Shard()
    for number, piece in in_order(sized, packing):
        entry = encoded(photographs, number, piece, packing)
        if entry is None:
            continue
        size = shard.size(len(entry[1]))
        if packing.most is not None and total + size > packing.most:
            break
        if shard.members and size > packing.shard:
            total += shard.write(out / f"{made:06}.tar")
            made, shard = made + 1, Shard()
            if packing.most is not None and total + shard.size(len(entry[1])) > packing.most:
                break
        shard.add(f"{count:08}", *entry)
        count += 1
    if shard.members:
        total += shard.write(out / f"{made:06}.tar")
        made += 1
    if not count:
        raise RecipeError("no picture was packed: there is none, or none that fits")
    return PackingReport(made, count, total, aside.members, more.get("notice", ""))


def add_whole(shard: Shard, held: Sequence[Encoded], packing: Packing, room: int) -> None:
    """Adds the middle of held-out pictures, or all of each, as far as there is room (0: any)."""
    photographs = Photographs.of_sizes(measured(held), memory=0)
    for number, (height, width) in enumerate(photographs.sizes):
        side = packing.side or max(height, width)
        left, top = max(0, (width - side) // 2), max(0, (height - side) // 2)
        middle = (left, top, min(width, left + side), min(height, top + side))
        entry = encoded(photographs, number, middle if packing.side else None, packing)
        if entry and (not room or shard.size(len(entry[1])) <= room):
            shard.add(f"{number:08}", *entry)
