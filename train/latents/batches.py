"""Batches of crops of cached latents, and the pixels that they are of."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from metamer.codec.errors import RecipeError
from metamer.codec.grid import STRIDE
from metamer.train.data.crops import AHEAD, Plan, ahead
from metamer.train.data.photographs import usual_workers
from metamer.train.latents.cache import Entry, entries
from metamer.train.networks.cached_latents import CachedLatents
from metamer.train.recipe.options import Recipe, Stage
from metamer.train.step.draws import draw_levels, step_seed

CachedBatch = tuple[Tensor, Tensor, CachedLatents]


class CachedBatches:
    """What a stage of a decoder alone is trained on; every crop depends on the seed and its number
    alone.

    A crop is aligned to latent positions. Its latents come with a margin of positions around it,
    whose pixels are not counted: a decoder sees beyond its crop there, as in a whole photograph.
    At a photograph's edge, where a decoder sees no further either, the margin lies on the other
    side.
    """

    def __init__(self, folder: Path, recipe: Recipe):
        assert recipe.cached_latents is not None
        self.recipe, self.options = recipe, recipe.cached_latents
        self.entries = list(entries(folder))

    def fitting(self, stage: Stage) -> dict[int, tuple[list[Entry], np.ndarray]]:
        """For the place of each quality, photographs that are large enough and their cumulated
        shares of the pixels. Raises RecipeError where a quality has none.
        """
        side = stage.crop // STRIDE + 2 * self.options.margin
        by_quality = {}
        for place in range(self.options.qualities):
            large_enough = [
                entry
                for entry in self.entries
                if min(entry.positions) >= side
                and min(entry.size) >= stage.crop
                and place in entry.qualities
            ]
            if not large_enough:
                raise RecipeError(
                    f"cached_latents: at quality {place + 1} of {self.options.qualities} there is "
                    f"no photograph of {side * STRIDE} pixels a side, which stage {stage.name} "
                    "needs"
                )
            areas = np.array([entry.size[0] * entry.size[1] for entry in large_enough], np.float64)
            by_quality[place] = large_enough, np.cumsum(areas / areas.sum())
        return by_quality

    def batches(self, stage: Stage, plan: Plan, device: torch.device) -> Iterator[CachedBatch]:
        """A process's share of the stage's batches, as `train.data.Source.batches` gives them, and
        the latents of its crops.
        """
        fitting = self.fitting(stage)
        work = (
            lambda step=step: self._batch(stage, plan, step, fitting, device) for step in plan.steps
        )
        yield from ahead(work, usual_workers(), AHEAD)

    def _batch(self, stage: Stage, plan: Plan, step: int, fitting, device: torch.device):
        generator = torch.Generator().manual_seed(step_seed(self.recipe, step))
        level = draw_levels(self.recipe, stage, generator)[plan.share]
        share = level / (self.recipe.network.levels - 1)
        places = (share * (self.options.qualities - 1)).round().int().tolist()
        samples = [
            self._sample(stage, plan.seed, number, place, fitting[place])
            for number, place in zip(plan.numbers(step), places, strict=True)
        ]
        images, affines, latents, corners, bpp = zip(*samples, strict=True)

        def there(parts) -> Tensor:
            batch = torch.stack(parts)
            batch = batch.pin_memory() if device.type == "cuda" else batch
            return batch.to(device, non_blocking=True)

        cached = CachedLatents(there(latents), there(bpp), list(corners))
        return there(images), there(affines), cached

    def _sample(self, stage: Stage, seed: int, number: int, place: int, fitting):
        """Crop, its photograph's colours, latents, where the crop lies in those, bits a pixel."""
        fit, shares = fitting
        rng = np.random.default_rng([seed, number])
        entry = fit[min(int(np.searchsorted(shares, rng.random())), len(fit) - 1)]
        crop, margin = stage.crop // STRIDE, self.options.margin
        inner, outer = [], []
        for size, positions in zip(entry.size, entry.positions, strict=True):
            first = int(rng.integers(size // STRIDE - crop + 1))
            begin = min(max(first - margin, 0), positions - crop - 2 * margin)
            inner.append(first)
            outer.append(begin)
        pixels = [slice(STRIDE * first, STRIDE * (first + crop)) for first in inner]
        window = [slice(begin, begin + crop + 2 * margin) for begin in outer]
        bpp = entry.bpp[entry.qualities.index(place)]
        return (
            entry.image(*pixels),
            entry.affine,
            entry.latents(place, *window),
            (inner[0] - outer[0], inner[1] - outer[1]),
            torch.tensor(bpp),
        )
