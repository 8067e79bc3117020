"""Values with their intervals: a row a name, or along steps."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from metamer.evaluation.plots.labels import label_ends
from metamer.evaluation.plots.style import (
    COLOURS,
    MUTED,
    new_panels,
    save_figure,
    set_logarithmic,
    set_title,
)

Interval = tuple[float, float, float]  # value, and the ends of its 95 % interval


def plot_intervals(
    columns: Mapping[str, Mapping[str, Interval]], title: str, path: Path, logarithmic: bool = False
) -> None:
    """A panel a column, a row a name, the first on top: values and their intervals; a logarithmic
    axis has a line at 1.
    """
    rows = list(next(iter(columns.values())))
    size = (2.6 + 4.6 / len(columns), 1.3 + 0.26 * len(rows))
    figure, panels = new_panels(len(columns), *size, columns=len(columns), sharey=True)
    heights = np.arange(len(rows))
    for panel, (name, column) in zip(panels, columns.items(), strict=True):
        value, low, high = np.array([column[row] for row in rows]).T
        panel.hlines(heights, low, high, color=COLOURS[1], linewidth=2)
        panel.plot(value, heights, "o", color=COLOURS[1], markersize=5)
        panel.set(title=name)
        panel.grid(axis="y", visible=False)
        panel.spines["left"].set_visible(False)
        panel.tick_params(axis="y", length=0)
        if logarithmic:
            panel.axvline(1, color=MUTED, linewidth=0.8)
            set_logarithmic(panel.xaxis)
    panels[0].set_yticks(heights, rows)
    panels[0].invert_yaxis()
    set_title(figure, title)
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
    most = max(len(step_order(curves)) for curves in panels.values())
    width = 3.6 + 0.42 * most
    figure, drawn = new_panels(len(panels), width, 4.4, columns=len(panels), sharey=True)
    ends = {}
    for panel, (kind, curves) in zip(drawn, panels.items(), strict=True):
        steps = step_order(curves)
        ends[panel] = draw_curves(panel, curves, steps)
        for name, value in (lines or {}).items():
            panel.axhline(value, color=MUTED, linestyle="--", linewidth=0.9)
            ends[panel].append((len(steps) - 1, value, name, MUTED))
        slanted = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
        panel.set_xticks(
            range(len(steps)),
            [step if isinstance(step, str) else f"{step:g}" for step in steps],
            **slanted if len(steps) > 9 else {},
        )
        panel.set(title=kind)
    drawn[0].set_ylabel("agreement and its 95 % interval")
    set_title(figure, title)
    label_ends(figure, ends)
    save_figure(figure, path)


def step_order(curves: Mapping[str, Mapping[str | float, Interval]]) -> list[str | float]:
    """The steps of all curves: names as they come, numbers by size."""
    steps = list(dict.fromkeys(step for curve in curves.values() for step in curve))
    return steps if isinstance(steps[0], str) else sorted(steps)


def draw_curves(
    panel: Axes, curves: Mapping[str, Mapping[str | float, Interval]], steps: list[str | float]
) -> list[tuple[float, float, str, str]]:
    """Curves beside each other, so that no interval hides another; returns what their ends are
    called.
    """
    ends = []
    for index, (name, curve) in enumerate(curves.items()):
        value, low, high = np.array(list(curve.values())).T
        places = np.array(list(map(steps.index, curve))) + 0.06 * (index - len(curves) / 2)
        colour = COLOURS[index % len(COLOURS)]
        panel.plot(places, value, color=colour, marker="o", markersize=4, linewidth=1.6)
        panel.vlines(places, low, high, color=colour, linewidth=0.9)
        ends.append((places[-1], value[-1], name, colour))
    return ends
