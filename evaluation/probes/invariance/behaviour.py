"""How distances behave where no human rating is needed to say what is right: figures with their
intervals, written and drawn.

Bhardwaj et al., NeurIPS 2020: neighbouring frames look alike, and nobody minds a shift by a pixel.
"""

import json
from collections.abc import Callable, Iterable, Sequence
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
    plot_behaviours(rows, title, path.with_suffix(".png"), logarithmic)
    respects = list(dict.fromkeys(row.what for row in rows))
    cells: dict[str, list[str]] = {}
    for row in rows:
        cells.setdefault(row.distance, []).append(
            f"{row.value:.3f} [{row.low:.3f}, {row.high:.3f}]"
        )
    width = max(map(len, cells))
    lines = [f"{title}; {rows[0].groups} pictures or clips, 95 % bootstrap intervals over them", ""]
    lines.append(f"{'distance':<{width}}" + "".join(f"  {name:>33}" for name in respects))
    lines += [
        f"{label:<{width}}" + "".join(f"  {cell:>33}" for cell in row_cells)
        for label, row_cells in cells.items()
    ]
    return "\n".join(lines)


def plot_behaviours(
    rows: Iterable[Behaviour], title: str, path: Path, logarithmic: bool = False
) -> None:
    """A panel a respect, a row a distance."""
    columns: dict[str, dict[str, tuple[float, float, float]]] = {}
    for row in rows:
        columns.setdefault(row.what, {})[row.distance] = (row.value, row.low, row.high)
    plots.plot_intervals(columns, title, path, logarithmic)
