"""Pictures that any of can be had at any time: from files, or from bytes in memory."""

import io
import sys
import threading
from collections import OrderedDict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from metamer.codec.errors import ImageError
from metamer.codec.picture import load, pixels
from metamer.codec.system import jobs
from metamer.train import colour_axes

MEMORY = 800 << 20  # bytes of decoded pictures that are kept, unless told otherwise
MOST_WORKERS = 8  # threads that decode, unless told otherwise


def usual_workers() -> int:
    """Threads that decode beside the one that trains."""
    return min(MOST_WORKERS, max(1, jobs.available_cores() - 1))


@dataclass(frozen=True)
class Packed:
    """A picture file that is no file: its bytes, and what it is called."""

    name: str
    data: bytes

    def __str__(self) -> str:
        return self.name


Encoded = Path | Packed
Sized = tuple[Encoded, tuple[int, int]]  # with height and width


def _source(picture: Encoded) -> Path | io.BytesIO:
    return io.BytesIO(picture.data) if isinstance(picture, Packed) else picture


def decoded(picture: Encoded) -> Tensor:
    """(3, H, W) uint8, a view of what lies in memory pixel by pixel. Raises ImageError."""
    try:
        return torch.from_numpy(np.array(pixels.read_rgb(_source(picture)))).permute(2, 0, 1)
    except MemoryError:
        raise ImageError("takes more memory than there is") from None


def affine_of(picture: Tensor) -> Tensor:
    """(3, 4) what the encoder turns the colours of a picture (3, H, W) by."""
    return colour_axes.affine(picture.permute(1, 2, 0).cpu().numpy())


def skip(picture: Encoded, problem: ImageError) -> None:
    """Names a picture that is left out."""
    print(f"skipped {picture}: {problem}", file=sys.stderr)


def measured(files: Iterable[Encoded]) -> list[Sized]:
    """Those that can be opened, with height and width as their headers say; names the others."""
    sized = []
    for picture in files:
        try:
            width, height = load.upright_size(_source(picture))
        except ImageError as problem:
            skip(picture, problem)
        else:
            sized.append((picture, (height, width)))
    return sized


class Recent:
    """The pictures decoded last, as far as so many bytes go; for several threads."""

    def __init__(self, limit: int):
        self._limit, self._size, self._lock = limit, 0, threading.Lock()
        self._pictures: OrderedDict[int, Tensor] = OrderedDict()

    def get(self, index: int) -> Tensor | None:
        with self._lock:
            if index in self._pictures:
                self._pictures.move_to_end(index)
            return self._pictures.get(index)

    def keep(self, index: int, picture: Tensor) -> None:
        with self._lock:
            if index in self._pictures or picture.nbytes > self._limit:
                return
            self._pictures[index] = picture
            self._size += picture.nbytes
            while self._size > self._limit:
                self._size -= self._pictures.popitem(last=False)[1].nbytes


class Photographs:
    """Pictures by number. Their sizes are read from their headers.

    All are decoded at once and stay on one device if they fit into ``memory`` bytes; else they are
    decoded when they are asked for, and those decoded last are kept within ``memory``.

    Attributes:
        files: where they are.
        sizes: height and width of each.
        resident: whether all are kept, on the device; else pictures come on the CPU.

    Files whose header cannot be read are named on stderr and left out; so are those that do not
    decode, which is seen when they are decoded: `try_get`.
    """

    def __init__(self, files: Iterable[Encoded], memory: int = MEMORY):
        self._open(measured(files), "cpu", memory)

    @classmethod
    def of_sizes(
        cls,
        files: list[Sized],
        device: torch.device | str = "cpu",
        memory: int = MEMORY,
    ) -> "Photographs":
        """Of what `measured` found, on ``device``."""
        photographs = cls.__new__(cls)
        photographs._open(files, device, memory)
        return photographs

    def _open(self, files, device, memory) -> None:
        self.device = torch.device(device)
        self.files, self.sizes = [file for file, _ in files], [size for _, size in files]
        self.resident = sum(3 * height * width for height, width in self.sizes) <= memory
        self._kept: list[Tensor] = self._decode_all() if self.resident else []
        self._recent, self._unreadable = Recent(memory), set()
        self._affines: dict[int, Tensor] = {}  # of resident pictures
        # of others, of which there may be millions
        self._table = np.full((0 if self.resident else len(self), 3, 4), np.nan, np.float32)

    def _decode_all(self) -> list[Tensor]:
        """Every picture, on the device; forgets those that do not decode."""

        def attempt(picture: Encoded) -> Tensor | ImageError:
            try:
                return decoded(picture)
            except ImageError as problem:
                return problem

        kept, files = [], self.files
        self.files, self.sizes = [], []
        with ThreadPoolExecutor(min(MOST_WORKERS, jobs.available_cores())) as pool:
            for picture, pixels in zip(files, pool.map(attempt, files), strict=True):
                if isinstance(pixels, ImageError):
                    skip(picture, pixels)
                    continue
                kept.append(pixels.contiguous().to(self.device))
                self.files.append(picture)
                self.sizes.append(tuple(pixels.shape[1:]))
        return kept

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Tensor:
        """(3, H, W) uint8. Raises ImageError."""
        if self.resident:
            return self._kept[index]
        picture = self._recent.get(index)
        if picture is None:
            try:
                picture = decoded(self.files[index])
            except ImageError as problem:
                raise ImageError(f"{self.files[index]}: {problem}") from None
            self._recent.keep(index, picture)
        return picture

    def try_get(self, index: int) -> Tensor | None:
        """The same, or None for a picture that does not decode, which is named the first time."""
        if index in self._unreadable:
            return None
        try:
            return self[index]
        except ImageError as problem:
            self._unreadable.add(index)
            print(f"skipped {problem}", file=sys.stderr)
            return None

    def affine(self, index: int) -> Tensor:
        """(3, 4) what the encoder turns the whole picture's colours by, where the picture is."""
        if self.resident:
            if index not in self._affines:
                self._affines[index] = affine_of(self[index]).to(self.device)
            return self._affines[index]
        if np.isnan(self._table[index, 0, 0]):
            self._table[index] = affine_of(self[index]).numpy()
        return torch.from_numpy(self._table[index])
