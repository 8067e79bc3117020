"""Pairs of views of one scene: neighbouring frames of clips, photographs slightly warped."""

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from metamer.train.data import Photographs, find
from metamer.train.perceptual_spaces.pim.options import Options


class Pairs(NamedTuple):
    """Two views of the same scenes, (N, 3, S, S) in [0, 1] each."""

    first: Tensor
    second: Tensor


def is_clip(folder: Path, files: list[Path]) -> bool:
    """Whether a folder's pictures are frames: all of them numbered, without gaps."""
    stems = [path.stem for path in files if path.parent == folder]
    if len(stems) < 2 or not all(stem.isdecimal() for stem in stems):
        return False
    numbers = sorted(map(int, stems))
    return numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def sort_out(folders: list[Path]) -> tuple[dict[Path, list[Path]], list[Path], list[Path]]:
    """Clips, as folder → frames in time order, then photographs to train on, then those to validate
    on.
    """
    clips: dict[Path, list[Path]] = {}
    photographs, held = [], []
    for folder in folders:
        kept, kept_out = find(folder)
        parents = {path.parent for path in kept}
        moving = {parent for parent in parents if is_clip(parent, kept)}
        for path in kept:
            if path.parent in moving:
                clips.setdefault(path.parent, []).append(path)
            else:
                photographs.append(path)
        held += kept_out
    return (
        {clip: sorted(frames, key=lambda path: int(path.stem)) for clip, frames in clips.items()},
        photographs,
        held,
    )


class Frames:
    """Pairs of frames at most ``gap`` apart: the same place in both."""

    def __init__(self, clips: list[list[Path]], crop: int, gap: int):
        self.crop, self.gap = crop, gap
        read = (Photographs(frames) for frames in clips)
        self.clips = [clip for clip in read if len(clip) > 1 and min(map(min, clip.sizes)) >= crop]

    def __len__(self) -> int:
        return len(self.clips)

    def pair(self, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        clip = self.clips[rng.integers(len(self.clips))]
        apart = rng.integers(1, min(self.gap, len(clip) - 1) + 1)
        start = rng.integers(len(clip) - apart)
        top, left = (rng.integers(side - self.crop + 1) for side in clip.sizes[start])
        place = np.s_[:, top : top + self.crop, left : left + self.crop]
        pair = clip[start][place], clip[start + apart][place]
        return pair if rng.random() < 0.5 else pair[::-1]


class Warps:
    """Photographs and the same, slightly shifted, turned and scaled."""

    def __init__(self, files: list[Path], crop: int, options: Options):
        self.crop, self.options = crop, options
        displacement = options.shift + crop / 2 * (options.scale + math.radians(options.rotation))
        self.margin = math.ceil(displacement) + 2  # and what bicubic interpolation looks at
        self.photographs = Photographs(files)
        side = crop + 2 * self.margin
        self.fitting = [
            index for index, size in enumerate(self.photographs.sizes) if min(size) >= side
        ]

    def __len__(self) -> int:
        return len(self.fitting)

    def pieces(self, count: int, rng: np.random.Generator) -> Tensor:
        """(N, 3, S + 2·margin, ·) in [0, 1], flipped at random."""
        pieces = []
        for _ in range(count):
            picture = self.photographs[self.fitting[rng.integers(len(self.fitting))]]
            side = self.crop + 2 * self.margin
            top, left = (rng.integers(length - side + 1) for length in picture.shape[1:])
            piece = picture[:, top : top + side, left : left + side]
            pieces.append(piece.flip(2) if rng.choice((-1, 1)) < 0 else piece)
        return as_tensor(pieces)

    def pairs(self, count: int, rng: np.random.Generator) -> Pairs:
        options = self.options
        pieces = self.pieces(count, rng)
        angle = np.radians(rng.uniform(-options.rotation, options.rotation, count))
        factor = 1 + rng.uniform(-options.scale, options.scale, count)
        matrix = factor * np.array(
            [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        )
        shift = rng.uniform(-options.shift, options.shift, (count, 2))
        second = warped(
            pieces,
            self.crop,
            torch.from_numpy(matrix).permute(2, 0, 1).float(),
            torch.from_numpy(shift).float(),
        )
        return Pairs(F.pad(pieces, (-self.margin,) * 4), second.clamp(0, 1))


def noisy(image: Tensor, most: float, rng: np.random.Generator) -> Tensor:
    """With white noise of a standard deviation between 0 and ``most``, each image its own."""
    if not most:
        return image
    deviation = rng.uniform(0, most, (len(image), 1, 1, 1)).astype(np.float32)
    return (
        image + torch.from_numpy(deviation * rng.standard_normal(image.shape, np.float32))
    ).clamp(0, 1)


def as_tensor(pictures: list[Tensor]) -> Tensor:
    """(N, 3, H, W) in [0, 1] from uint8 (3, H, W)."""
    return torch.stack(pictures).float() / 255


def warped(image: Tensor, side: int, matrix: Tensor, shift: Tensor) -> Tensor:
    """The middle (N, 3, side, side) of images whose place p, in pixels from the centre, shows what
    was at matrix·p + shift.
    """
    places = torch.arange(side) - (side - 1) / 2
    grid = torch.stack(torch.meshgrid(places, places, indexing="xy"), -1)
    grid = torch.einsum("nij,hwj->nhwi", matrix, grid) + shift[:, None, None]
    return F.grid_sample(
        image,
        2 * grid / image.shape[-1],
        mode="bicubic",
        padding_mode="border",
        align_corners=False,
    )


def frame_pairs(frames: Frames, count: int, rng: np.random.Generator) -> Pairs:
    pairs = [frames.pair(rng) for _ in range(count)]
    return Pairs(*(as_tensor(list(side)) for side in zip(*pairs, strict=True)))
