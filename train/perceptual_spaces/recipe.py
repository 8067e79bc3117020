"""Recipes of perceptual spaces: those that say ``space:``. Checked whole before anything runs."""

import importlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from metamer.codec.errors import RecipeError
from metamer.perception.registry import suggestion
from metamer.train.perceptual_spaces.task import Task
from metamer.train.recipe.fields import (
    Count,
    Decay,
    Natural,
    Positive,
    Share,
    build,
    documented,
)
from metamer.train.recipe.files import changed, read
from metamer.train.recipe.old_names import NEW_NAMES
from metamer.train.recipe.options import Precision

TASKS = {  # space → who trains it
    "perceptnet": "metamer.train.perceptual_spaces.perceptnet.task:PerceptNetTask",
    "pim": "metamer.train.perceptual_spaces.pim.task:PimTask",
    "visibility": "metamer.train.perceptual_spaces.visibility.task:VisibilityTask",
}


@documented
@dataclass
class SpaceRecipe:
    """One perceptual space's training, by Adam."""

    space: str
    """One of `TASKS`."""
    steps: Count
    """Steps of training."""
    batch: Count
    """Samples a step."""
    crop: Count
    """Side of the samples, in pixels."""
    options: Any = field(default_factory=dict)
    """What the space's own training takes, its `Task.Options`."""
    seed: Natural = 0
    """Of samples, noise and initial weights."""
    learning_rate: Positive = 1e-3
    """Adam's, at its highest."""
    warmup_steps: Natural = 100
    """Steps in which the learning rate rises to that."""
    final_learning_rate_share: Share = 0.05
    """What it falls to along a cosine, as a share of its highest."""
    gradient_clip: Positive = 1.0
    """Largest norm of the gradient; a larger one is scaled down to it."""
    weight_average_decay: Decay = 0.999
    """Decay a step of the exponential moving average of the weights, which is what ships."""
    precision: Precision = "auto"
    """`32-true` or `bf16-mixed`; `auto` is bf16 where the processor multiplies it natively."""
    save_every: Count = 500
    """Steps between checkpoints."""
    validate_every: Count = 500
    """Steps between validations."""
    log_every: Count = 20
    """Steps between rows of the log."""


def task_of(space: str) -> type[Task]:
    """The class that trains a space."""
    if space not in TASKS:
        raise RecipeError(
            f"space: {space!r} is not one of {', '.join(TASKS)}{suggestion(str(space), TASKS)}"
        )
    module, name = TASKS[space].split(":")
    return getattr(importlib.import_module(module), name)


def from_mapping(values: dict) -> SpaceRecipe:
    """A checked recipe from plain data, as YAML or a checkpoint holds it. Raises RecipeError."""
    recipe = build(SpaceRecipe, values, renamed=NEW_NAMES)
    recipe.options = build(task_of(recipe.space).Options, recipe.options, "options")
    return recipe


def load(path: Path, assignments: Iterable[str] = ()) -> SpaceRecipe:
    """Reads and checks a recipe file, with ``assignments`` (`recipe.files.changed`) put in."""
    try:
        return from_mapping(changed(read(path), assignments))
    except RecipeError as problem:
        raise RecipeError(f"{path}: {str(problem).removeprefix(f'{path}: ')}") from None
