"""Which quality levels a step trains."""

import torch
from torch import Tensor

from metamer.codec.options import QUALITIES
from metamer.train.recipe.options import Recipe, Stage


def step_seed(recipe: Recipe, step: int) -> int:
    """What everything that ``step`` of the run draws is drawn from."""
    return recipe.seed + 1_000_003 * step


def spread_levels(
    batch: int, levels: int, generator: torch.Generator, power: float = 1.0
) -> Tensor:
    """(N,) quality levels (K − 1)·u^power, one u from each of N equal slices of [0, 1],
    shuffled.
    """
    places = (torch.arange(batch) + torch.rand(batch, generator=generator)) / batch
    return places[torch.randperm(batch, generator=generator)] ** power * (levels - 1)


def draw_levels(recipe: Recipe, stage: Stage, generator: torch.Generator) -> Tensor:
    """(N,) levels of a step's batch; with cached latents the nearest ones that are cached.

    generator: freshly seeded by `step_seed`.
    """
    levels = recipe.network.levels
    level = spread_levels(stage.batch, levels, generator, stage.level_exponent)
    if recipe.cached_latents is None:
        return level
    place = (level / (levels - 1) * (recipe.cached_latents.qualities - 1)).round().long()
    indices = torch.tensor(quality_indices(recipe.cached_latents.qualities))
    return indices[place].float() * (levels - 1) / (QUALITIES - 1)


def quality_indices(count: int) -> list[int]:
    """So many of the 256 qualities, from the lowest to the highest.

    >>> quality_indices(3)
    [0, 128, 255]
    """
    return [round(place * (QUALITIES - 1) / (count - 1)) for place in range(count)]
