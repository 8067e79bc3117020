"""Values with their intervals: a row a name, or along steps."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from metamer.evaluation.plots.style import COLOURS, plt, save_figure

Interval = tuple[float, float, float]  # value, and the ends of its 95 % interval


def plot_intervals(
    columns: Mapping[str, Mapping[str, Interval]], title: str, path: Path, logarithmic: bool = False
) -> None:
    """A panel a column, a row a name, the first on top: values and their intervals; a logarithmic
    axis has a line at 1.
    """
    rows = list(next(iter(columns.values())))
    size = (3 + 2.6 * max(len(columns), 2), 1.3 + 0.3 * len(rows))
    figure, panels = plt.subplots(
        1, len(columns), figsize=size, squeeze=False, sharey=True, layout="constrained"
    )
    heights = np.arange(len(rows))
    for panel, (name, column) in zip(panels[0], columns.items(), strict=True):
        value, low, high = np.array([column[row] for row in rows]).T
        panel.hlines(heights, low, high, color=COLOURS[1], linewidth=2)
        panel.plot(value, heights, "o", color=COLOURS[1], markersize=6)
        panel.set(xlabel=name)
        panel.grid(axis="x")
        panel.spines["left"].set_visible(False)
        if logarithmic:
            panel.set_xscale("log")
            panel.axvline(1, color=COLOURS[7], linewidth=1, linestyle="--")
    panels[0][0].set_yticks(heights, rows)
    panels[0][0].invert_yaxis()
    figure.suptitle(title)
    save_figure(figure, path)


def plot_steps(
    panels: Mapping[str, Mapping[str, Mapping[str | float, Interval]]],
    title: str,
    path: Path,
    lines: Mapping[str, float] | None = None,
) -> None:
    """A panel a kind of step (layers, values of a parameter): curve → step → agreement and its
    interval.

    Steps stand at equal distances, numbers in their order. lines: others, for reference.
    """
    most = max(
        len({step for curve in curves.values() for step in curve}) for curves in panels.values()
    )
    size = (max(5.2, 0.5 * most) * len(panels) + 3.8 * (len(panels) == 1), 4.8)
    figure, drawn = plt.subplots(
        1, len(panels), figsize=size, squeeze=False, sharey=True, layout="constrained"
    )
    for panel, (kind, curves) in zip(drawn[0], panels.items(), strict=True):
        names = list(dict.fromkeys(step for curve in curves.values() for step in curve))
        names = names if isinstance(names[0], str) else sorted(names)
        for index, (curve, agreements) in enumerate(curves.items()):
            value, low, high = np.array(list(agreements.values())).T
            places = np.array(list(map(names.index, agreements))) + 0.06 * (index - len(curves) / 2)
            colour = COLOURS[index % len(COLOURS)]
            panel.plot(
                places, value, color=colour, marker="o", markersize=4, linewidth=1.6, label=curve
            )
            panel.vlines(places, low, high, color=colour, linewidth=0.9)
        for index, (name, value) in enumerate((lines or {}).items()):
            panel.axhline(
                value,
                color=COLOURS[7],
                linestyle=("--", ":", "-.")[index % 3],
                linewidth=1.2,
                label=name,
            )
        slanted = (
            {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if len(names) > 9 else {}
        )
        panel.set_xticks(
            range(len(names)),
            [name if isinstance(name, str) else f"{name:g}" for name in names],
            **slanted,
        )
        panel.set(xlabel=kind)
        panel.grid()
    drawn[0][0].set_ylabel("agreement and its 95 % interval")
    drawn[0][-1].legend(ncols=3 if len(panels) == 1 else 1)
    figure.suptitle(title)
    save_figure(figure, path)
