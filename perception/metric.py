"""What the registry says of a distance before it is built. Importing this does not import torch."""

import importlib
import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """What the registry knows of a distance. ``create(name)`` makes one.

    factory: "module:attribute" or a callable; called with the options, returns a `perception.distance.Distance`.
    low, high: the range of its values. best: the value of two identical images.
    higher_is_better: the direction; ``Distance.loss`` turns either kind into something to minimise.
    true_distance: symmetric, and by construction best for identical images alone. Whether descent finds its way there is
    another matter, which the recovery test shows.
    min_side: smallest height and width in pixels.
    weights: names of pretrained weights it reads (`perception.weights`). package: PyPI package that must be installed.
    trainable: differentiable in the second image, with finite gradients everywhere, d(x, x) included.
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
    aliases: tuple[str, ...] = ()

    def build(self) -> Callable:
        """The factory itself, imported."""
        if callable(self.factory):
            return self.factory
        module, attribute = self.factory.split(":")
        return getattr(importlib.import_module(module), attribute)

    def options(self) -> dict[str, object]:
        """Options ``create`` takes, with their defaults."""
        parameters = inspect.signature(self.build()).parameters.items()
        return {key: p.default for key, p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}
