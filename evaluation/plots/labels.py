"""Labels next to what they name, none over another.

adjustText was tried for those among points: where points crowd, it left labels over each other and
far from their points.
"""

from collections.abc import Iterable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text
from scipy.optimize import isotonic_regression

from metamer.evaluation.plots.style import MUTED

LINE = 1.35  # height of a line of text, in sizes of its font
LABEL_X = 1.035  # where labels of ends stand, in widths of a panel
NEAR, FAR = 5.0, 90.0  # from a point to its label, in points
# at each distance, the best first
ANGLES = np.deg2rad([20, -20, 160, -160, 60, -60, 120, -120, 90, -90, 0, 180])
MARK = 2.5  # half of a marker, in points
COVERED = 6.0  # points of distance that weigh as much as one covered spot of a line


def spread_apart(places: np.ndarray, gap: float, low: float, high: float) -> np.ndarray:
    """(N,) places moved as little as can be (least squares) so that they are ``gap`` apart and
    between ``low`` and ``high``.

    Where there is no room for all, they share it evenly.

    >>> spread_apart(np.array([0.5, 0.5, 0.1]), 0.2, 0, 1).round(3).tolist()
    [0.4, 0.6, 0.1]
    """
    if not len(places):
        return places
    gap = min(gap, (high - low) / max(1, len(places) - 1))
    order, steps = np.argsort(places, kind="stable"), gap * np.arange(len(places))
    moved = np.empty(len(places))
    moved[order] = (
        np.clip(isotonic_regression(places[order] - steps).x, low, high - steps[-1]) + steps
    )
    return moved


def label_ends(
    figure: Figure, ends: dict[Axes, list[tuple[float, float, str, str]]], size: float = 8.5
) -> None:
    """Writes next to each panel what its curves are: (x, y, text, colour) of their ends. Fixes the
    layout.
    """
    notes = {
        panel: [annotate(panel, *label, size, coords="axes fraction") for label in labels]
        for panel, labels in ends.items()
    }
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for panel, labels in ends.items():
        if labels:
            heights = panel.transAxes.inverted().transform(
                panel.transData.transform([label[:2] for label in labels])
            )[:, 1]
            gap = LINE * size / 72 * figure.dpi / panel.bbox.height
            for text, height in zip(notes[panel], spread_apart(heights, gap, 0, 1), strict=True):
                text.xyann = (LABEL_X, height)


def annotate(
    panel: Axes, x: float, y: float, text: str, colour: str, size: float, coords: str
) -> Annotation:
    """A label with a thin line to what it names."""
    line = {
        "arrowstyle": "-",
        "color": colour if coords == "axes fraction" else MUTED,
        "linewidth": 0.6,
        "alpha": 0.55,
        "relpos": (0, 0.5) if coords == "axes fraction" else (0.5, 0.5),
        "shrinkA": 2,
        "shrinkB": 2,
    }
    if coords == "axes fraction":  # it begins at the label's edge: to clip it there takes time
        line["patchA"] = None
    return panel.annotate(
        text,
        (x, y),
        (LABEL_X, 0.5) if coords == "axes fraction" else (0, 0),
        textcoords=coords,
        color=colour,
        fontsize=size,
        va="center",
        ha="left" if coords == "axes fraction" else "center",
        arrowprops=line,
    )


def label_points(
    figure: Figure, points: dict[Axes, list[tuple[float, float, str, str]]], size: float = 8.5
) -> None:
    """Writes (x, y, text, colour) near points of each panel, within it and off its lines where
    there is room. Fixes the layout.

    One label after the other takes the nearest place that covers no label before it and least of
    the lines.
    """
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    scale = figure.dpi / 72
    for panel, labels in points.items():
        lines = panel.transData.transform(
            np.concatenate([sample_line(line.get_xydata()) for line in panel.lines])
        )
        marked = [line.get_xydata() for line in panel.lines if line.get_marker() != "None"]
        points_at = panel.transData.transform(np.concatenate([np.empty((0, 2)), *marked]))
        frame, taken = np.array(panel.bbox.extents), np.empty((0, 4))
        for label in labels:
            text = annotate(panel, *label, size, coords="offset points")
            extent = Text.get_window_extent(text)  # without its line
            half = np.array([extent.width, extent.height]) / 2 + 1.5 * scale
            centre = panel.transData.transform(label[:2])
            best = min(
                candidate_offsets(half, scale),
                key=lambda at: placement_cost(
                    at, centre, half, frame, taken, lines, points_at, scale
                ),
            )
            taken = np.vstack([taken, [*(centre + best - half), *(centre + best + half)]])
            text.xyann = tuple(best / scale)
            if np.maximum(np.abs(best) - half, 0).max() < 2 * NEAR * scale:
                text.arrow_patch.set_visible(False)  # it is plain what it names


def candidate_offsets(half: np.ndarray, scale: float) -> Iterable[np.ndarray]:
    """(2,) places in pixels of a label's middle, its half size being ``half``, about its point."""
    for distance in np.arange(NEAR, FAR, 6.0) * scale:
        for angle in ANGLES:
            way = np.array([np.cos(angle), np.sin(angle)])
            yield way * (distance + half * np.minimum(1, np.abs(way) * 1.5))


def placement_cost(
    at: np.ndarray,
    centre: np.ndarray,
    half: np.ndarray,
    frame: np.ndarray,
    taken: np.ndarray,
    lines: np.ndarray,
    points: np.ndarray,
    scale: float,
) -> float:
    """Of a place, in pixels: its distance, what it covers of lines, and more than all that where it
    covers a point, leaves the panel, or covers a label.
    """
    low, high = centre + at - half, centre + at + half
    over = ((low < taken[:, 2:]) & (high > taken[:, :2])).all(1).sum()
    outside = (low < frame[:2]).any() or (high > frame[2:]).any()
    margin = MARK * scale
    hidden = ((points > low - margin) & (points < high + margin)).all(1).sum()
    covered = ((lines > low) & (lines < high)).all(1).sum()
    return (
        1e6 * over
        + 1e4 * outside
        + 1e3 * hidden
        + COVERED * scale * covered
        + np.linalg.norm(np.maximum(np.abs(at) - half, 0))
    )


def sample_line(line: np.ndarray, steps: int = 12) -> np.ndarray:
    """(N, 2) points of a line and (steps) between each and the next."""
    at = np.linspace(0, len(line) - 1, steps * (len(line) - 1) + 1)
    return np.stack([np.interp(at, np.arange(len(line)), column) for column in line.T], 1)
