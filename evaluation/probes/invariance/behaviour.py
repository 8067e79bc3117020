"""How distances behave where no human rating is needed to say what is right: figures with their
intervals, written and drawn.

Bhardwaj et al., NeurIPS 2020: neighbouring frames look alike, and nobody minds a shift by a pixel.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from metamer.codec.system import files
from metamer.evaluation import plots
from metamer.evaluation.intervals import bootstrap_interval
from metamer.perception.distance import Distance

DEFAULT_DISTANCES = ("mse", "ms-ssim", "lpips-alex", "lpips-squeeze", "pim-1", "pim")


@dataclass(frozen=True)
class Behaviour:
    """A distance in one respect: a figure and its 95 % bootstrap interval over ``groups``
    photographs or clips.
    """

    distance: str
    what: str
    value: float
    low: float
    high: float
    groups: int


def mean_behaviour(
    distance: Distance, what: str, values: Sequence[float], groups: Sequence[int]
) -> Behaviour:
    """The mean of the values, each of which belongs to a group."""
    array, clusters = np.array(values), np.array(groups)
    low, high = bootstrap_interval(np.mean, [array], clusters)
    return Behaviour(distance.label, what, float(array.mean()), low, high, len(set(groups)))


def distance_from(distance: Distance, reference: Tensor) -> Callable[[Tensor], float]:
    """How far images are from one reference, whose place is found once."""
    place = distance.space(distance.prepared(reference))
    return lambda image: distance.shortfall(place, distance.space(distance.prepared(image))).item()


def write_behaviours(
    rows: list[Behaviour], title: str, path: Path, logarithmic: bool = False
) -> str:
    """Writes the records (.json) and a figure (.png) and returns a table, a distance a line."""
    files.write_file(
        f"{path}.json", (json.dumps([asdict(row) for row in rows], indent=1) + "\n").encode()
    )
    names, labels = (
        list(dict.fromkeys(column))
        for column in zip(*((row.what, row.distance) for row in rows), strict=True)
    )
    behaviours = {(row.distance, row.what): row for row in rows}
    drawn = {
        name: {
            label: (
                behaviours[label, name].value,
                behaviours[label, name].low,
                behaviours[label, name].high,
            )
            for label in labels
        }
        for name in names
    }
    plots.plot_intervals(drawn, title, path.with_suffix(".png"), logarithmic)
    width = max(map(len, labels))
    lines = [f"{title}; {rows[0].groups} pictures or clips, 95 % bootstrap intervals over them", ""]
    lines.append(f"{'distance':<{width}}" + "".join(f"  {name:>33}" for name in names))
    for label in labels:
        cells = (
            "{0.value:.3f} [{0.low:.3f}, {0.high:.3f}]".format(behaviours[label, name])
            for name in names
        )
        lines.append(f"{label:<{width}}" + "".join(f"  {cell:>33}" for cell in cells))
    return "\n".join(lines)
