"""What a training step draws: quality levels, noise, weights of samples."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from metamer.codec.options import QUALITIES
from metamer.train.networks.interface import Network
from metamer.train.networks.levels import level_weights, quality_indices
from metamer.train.recipe.options import Recipe, Stage


@dataclass
class StepDraws:
    """What a step draws, from the seed and the step alone: the same for any number of processes.

    Attributes:
        level: (n,) quality levels of this process's share of the batch.
        noise: For its latents; None where they are cached, and need none.
        sample_weights: (n,) what its samples count for in the loss.
        level_weights: (n, K) as `level_weights` gives them for its levels.
        batch_level_weights: (batch, K) those of the whole batch.
    """

    level: Tensor
    noise: Sequence[Tensor] | None
    sample_weights: Tensor
    level_weights: Tensor
    batch_level_weights: Tensor

    def part(self, samples: slice) -> "StepDraws":
        """Those for some of the samples."""
        return StepDraws(
            self.level[samples],
            None if self.noise is None else tuple(noise[samples] for noise in self.noise),
            self.sample_weights[samples],
            self.level_weights[samples],
            self.batch_level_weights,
        )

    @classmethod
    def draw(
        cls,
        recipe: Recipe,
        stage: Stage,
        network: Network,
        step: int,
        share: slice,
        device: torch.device,
    ) -> "StepDraws":
        """Draws for samples ``share`` of the batch of a step of the run."""
        seed = step_seed(recipe, step)
        generator = torch.Generator().manual_seed(seed)
        level, noise = draw_levels(recipe, stage, generator), None
        if recipe.cached_latents is None:
            dither = (
                generator if device.type == "cpu" else torch.Generator(device).manual_seed(seed)
            )
            noise = tuple(part[share] for part in network.noise(stage.batch, stage.crop, dither))
        sample_weights = network.lagrangian(level).pow(-recipe.level_balance_exponent)
        sample_weights /= sample_weights.mean()
        weights = level_weights(level, recipe.network.levels).to(device, non_blocking=True)
        return cls(
            level[share].to(device, non_blocking=True),
            noise,
            sample_weights[share].to(device, non_blocking=True),
            weights[share],
            weights,
        )


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
