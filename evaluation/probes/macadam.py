"""CIELAB's worked example: MacAdam's ellipses of colours just told apart, in chromaticity and in
CIELAB.

A colour space in which distances mean what people see would turn every ellipse into a circle, all
of one size.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from metamer.evaluation.plots.style import COLOURS, new_panels, save_figure, set_title
from metamer.perception.distances.cielab import lab

# MacAdam, "Visual sensitivities to color differences in daylight", JOSA 32(5), 1942, observer PGN,
# as tabulated by Wyszecki & Stiles, Color Science, table 2(5.4.1): x, y, semi-axes times 1000
# (standard deviations of matches), angle of the longer in degrees
ELLIPSES = np.array(
    [
        (0.160, 0.057, 0.85, 0.35, 62.5),
        (0.187, 0.118, 2.20, 0.55, 77.0),
        (0.253, 0.125, 2.50, 0.50, 55.5),
        (0.150, 0.680, 9.60, 2.30, 105.0),
        (0.131, 0.521, 4.70, 2.00, 112.5),
        (0.212, 0.550, 5.80, 2.30, 100.0),
        (0.258, 0.450, 5.00, 2.00, 92.0),
        (0.152, 0.365, 3.80, 1.90, 110.0),
        (0.280, 0.385, 4.00, 1.50, 75.5),
        (0.380, 0.498, 4.40, 1.20, 70.0),
        (0.160, 0.200, 2.10, 0.95, 104.0),
        (0.228, 0.250, 3.10, 0.90, 72.0),
        (0.305, 0.323, 2.30, 0.90, 58.0),
        (0.385, 0.393, 3.80, 1.60, 65.5),
        (0.472, 0.399, 3.20, 1.40, 51.0),
        (0.527, 0.350, 2.60, 1.30, 20.0),
        (0.475, 0.300, 2.90, 1.10, 28.5),
        (0.510, 0.236, 2.40, 1.20, 29.5),
        (0.596, 0.283, 2.60, 1.30, 13.0),
        (0.344, 0.284, 2.30, 0.90, 60.0),
        (0.390, 0.237, 2.50, 1.00, 47.0),
        (0.441, 0.198, 2.80, 0.95, 34.5),
        (0.278, 0.223, 2.40, 0.55, 57.5),
        (0.300, 0.163, 2.90, 0.60, 54.0),
        (0.365, 0.153, 3.60, 0.95, 40.0),
    ]
)
LUMINANCE = 0.184  # of white, L* = 50; the ellipses were measured at one luminance
WHITE = (0.3127, 0.3290)  # D65


@dataclass(frozen=True)
class Roundness:
    """elongation: median ratio of the axes, 1 for circles. spread: largest over smallest ellipse,
    by geometric mean radius.
    """

    elongation: float
    spread: float


def ellipse_outlines(points: int = 72, scale: float = 1.0) -> np.ndarray:
    """(25, points, 2) chromaticities x, y along the ellipses, enlarged ``scale`` times."""
    x, y, major, minor, angle = ELLIPSES.T[..., None]
    turn, t = np.deg2rad(angle), np.linspace(0, 2 * np.pi, points, endpoint=False)
    along, across = scale * major / 1000 * np.cos(t), scale * minor / 1000 * np.sin(t)
    return np.stack(
        (
            x + along * np.cos(turn) - across * np.sin(turn),
            y + along * np.sin(turn) + across * np.cos(turn),
        ),
        -1,
    )


def chromaticity_to_lab(chromaticity: np.ndarray) -> np.ndarray:
    """(…, 2) chromaticities x, y at the example's luminance → (…, 2) a*, b* under D65."""
    x, y = chromaticity[..., 0], chromaticity[..., 1]
    xyz = np.stack((x / y, np.ones_like(x), (1 - x - y) / y)) * LUMINANCE
    white = np.array([WHITE[0] / WHITE[1], 1, (1 - sum(WHITE)) / WHITE[1]]).reshape(
        3, *[1] * x.ndim
    )
    opponents = lab(torch.from_numpy(xyz / white).reshape(3, 1, -1))[1:]
    return np.moveaxis(opponents.reshape(2, *x.shape).numpy(), 0, -1)


def roundness(outline: np.ndarray) -> Roundness:
    """Of (25, points, 2) small outlines in any space: principal axes of each one's points."""
    axes = np.stack([np.linalg.svd(ring - ring.mean(0), compute_uv=False) for ring in outline])
    size = np.sqrt(axes.prod(1))
    return Roundness(float(np.median(axes[:, 0] / axes[:, 1])), float(size.max() / size.min()))


def plot_macadam(path: Path, enlarged: float = 10) -> None:
    """MacAdam's ellipses, enlarged, in chromaticity and in CIELAB's a*, b*."""
    figure, panels = new_panels(2, 5.6, 5.2)
    for panel, place, names in (
        (panels[0], lambda ring: ring, "xy"),
        (panels[1], chromaticity_to_lab, ("a*", "b*")),
    ):
        measured = roundness(place(ellipse_outlines()))
        for ring in place(ellipse_outlines(scale=enlarged)):
            panel.fill(*ring.T, facecolor=COLOURS[1] + "33", edgecolor=COLOURS[1], linewidth=1)
        panel.set(
            xlabel=names[0],
            ylabel=names[1],
            aspect="equal",
            title=f"axes {measured.elongation:.2f} : 1 (median), largest {measured.spread:.1f} × "
            "the smallest",
        )
    set_title(figure, f"MacAdam's ellipses, {enlarged:g} times enlarged: chromaticity and CIELAB")
    save_figure(figure, path)
