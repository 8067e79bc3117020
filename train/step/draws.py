"""What a training step draws: quality levels, noise, weights of samples."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from metamer.train.networks.levels import level_weights
from metamer.train.networks.interface import Network
from metamer.train.recipe.options import Recipe, Stage
from metamer.train.step.levels import draw_levels, step_seed
import torch
from torch import Tensor
from metamer.codec.options import QUALITIES
from metamer.train.recipe.options import Recipe, Stage
from metamer.train.networks.levels import quality_indices


@dataclass
class Chance:
    """What a step draws, from the seed and the step alone: the same for any number of processes.

    Of this process's share of the batch: level (n,), noise, which cached latents do without,
    balance (n,), the weights of samples, weight (n, K), their quality weights. every_weight:
    (batch, K) those of the whole batch.
    """

    level: Tensor
    noise: Sequence[Tensor] | None
    balance: Tensor
    weight: Tensor
    every_weight: Tensor

    def part(self, which: slice) -> "Chance":
        """That of some of the samples."""
        noise = None if self.noise is None else tuple(one[which] for one in self.noise)
        own = (one[which] for one in (self.balance, self.weight))
        return Chance(self.level[which], noise, *own, self.every_weight)

    @classmethod
    def draw(
        cls,
        recipe: Recipe,
        stage: Stage,
        network: Network,
        step: int,
        own: slice,
        device: torch.device,
    ) -> "Chance":
        seed = step_seed(recipe, step)
        generator = torch.Generator().manual_seed(seed)
        level, noise = draw_levels(recipe, stage, generator), None
        if recipe.cached_latents is None:
            dither = (
                generator if device.type == "cpu" else torch.Generator(device).manual_seed(seed)
            )
            noise = tuple(part[own] for part in network.noise(stage.batch, stage.crop, dither))
        balance = network.lagrangian(level).pow(-recipe.level_balance_exponent)
        weights = level_weights(level, recipe.network.levels)
        level, balance, weights = (
            value.to(device, non_blocking=True)
            for value in (level[own], (balance / balance.mean())[own], weights)
        )
        return cls(level, noise, balance, weights[own], weights)


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
