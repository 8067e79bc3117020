"""Distances that a command line asks for."""

import math
from collections.abc import Collection, Iterable

import click

from metamer.perception.errors import PerceptionError
from metamer.perception.registry import from_spec
from metamer.perception.registry import metrics as registered

DEFAULT_METRICS = ("psnr", "cielab", "ms-ssim", "haarpsi", "lpips-squeeze")


def usable_distances(names: Iterable[str], side: float) -> Iterable:
    """The distances of these names whose weights and packages are here and that take images of
    ``side`` pixels; the others are named on stderr.
    """
    for name in names:
        try:
            distance = from_spec(name)
            if distance.min_side <= side:
                yield distance
            else:
                click.echo(f"left out {name}: it needs {distance.min_side} pixels a side", err=True)
        except PerceptionError as problem:
            click.echo(f"left out {name}: {problem}", err=True)


def chosen_distances(
    specs: Collection[str], default: Iterable[str], side: float = math.inf
) -> list:
    """The distances asked for, once each; `all` and defaults mean those that are usable."""
    if not specs and "all" not in default:
        return list(usable_distances(default, side))
    distances = [
        d
        for spec in specs or default
        for d in (usable_distances(registered(), side) if spec == "all" else [from_spec(spec)])
    ]
    return list({distance.label: distance for distance in distances}.values())


def number_text(number: float) -> str:
    """A number to four significant digits, in few characters."""
    return "∞" if number == math.inf else "−∞" if number == -math.inf else f"{number:.4g}"
