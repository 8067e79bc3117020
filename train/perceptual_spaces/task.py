"""What a perceptual space brings to its training; `train.perceptual_spaces.loop` does the rest."""

from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor, nn


class Task:
    """One space in training. Subclasses are named in `train.perceptual_spaces.recipe.TASKS`.

    Options: dataclass of what the recipe's ``options`` may set; its ``__post_init__`` raises
    `RecipeError` for values that cannot work. model: everything that is trained. Its attribute
    ``space`` is what ships; the rest (decoders, heads) is for training alone. Modules of it that
    have a method ``project()`` get it called after every step, to return to where their weights may
    lie.
    """

    Options: ClassVar[type]
    model: nn.Module

    def __init__(
        self, options: Any, folders: list[Path], out: Path, batch: int, crop: int, seed: int
    ):
        """Reads the data. folders: what ``--data`` named; out: the run's folder, for what is worth
        keeping between runs.
        """
        raise NotImplementedError

    def draw(self, step: int) -> Any:
        """The step's training data, tensors in any nesting, which depends on the seed and the step
        alone.
        """
        raise NotImplementedError

    def losses(self, model: nn.Module, data: Any) -> dict[str, Tensor]:
        """Scalars: ``loss`` is minimised, the others are logged. Random numbers: torch's own, which
        the loop has seeded.
        """
        raise NotImplementedError

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Figures on held-out data, for the log. Called with the averaged weights, without
        gradients.
        """
        raise NotImplementedError
