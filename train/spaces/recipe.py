"""Recipes of perceptual spaces: those that say ``space:``. Checked whole before anything runs."""

import importlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from metamer.codec.errors import RecipeError
from metamer.perception.registry import suggestion
from metamer.train.recipe import PRECISIONS, at_least, build, changed, read
from metamer.train.spaces.task import Task

TASKS = {  # space → who trains it
    "perceptnet": "metamer.train.spaces.perceptnet:PerceptNetTask",
    "pim": "metamer.train.spaces.pim:PimTask",
    "visibility": "metamer.train.spaces.visibility:VisibilityTask",
}


@dataclass
class SpaceRecipe:
    """One perceptual space's training: Adam at ``learning_rate``, warmed up, then along a cosine to
    ``final_learning_rate_share`` times that.

    space: one of `TASKS`; options: what its `Task.Options` takes. batch, crop: samples a step,
    their side in pixels. weight_average_decay: decay of the weights' moving average, which is what
    ships. precision: `32-true`, `bf16-mixed`, or `auto`, which is bf16 where the processor
    multiplies it natively.
    """

    space: str
    steps: int
    batch: int
    crop: int
    options: Any = field(default_factory=dict)
    seed: int = 0
    learning_rate: float = 1e-3
    warmup_steps: int = 100
    final_learning_rate_share: float = 0.05
    gradient_clip: float = 1.0
    weight_average_decay: float = 0.999
    precision: str = "auto"
    save_every: int = 500
    validate_every: int = 500
    log_every: int = 20


def task_of(space: str) -> type[Task]:
    """The class that trains a space."""
    if space not in TASKS:
        raise RecipeError(
            f"space: {space!r} is not one of {', '.join(TASKS)}{suggestion(str(space), TASKS)}"
        )
    module, name = TASKS[space].split(":")
    return getattr(importlib.import_module(module), name)


def from_mapping(values: dict) -> SpaceRecipe:
    """A checked recipe from plain data, as YAML or a checkpoint holds it."""
    recipe = build(SpaceRecipe, values, "recipe")
    recipe.options = build(task_of(recipe.space).Options, recipe.options, "options")
    at_least(1, recipe, "", "steps", "batch", "crop", "save_every", "validate_every", "log_every")
    if (
        recipe.learning_rate <= 0
        or recipe.warmup_steps < 0
        or not 0 <= recipe.final_learning_rate_share <= 1
    ):
        raise RecipeError(
            "learning_rate > 0, warmup_steps >= 0 and 0 <= final_learning_rate_share <= 1 are "
            "needed"
        )
    if not 0 <= recipe.weight_average_decay < 1 or recipe.gradient_clip <= 0:
        raise RecipeError("0 <= weight_average_decay < 1 and gradient_clip > 0 are needed")
    if recipe.precision not in PRECISIONS:
        raise RecipeError(f"precision is one of {', '.join(PRECISIONS)}")
    return recipe


def load(path: Path, assignments: Iterable[str] = ()) -> SpaceRecipe:
    """Reads and checks a recipe file, with ``assignments`` (`train.recipe.changed`) put in."""
    try:
        return from_mapping(changed(read(path), assignments))
    except RecipeError as problem:
        raise RecipeError(f"{path}: {str(problem).removeprefix(f'{path}: ')}") from None
