"""Distances by name: Metamer's own and those of installed packages. Importing this does not import
torch.
"""

import difflib
from functools import cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from metamer.perception.catalogue import CATALOGUE
from metamer.perception.errors import MetricError
from metamer.perception.install_hints import advice
from metamer.perception.metric import Metric

if TYPE_CHECKING:
    from metamer.perception.distance import Distance

ENTRY_POINTS = "metamer.distances"  # group in which other packages offer a `Metric` of their own


@cache
def metrics() -> dict[str, Metric]:
    """Every distance by name: Metamer's own in the order of its catalogue, then those of installed
    packages.

    Returns:
        Name → `Metric`. Packages offer theirs under the entry-point group `metamer.distances`.

    Raises:
        MetricError: An installed package's entry does not load, is no `Metric`, or takes a name
            that is in use.
    """
    table = {metric.name: metric for metric in CATALOGUE}
    for point in entry_points(group=ENTRY_POINTS):
        try:
            metric = point.load()
        except Exception as problem:  # another package's fault must not take ours down silently
            raise MetricError(
                f"the distance {point.name!r} of {point.value} does not load: {problem}"
            ) from problem
        if not isinstance(metric, Metric):
            raise MetricError(f"entry point {point.name!r} is no perception.Metric")
        taken = {alias for other in table.values() for alias in (other.name, *other.aliases)}
        if clash := taken & {metric.name, *metric.aliases}:
            raise MetricError(
                f"entry point {point.name!r} takes a name that is in use: "
                f"{', '.join(sorted(clash))}"
            )
        table[metric.name] = metric
    return table


def suggestion(word: str, words) -> str:
    """' (did you mean …?)' or nothing."""
    close = difflib.get_close_matches(word.lower(), list(words), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def find(name: str) -> Metric:
    """What the registry says of a distance.

    Args:
        name: Its name or an alias, in any case, with _ for -.

    Raises:
        MetricError: There is no such distance; the message suggests one.
    """
    by_alias = {
        alias: metric for metric in metrics().values() for alias in (metric.name, *metric.aliases)
    }
    key = name.lower().replace("_", "-")
    if key not in by_alias:
        raise MetricError(
            f"no distance is called {name!r}{suggestion(key, by_alias)}; `metamer metrics list` "
            "names them all"
        )
    return by_alias[key]


def metric_of(spec: str) -> Metric:
    """What the registry says of a distance, by its spec or its label; raises as `find`."""
    return find(spec.partition(":")[0])


def create(name: str, **options: object) -> "Distance":
    """A distance by name, with its weights loaded.

    Args:
        name: Its name or an alias; `metrics` has all.
        **options: Of the distance itself, such as ``weights`` or ``layer``; `Metric.options` lists
            them.

    Returns:
        A `perception.distance.Distance`: call it with two (N, 3, H, W) images in [0, 1].

    Raises:
        MetricError: An unknown name or option, or a package that is missing.
        WeightsError: Pretrained weights are not here, or damaged.

    Examples:
        >>> create("mse")
        Distance(mse)
    """
    metric = find(name)
    try:
        build = metric.build()
        defaults = metric.options()
    except ImportError as problem:
        missing = problem.name or metric.package
        raise MetricError(
            f"{metric.name} needs the package {missing}: {advice(missing, metric.package)}"
        ) from problem
    for key, value in options.items():
        if key not in defaults:
            takes = ", ".join(defaults) or "none"
            raise MetricError(
                f"{metric.name} has no option {key!r}{suggestion(key, defaults)}; it takes: {takes}"
            )
        options[key] = checked_option(metric.name, key, value, defaults[key])
    distance = build(**options)
    distance.metric = metric
    settings = ",".join(f"{key}={value}" for key, value in options.items())
    distance.label = f"{metric.name}:{settings}" if settings else metric.name
    return distance


def checked_option(name: str, key: str, value: object, default: object) -> object:
    """The value, if it is of its default's kind, and as text where that is text; otherwise
    `MetricError`.
    """
    if isinstance(default, str):
        return str(value)
    if isinstance(default, bool) != isinstance(value, bool) or isinstance(value, str):
        raise MetricError(
            f"{name}: {key}={value} is not "
            f"{'true or false' if isinstance(default, bool) else 'a number'}"
        )
    return value


def from_spec(spec: str) -> "Distance":
    """A distance from what one writes on a command line.

    Args:
        spec: ``name`` or ``name:option=value,option=value``.

    Raises:
        MetricError: As for `create`, and for options that cannot be read.
        WeightsError: As for `create`.

    Examples:
        >>> from_spec("mse")
        Distance(mse)
    """
    name, _, rest = spec.partition(":")
    options = {}
    for part in filter(None, rest.split(",")):
        key, equals, value = part.partition("=")
        if not equals:
            raise MetricError(f"{spec!r}: write options as name:option=value,option=value")
        if key.strip() in options:
            raise MetricError(f"{spec!r}: {key.strip()} is given twice")
        options[key.strip()] = parse_value(value.strip())
    return create(name.strip(), **options)


def parse_value(text: str) -> int | float | bool | str:
    """What a value written as text stands for."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text
