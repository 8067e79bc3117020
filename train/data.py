"""Photographs from any folder, as random crops that depend on nothing but (seed, index)."""

import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from codec import pixels
from codec.errors import ImageError, RecipeError
from train import axes

HOLD_OUT = "validation.txt"  # names, a line each, of files in the folder that are kept out of training


def find(*folders: Path) -> tuple[list[Path], list[Path]]:
    """Picture files below the folders, sorted: those to train on, and those that each folder's `validation.txt` holds out."""
    training, validation = [], []
    for folder in map(Path, folders):
        if not folder.is_dir():
            raise RecipeError(f"{folder}: no such folder")
        names = (folder / HOLD_OUT).read_text().splitlines() if (folder / HOLD_OUT).exists() else []
        held = {name.strip() for name in names if name.strip()}
        files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in pixels.SUFFIXES)
        missing = held - {path.name for path in files}
        if missing:
            raise RecipeError(f"{folder / HOLD_OUT}: there is no {min(missing)}")
        training += [path for path in files if path.name not in held]
        validation += [path for path in files if path.name in held]
    return training, validation


class Photographs:
    """Decoded pictures, kept in memory while they fit.

    Unreadable files are named on stderr and left out. memory: bytes to keep; the rest is decoded on each use.
    """

    def __init__(self, files: list[Path], memory: int = 4 << 30):
        self.files, self.sizes, self._kept, self._room = [], [], {}, memory
        self._affines: dict[int, Tensor] = {}
        for path in files:
            try:
                picture = np.asarray(pixels.read(path))
            except ImageError as problem:
                print(f"skipped {path}: {problem}", file=sys.stderr)
                continue
            if picture.nbytes <= self._room:
                self._kept[len(self.files)] = picture
                self._room -= picture.nbytes
            self.files.append(path)
            self.sizes.append(picture.shape[:2])

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> np.ndarray:
        """(H, W, 3) uint8."""
        kept = self._kept.get(index)
        return kept if kept is not None else np.asarray(pixels.read(self.files[index]))

    def affine(self, index: int) -> Tensor:
        """(3, 4) what the encoder turns the whole picture's colours by."""
        if index not in self._affines:
            self._affines[index] = axes.affine(self[index])
        return self._affines[index]


class Crops(Dataset):
    """Item i is a random crop (3, S, S) uint8, flipped at random, chosen by (seed, i) alone.

    Pictures smaller than the crop are enlarged to it (Lanczos), so that every folder can be used.
    """

    def __init__(self, photographs: Photographs, crop: int, seed: int):
        if not len(photographs):
            raise RecipeError("no readable photographs to train on")
        self.photographs, self.crop, self.seed = photographs, crop, seed
        areas = np.array([height * width for height, width in photographs.sizes], dtype=np.float64)
        self._odds = np.cumsum(areas / areas.sum())

    def _choose(self, rng: np.random.Generator) -> int:
        return min(int(np.searchsorted(self._odds, rng.random())), len(self._odds) - 1)

    def affine(self, index: int) -> Tensor:
        """`Photographs.affine` of the picture that item ``index`` is cut from."""
        return self.photographs.affine(self._choose(np.random.default_rng([self.seed, index])))

    def __getitem__(self, index: int) -> Tensor:
        rng = np.random.default_rng([self.seed, index])
        picture = self.photographs[self._choose(rng)]
        height, width = picture.shape[:2]
        if min(height, width) < self.crop:
            factor = self.crop / min(height, width)
            size = (max(self.crop, round(width * factor)), max(self.crop, round(height * factor)))
            picture = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))
            height, width = picture.shape[:2]
        top, left = rng.integers(height - self.crop + 1), rng.integers(width - self.crop + 1)
        piece = picture[top : top + self.crop, left : left + self.crop]
        piece = piece[:: -1 if rng.random() < 0.5 else 1, :: -1 if rng.random() < 0.5 else 1]
        return torch.from_numpy(np.ascontiguousarray(piece.transpose(2, 0, 1)))


class CropsInColour(Crops):
    """Item i is a pair: the crop, and what its whole picture's colours are turned by (3, 4)."""

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return super().__getitem__(index), self.affine(index)


def centre_crops(photographs: Photographs, crop: int, limit: int) -> Tensor:
    """(N, 3, S, S) uint8: the middle of up to ``limit`` evenly chosen pictures that are large enough."""
    fitting = [i for i, size in enumerate(photographs.sizes) if min(size) >= crop]
    pieces = []
    for place in np.linspace(0, len(fitting) - 1, min(limit, len(fitting))).astype(int):
        picture = photographs[fitting[place]]
        top, left = (picture.shape[0] - crop) // 2, (picture.shape[1] - crop) // 2
        pieces.append(torch.from_numpy(picture[top : top + crop, left : left + crop].transpose(2, 0, 1).copy()))
    return torch.stack(pieces) if pieces else torch.empty(0, 3, crop, crop, dtype=torch.uint8)
