"""Networks by name: Metamer's own, CompressAI's, and those of installed packages."""

import importlib
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from metamer.codec.errors import RecipeError
from metamer.perception.registry import suggestion
from metamer.train.networks.interface import Network
from metamer.train.recipe.fields import build

ENTRY_POINTS = "metamer.networks"  # group in which packages offer a `Network` of their own
DEFAULT = "metamer"
BUILT_IN = {
    DEFAULT: "metamer.train.networks.codec:Codec",
    "compressai": "metamer.train.networks.compressai:CompressAINetwork",
}


def offered() -> dict[str, EntryPoint]:
    """The networks of installed packages, by name."""
    return {point.name: point for point in entry_points(group=ENTRY_POINTS)}


@cache
def network_class(architecture: str) -> type[Network]:
    """The class of networks that are called ``architecture``, or FAMILY:MEMBER of a family.

    Raises:
        RecipeError: There is none, or the package that offers it does not load.
    """
    family = architecture.partition(":")[0]
    if family in BUILT_IN:
        module, name = BUILT_IN[family].split(":")
        return getattr(importlib.import_module(module), name)
    points = offered()
    if family not in points:
        architectures = [*BUILT_IN, *points]
        raise RecipeError(
            f"network.architecture: one of {', '.join(architectures)}, not '{architecture}'"
            + suggestion(family, architectures)
        )
    try:
        kind = points[family].load()
    except Exception as problem:  # another package's fault, which its user must be told
        raise RecipeError(
            f"the network {family!r} of {points[family].value} does not load: {problem}"
        ) from problem
    if not (isinstance(kind, type) and issubclass(kind, Network)):
        raise RecipeError(f"entry point {family!r} is no train.networks.interface.Network")
    return kind


def checked_options(values: Any) -> Any:
    """A recipe's `network` as the options of the architecture that it names. Raises RecipeError."""
    if not isinstance(values, dict):
        raise RecipeError(f"network: must be a mapping, not {values!r}")
    architecture = values.get("architecture", DEFAULT)
    if not isinstance(architecture, str):
        raise RecipeError(f"network.architecture: must be a valid string, not {architecture!r}")
    return build(network_class(architecture).Options, values, "network")


def create(options: Any) -> Network:
    """An untrained network. options: what `checked_options` gives."""
    return network_class(options.architecture)(options)


def load(source: str, options: Any) -> Network:
    """The network to begin from, as `Network.from_source` finds it."""
    return network_class(options.architecture).from_source(options, source)
