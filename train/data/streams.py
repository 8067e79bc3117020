"""Photographs that come one after the other, from shards: too many to have any of at any time.

An epoch takes every shard once, in an order drawn from (seed, epoch). What is read is shuffled
within chunks of `CHUNK` bytes, so that samples depend on nothing but the seed and the shards. A
sample's number finds its chunk by a *mark*, which checkpoints keep: a resumed run goes on with the
same sample and reads nothing of the shards before.
"""

import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from metamer.codec.errors import ImageError, RecipeError
from metamer.train.data.crops import AHEAD, DRAWS, Plan, ahead, random_piece, stacked
from metamer.train.data.photographs import Packed, affine_of, decoded, skip, usual_workers

CHUNK = 64 << 20  # bytes of picture files that are shuffled at a time; two chunks are in memory
MARKS = 64  # kept: of the chunks that samples under way come from, with a wide margin


class Shards(Protocol):
    """Encoded pictures in parts, each with an order of its own."""

    names: Sequence[str]

    def pictures(self, shard: int) -> Iterator[Packed]:
        """What shard number ``shard`` holds. Raises RecipeError where it cannot be read."""
        ...


@dataclass(frozen=True)
class Place:
    """Where a chunk begins: at the picture ``skip`` of the ``shard``-th shard of an epoch."""

    epoch: int = 0
    shard: int = 0
    skip: int = 0


@dataclass(frozen=True)
class Sample:
    """A sample's number, and the pictures that it is cut from: the first that decodes."""

    number: int
    candidates: Callable[[], Iterator[Packed]] = field(compare=False)


class Stream:
    """The photographs of shards, each once an epoch, in crops of their own.

    held_out: how many of the first shard's first pictures are kept out of training.
    """

    def __init__(
        self,
        shards: Shards,
        held_out: int = 0,
        device: torch.device | str = "cpu",
        workers: int | None = None,
        chunk: int = CHUNK,
    ):
        self.shards, self.held_out, self.device = shards, held_out, torch.device(device)
        self.workers, self.chunk = workers or usual_workers(), chunk
        # sample number of a chunk's first, and where that chunk begins
        self._marks: deque[tuple[int, Place]] = deque(maxlen=MARKS)
        self._named: set[str] = set()
        self._lock = threading.Lock()

    def state(self, number: int) -> dict[str, int]:
        """From where sample ``number`` is found without reading all before it."""
        first, place = self._mark(number)
        return {"first": first, "epoch": place.epoch, "shard": place.shard, "skip": place.skip}

    def _mark(self, number: int) -> tuple[int, Place]:
        """The last chunk that begins at sample ``number`` or before, as far as is known."""
        marks = (mark for mark in self._marks if mark[0] <= number)
        return max(marks, key=lambda mark: mark[0], default=(0, Place()))

    def restore(self, state: dict[str, int]) -> None:
        """Goes on from `state`."""
        place = Place(state["epoch"], state["shard"], state["skip"])
        self._marks.append((state["first"], place))

    def _chunks(self, start: Place, seed: int) -> Iterator[tuple[Place, list[Packed]]]:
        """From a place on, for ever. Raises RecipeError for shards without pictures."""
        for epoch in itertools.count(start.epoch):
            order = np.random.default_rng([seed, epoch]).permutation(len(self.shards.names))
            at, chunk, size, any_picture = Place(epoch), [], 0, False
            for turn in range(start.shard if epoch == start.epoch else 0, len(order)):
                passed = start.skip if (epoch, turn) == (start.epoch, start.shard) else 0
                kept_out = self.held_out if order[turn] == 0 else 0
                for number, picture in enumerate(self.shards.pictures(int(order[turn]))):
                    if number < max(passed, kept_out):
                        continue
                    if not chunk:
                        at = Place(epoch, turn, number)
                    chunk.append(picture)
                    size, any_picture = size + len(picture.data), True
                    if size >= self.chunk:
                        yield at, chunk
                        chunk, size = [], 0
            if chunk:
                yield at, chunk
            if not any_picture and start in (Place(epoch), Place()):
                raise RecipeError(f"{self.shards.names[0]} …: no pictures to train on")

    def _read_ahead(self, start: Place, seed: int) -> Iterator[tuple[Place, list[Packed]]]:
        """The same, each chunk read while the one before is used."""
        chunks = self._chunks(start, seed)
        with ThreadPoolExecutor(1, thread_name_prefix="read") as reader:
            coming = reader.submit(next, chunks)
            while True:
                chunk = coming.result()
                coming = reader.submit(next, chunks)
                yield chunk

    def _samples(self, first: int, seed: int) -> Iterator[Sample]:
        """From sample number ``first`` on, for ever."""
        number, start = self._mark(first)
        for place, chunk in self._read_ahead(start, seed):
            self._marks.append((number, place))
            rng = np.random.default_rng([seed, place.epoch, place.shard, place.skip])
            order = rng.permutation(len(chunk))
            for index in range(len(chunk)):
                if number >= first:

                    def candidates(chunk=chunk, order=order, index=index) -> Iterator[Packed]:
                        rest = itertools.islice(itertools.cycle(order), index, None)
                        return (chunk[one] for one in itertools.islice(rest, DRAWS))

                    yield Sample(number, candidates)
                number += 1

    def _sample(self, sample: Sample, crop: int, seed: int) -> tuple[Tensor, Tensor]:
        """A crop (3, S, S) and the affine map (3, 4) of its whole picture."""
        for picture in sample.candidates():
            try:
                whole = decoded(picture)
            except ImageError as problem:
                with self._lock:
                    if picture.name not in self._named:
                        self._named.add(picture.name)
                        skip(picture, problem)
                continue
            rng = np.random.default_rng([seed, sample.number])
            return random_piece(whole, crop, rng), affine_of(whole)
        raise RecipeError(f"of {DRAWS} pictures in a row of the shards none can be decoded")

    def crops(self, crop: int, seed: int, count: int) -> Iterator[Tensor]:
        """The first ``count``, (3, S, S) uint8 each."""
        for sample in itertools.islice(self._samples(0, seed), count):
            yield self._sample(sample, crop, seed)[0]

    def batches(self, plan: Plan) -> Iterator[tuple[Tensor, Tensor]]:
        """A process's share of a stage's batches, as `Batches` has them. Each process reads every
        shard, and decodes its own samples alone.
        """
        share = range(plan.share.start, plan.share.stop)
        chosen = (
            sample
            for sample in itertools.islice(
                self._samples(plan.taken, plan.seed), len(plan.steps) * plan.batch
            )
            if (sample.number - plan.taken) % plan.batch in share
        )
        work = (lambda one=one: self._sample(one, plan.crop, plan.seed) for one in chosen)
        yield from stacked(ahead(work, self.workers, AHEAD * len(share)), len(share), self.device)
