"""What the registry says of a distance before it is built. Importing this does not import torch."""

import importlib
import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """What the registry says of a distance; ``perception.create(name)`` makes one.

    Attributes:
        name: How it is called on command lines.
        factory: "module:attribute" or a callable; called with the options, returns a
            `perception.distance.Distance`.
        title: What it is, in words.
        paper: Authors and venue.
        family: Distances of one family see alike; a judge is taken from another.
        low: Least of its values.
        high: Greatest of its values.
        best: The value of two identical images.
        higher_is_better: The direction; ``Distance.loss`` turns either kind into something to
            minimise.
        true_distance: Symmetric, and by construction best for identical images alone. Whether
            descent finds its way there is another matter, which the recovery test shows.
        min_side: Smallest height and width in pixels.
        weights: Names of pretrained weights it reads (`perception.weights`).
        package: PyPI package that must be installed.
        trainable: Differentiable in the second image, with finite gradients everywhere, d(x, x)
            included.
        no_reference: Reads the second image alone and knows nothing of the first: no distance, has
            no value of identical images, and nothing is trained on or encoded towards it.
        aliases: Other names.
    """

    name: str
    factory: str | Callable
    title: str
    paper: str
    family: str
    low: float = 0.0
    high: float = math.inf
    best: float = 0.0
    higher_is_better: bool = False
    true_distance: bool = False
    min_side: int = 1
    weights: tuple[str, ...] = ()
    package: str = ""
    trainable: bool = True
    no_reference: bool = False
    aliases: tuple[str, ...] = ()

    @property
    def direction(self) -> int:
        """1 where larger values are better, −1 where smaller ones are."""
        return 1 if self.higher_is_better else -1

    def build(self) -> Callable:
        """The factory itself, imported."""
        if callable(self.factory):
            return self.factory
        module, attribute = self.factory.split(":")
        return getattr(importlib.import_module(module), attribute)

    def options(self) -> dict[str, object]:
        """Options ``create`` takes, with their defaults."""
        parameters = inspect.signature(self.build()).parameters.items()
        return {
            key: p.default
            for key, p in parameters
            if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
        }
