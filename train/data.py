"""Photographs from any folder, as random crops that depend on nothing but (seed, index)."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from metamer.codec.errors import ImageError, RecipeError
from metamer.codec.picture import pixels
from metamer.train import axes

# names, a line each, of files in the folder that are kept out of training
HOLD_OUT = "validation.txt"


def find(*folders: Path) -> tuple[list[Path], list[Path]]:
    """Picture files below the folders, sorted: those to train on, and those that each folder's
    `validation.txt` holds out.
    """
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
    """Decoded pictures, kept on ``device`` while they fit.

    Unreadable files are named on stderr and left out. memory: bytes to keep; the rest is decoded on
    each use.
    """

    def __init__(
        self, files: list[Path], device: torch.device | str = "cpu", memory: int = 4 << 30
    ):
        self.files, self.sizes, self.device = [], [], torch.device(device)
        self._kept: dict[int, Tensor] = {}
        self._affines: dict[int, Tensor] = {}
        for path in files:
            try:
                picture = self._decoded(path)
            except ImageError as problem:
                print(f"skipped {path}: {problem}", file=sys.stderr)
                continue
            if picture.nbytes <= memory:
                self._kept[len(self.files)] = picture.to(self.device)
                memory -= picture.nbytes
            self.files.append(path)
            self.sizes.append(tuple(picture.shape[1:]))

    @staticmethod
    def _decoded(path: Path) -> Tensor:
        return torch.from_numpy(np.asarray(pixels.read(path)).transpose(2, 0, 1).copy())

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Tensor:
        """(3, H, W) uint8 on the device."""
        kept = self._kept.get(index)
        return kept if kept is not None else self._decoded(self.files[index]).to(self.device)

    def affine(self, index: int) -> Tensor:
        """(3, 4) what the encoder turns the whole picture's colours by, on the device."""
        if index not in self._affines:
            self._affines[index] = axes.affine(self[index].permute(1, 2, 0).cpu().numpy()).to(
                self.device
            )
        return self._affines[index]


class Crops:
    """Item i is a random crop (3, S, S) uint8, flipped at random, chosen by (seed, i) alone, where
    the photographs are kept.

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
        if min(picture.shape[1:]) < self.crop:
            picture = enlarged(picture, self.crop)
        height, width = picture.shape[1:]
        top, left = rng.integers(height - self.crop + 1), rng.integers(width - self.crop + 1)
        piece = picture[:, top : top + self.crop, left : left + self.crop]
        mirrored = [axis for axis in (1, 2) if rng.random() < 0.5]
        return piece.flip(mirrored) if mirrored else piece


def enlarged(picture: Tensor, side: int) -> Tensor:
    """(3, H, W) uint8, the shorter side at least ``side``."""
    height, width = picture.shape[1:]
    factor = side / min(height, width)
    size = (max(side, round(width * factor)), max(side, round(height * factor)))
    resized = Image.fromarray(picture.permute(1, 2, 0).cpu().numpy()).resize(
        size, Image.Resampling.LANCZOS
    )
    return torch.from_numpy(np.asarray(resized).transpose(2, 0, 1).copy()).to(picture.device)


class Batches:
    """A process's share ``own`` of the batches of ``steps``: crops (n, 3, S, S) uint8 and what
    their whole pictures' colours are turned by, (n, 3, 4). Chosen by nothing but seed, step and
    place in the batch.
    """

    def __init__(
        self, photographs: Photographs, crop: int, seed: int, batch: int, steps: range, own: slice
    ):
        self.crops, self.batch, self.steps, self.own = (
            Crops(photographs, crop, seed),
            batch,
            steps,
            own,
        )

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for step in self.steps:
            items = range(step * self.batch + self.own.start, step * self.batch + self.own.stop)
            yield (
                torch.stack([self.crops[item] for item in items]),
                torch.stack([self.crops.affine(item) for item in items]),
            )


def centre_crops(photographs: Photographs, crop: int, limit: int) -> Tensor:
    """(N, 3, S, S) uint8: the middle of up to ``limit`` evenly chosen pictures that are large
    enough.
    """
    fitting = [i for i, size in enumerate(photographs.sizes) if min(size) >= crop]
    pieces = []
    for place in np.linspace(0, len(fitting) - 1, min(limit, len(fitting))).astype(int):
        picture = photographs[fitting[place]]
        top, left = (picture.shape[1] - crop) // 2, (picture.shape[2] - crop) // 2
        pieces.append(picture[:, top : top + crop, left : left + crop])
    return torch.stack(pieces) if pieces else torch.empty(0, 3, crop, crop, dtype=torch.uint8)
