"""Random crops of photographs that depend on nothing but (seed, index), alone and in batches."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from metamer.codec.errors import RecipeError
from metamer.train.data.photographs import Photographs, usual_workers

DRAWS = 100  # pictures that are tried for a crop, should some not decode
AHEAD = 4  # batches that are under way, besides the one that is trained on

Result = TypeVar("Result")


@dataclass(frozen=True)
class Plan:
    """Which samples a stage takes.

    Attributes:
        crop: side in pixels, a multiple of 16.
        seed: of the run.
        batch: samples a step, over all processes together.
        steps: steps of the run.
        share: this process's share of each batch.
        taken: samples that the run took before the first of ``steps``.
    """

    crop: int
    seed: int
    batch: int
    steps: range
    share: slice
    taken: int = 0

    def numbers(self, step: int) -> range:
        """This process's share of the numbers step·batch … (step + 1)·batch − 1."""
        return range(step * self.batch + self.share.start, step * self.batch + self.share.stop)


def random_piece(picture: Tensor, side: int, rng: np.random.Generator) -> Tensor:
    """(3, S, S) of a picture (3, H, W) uint8, flipped at random; smaller ones are enlarged first
    (Lanczos), so that every folder can be used.
    """
    if min(picture.shape[1:]) < side:
        picture = enlarged(picture, side)
    height, width = picture.shape[1:]
    top, left = rng.integers(height - side + 1), rng.integers(width - side + 1)
    piece = picture[:, top : top + side, left : left + side]
    mirrored = [axis for axis in (1, 2) if rng.random() < 0.5]
    if picture.device.type != "cpu":
        return piece.flip(mirrored) if mirrored else piece
    # by NumPy, which starts no threads beside those that decode
    return torch.from_numpy(np.ascontiguousarray(np.flip(piece.numpy(), mirrored)))


def enlarged(picture: Tensor, side: int) -> Tensor:
    """(3, H, W) uint8, the shorter side at least ``side``."""
    height, width = picture.shape[1:]
    factor = side / min(height, width)
    size = (max(side, round(width * factor)), max(side, round(height * factor)))
    pixels = np.ascontiguousarray(picture.permute(1, 2, 0).cpu().numpy())
    resized = Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS)
    return torch.from_numpy(np.array(resized)).permute(2, 0, 1).to(picture.device)


class Crops:
    """Item i is a random crop (3, S, S) uint8, chosen by (seed, i) alone, where the photographs
    are. Large photographs are taken more often, in proportion to their pixels.
    """

    def __init__(self, photographs: Photographs, crop: int, seed: int):
        if not len(photographs):
            raise RecipeError("no readable photographs to train on")
        self.photographs, self.crop, self.seed = photographs, crop, seed
        areas = np.array([height * width for height, width in photographs.sizes], dtype=np.float64)
        self._odds = np.cumsum(areas / areas.sum())

    def _choose(self, index: int) -> tuple[int, Tensor, np.random.Generator]:
        """Number of item ``index``'s picture, the picture, and what its crop is drawn from."""
        rng = np.random.default_rng([self.seed, index])
        for _ in range(DRAWS):
            number = min(int(np.searchsorted(self._odds, rng.random())), len(self._odds) - 1)
            picture = self.photographs.try_get(number)
            if picture is not None:
                return number, picture, rng
        raise RecipeError(f"of {DRAWS} photographs drawn at random none can be decoded")

    def affine(self, index: int) -> Tensor:
        """`Photographs.affine` of the picture that item ``index`` is cut from."""
        return self.photographs.affine(self._choose(index)[0])

    def __getitem__(self, index: int) -> Tensor:
        _, picture, rng = self._choose(index)
        return random_piece(picture, self.crop, rng)

    def sample(self, index: int) -> tuple[Tensor, Tensor]:
        """Item ``index`` and its `affine`, of a picture that is decoded once."""
        number, picture, rng = self._choose(index)
        return random_piece(picture, self.crop, rng), self.photographs.affine(number)


def ahead(work: Iterable[Callable[[], Result]], workers: int, depth: int) -> Iterator[Result]:
    """What each piece of work returns, in order; up to ``depth`` are under way in so many threads
    before they are asked for. What one raises is raised in its place.
    """
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="decode") as pool:
        try:
            for piece in work:
                waiting.append(pool.submit(piece))
                if len(waiting) > depth:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def stacked(samples: Iterator[tuple[Tensor, Tensor]], size: int, device: torch.device):
    """Yields crops (n, 3, S, S) and affines (n, 3, 4) of every ``size`` samples, on the device."""
    for first in samples:
        crops, affines = zip(first, *(next(samples) for _ in range(size - 1)), strict=True)
        batch = torch.stack(crops), torch.stack(affines)
        if batch[0].device != device and device.type == "cuda":
            batch = tuple(part.pin_memory() for part in batch)
        yield tuple(part.to(device, non_blocking=True) for part in batch)


class Batches:
    """A process's share of a stage's batches: crops (n, 3, S, S) uint8 on the device and what
    their whole pictures' colours are turned by, (n, 3, 4).

    Crops of photographs that are all in memory are cut when they are asked for; others by
    ``workers`` threads, `AHEAD` batches before.
    """

    def __init__(self, photographs: Photographs, plan: Plan, workers: int | None = None):
        self.crops, self.plan = Crops(photographs, plan.crop, plan.seed), plan
        self.workers = workers or usual_workers()

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        plan, photographs = self.plan, self.crops.photographs
        numbers = (number for step in plan.steps for number in plan.numbers(step))
        size = plan.share.stop - plan.share.start
        if photographs.resident:
            samples = map(self.crops.sample, numbers)
        else:
            work = (lambda number=number: self.crops.sample(number) for number in numbers)
            samples = ahead(work, self.workers, AHEAD * size)
        yield from stacked(samples, size, photographs.device)


def centre_crops(photographs: Photographs, crop: int, limit: int) -> Tensor:
    """(N, 3, S, S) uint8: the middle of up to ``limit`` evenly chosen pictures that are large
    enough.
    """
    fitting = [i for i, size in enumerate(photographs.sizes) if min(size) >= crop]
    pieces = []
    for place in np.linspace(0, len(fitting) - 1, min(limit, len(fitting))).astype(int):
        picture = photographs.try_get(fitting[place])
        if picture is not None:
            top, left = (picture.shape[1] - crop) // 2, (picture.shape[2] - crop) // 2
            pieces.append(picture[:, top : top + crop, left : left + crop])
    return torch.stack(pieces) if pieces else torch.empty(0, 3, crop, crop, dtype=torch.uint8)
