"""What figures share: colours and marks of codecs, axes, labels that keep clear of each other, files."""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import matplotlib
import numpy as np
from scipy.optimize import isotonic_regression

from codec import files

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Okabe & Ito's palette (jfly.uni-koeln.de/color, 2008), told apart with any colour vision; grey in place of its yellow, too
# light for lines on white
COLOURS = ["#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999"]
USUAL = {"perceptual": 0, "base": 1, "avif": 2, "jxl": 3, "webp": 4, "jpeg2000": 5, "jpeg": 6, "avif-444": 7}
MARKERS = "osD^vP"
FORMATS = ("png", "svg", "pdf")
TITLES = {"psnr": "PSNR (dB)", "cielab": "ΔE*ab", "haarpsi": "HaarPSI", "lpips-alex": "LPIPS (AlexNet)",
          "lpips-vgg": "LPIPS (VGG16)", "lpips-squeeze": "LPIPS (SqueezeNet)", "perceptnet": "PerceptNet",
          "visibility": "visibility", "features": "features", "wasserstein": "Wasserstein distortion",
          "ssimulacra2": "SSIMULACRA 2", "cvvdp": "ColorVideoVDP (JOD)"}
INK, MUTED, RULE = "#1f2328", "#59636e", "#d8dee4"
LINE = 1.35  # height of a line of text, in sizes of its font
TICKS = [[digit * 10.0**power for power in range(-3, 7) for digit in digits]
         for digits in ((1, 10), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7), (1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 4, 5, 6, 7, 8, 9))]

plt.rcParams.update({
    "font.size": 9, "axes.titlesize": 10, "axes.titleweight": "bold", "axes.titlelocation": "left", "axes.labelsize": 9,
    "axes.edgecolor": MUTED, "axes.labelcolor": MUTED, "axes.linewidth": 0.7, "text.color": INK,
    "xtick.color": MUTED, "ytick.color": MUTED, "xtick.labelsize": 8.5, "ytick.labelsize": 8.5,
    "axes.spines.top": False, "axes.spines.right": False, "grid.color": RULE, "grid.linewidth": 0.6, "axes.axisbelow": True,
    "figure.titlesize": 11, "figure.titleweight": "bold", "legend.frameon": False,
    "svg.fonttype": "none", "pdf.fonttype": 42, "svg.hashsalt": "metamer",  # text stays text; the same figure, the same bytes
})


@dataclass(frozen=True)
class Look:
    """How a codec is drawn."""

    colour: str
    marker: str


def title(label: str) -> str:
    """A distance as figures call it, with its options.

    >>> title("ms-ssim"), title("ms-ssim:luma=true")
    ('MS-SSIM', 'MS-SSIM, luma=true')
    """
    name, _, options = label.partition(":")
    return TITLES.get(name, name.upper()) + (f", {options}" if options else "")


def family(codec: str) -> str:
    """The codec without how realistic its decoder was asked to be: points of one slider look alike."""
    return codec.partition("@")[0]


def looks(codecs: Iterable[str]) -> dict[str, Look]:
    """codec → its look. The usual ones always have the same; others take in turn what is left, by their names.

    >>> looks(["mine", "base"])["base"] == looks(["base", "avif"])["base"]
    True
    """
    codecs = list(codecs)
    families = {family(codec) for codec in codecs}
    every = range(len(COLOURS))
    slots = [(colour, MARKERS[0]) for colour in every if colour not in {USUAL.get(name) for name in families}]
    slots += [(colour, marker) for marker in MARKERS[1:] for colour in every]
    places = {name: (colour, MARKERS[0]) for name, colour in USUAL.items()}
    places |= zip(sorted(families - set(USUAL)), cycle(slots), strict=False)
    return {codec: Look(COLOURS[places[family(codec)][0]], places[family(codec)][1]) for codec in codecs}


def panels(count: int, width: float = 5.6, height: float = 4.2, columns: int = 3) -> tuple[Figure, Sequence[Axes]]:
    """A figure with ``count`` panels of that size in inches, in rows of ``columns`` at most."""
    columns = min(columns, count)
    rows = -(-count // columns)
    figure, drawn = plt.subplots(rows, columns, figsize=(width * columns, height * rows), squeeze=False, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.12)
    for panel in drawn.flat[count:]:
        panel.axis("off")
    for panel in drawn.flat[:count]:
        panel.grid()
    return figure, drawn.flat[:count]


def logarithmic(axis: matplotlib.axis.Axis) -> None:
    """A logarithmic axis with four ticks or more at round numbers, written plainly; to be called when all is drawn."""
    panel, name = axis.axes, axis.axis_name
    getattr(panel, f"set_{name}scale")("log")
    low, high = getattr(panel, f"get_{name}lim")()
    within = [[tick for tick in ticks if low <= tick <= high] for ticks in TICKS]
    ticks = next((ticks for ticks in within if len(ticks) >= 4), within[-1])
    axis.set_ticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.set_ticks([], minor=True)


def spread(places: np.ndarray, gap: float, low: float, high: float) -> np.ndarray:
    """(N,) places moved as little as can be (least squares) so that they are ``gap`` apart and between ``low`` and ``high``.

    Where there is no room for all, they share it evenly.

    >>> spread(np.array([0.5, 0.5, 0.1]), 0.2, 0, 1).round(3).tolist()
    [0.4, 0.6, 0.1]
    """
    gap = min(gap, (high - low) / max(1, len(places) - 1))
    order, steps = np.argsort(places, kind="stable"), gap * np.arange(len(places))
    fitted = isotonic_regression(places[order] - steps).x if len(places) else places
    moved = np.empty(len(places))
    moved[order] = np.clip(fitted, low, high - gap * (len(places) - 1)) + steps
    return moved


def label_ends(figure: Figure, ends: dict[Axes, list[tuple[float, float, str, str]]], size: float = 8.5) -> None:
    """Writes beside each panel what its curves are: (x, y, text, colour) of their ends, none over another. Fixes the layout."""
    notes = {}
    for panel, labels in ends.items():
        notes[panel] = [
            panel.annotate(text, (x, y), (1.035, 0.5), textcoords="axes fraction", color=colour, fontsize=size, va="center",
                           arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.6, "alpha": 0.55, "relpos": (0, 0.5),
                                       "shrinkA": 2, "shrinkB": 2})
            for x, y, text, colour in labels]
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for panel, labels in ends.items():
        heights = panel.transAxes.inverted().transform(panel.transData.transform([label[:2] for label in labels]))[:, 1]
        gap = LINE * size / 72 * figure.dpi / panel.bbox.height
        for note, height in zip(notes[panel], spread(heights, gap, 0, 1), strict=True):
            note.xyann = (1.035, height)


def better(panel: Axes, x: str) -> None:
    """Says on both axes, and by an arrow in the corner, which way is better: right and up."""
    panel.set(xlabel=f"{x}   less distortion →", ylabel="more realism →")
    panel.annotate("better", (1, 1.07), (0.93, 1.03), xycoords="axes fraction", textcoords="axes fraction", fontsize=8.5,
                   color=MUTED, ha="right", va="center", annotation_clip=False,
                   arrowprops={"arrowstyle": "-|>", "color": MUTED, "linewidth": 1.2, "shrinkA": 3, "shrinkB": 0})


def save(figure: Figure, path: Path, dpi: int = 130) -> None:
    """Writes the figure in the format its name tells, whole or not at all."""
    buffer = io.BytesIO()
    stamp = {"png": "Creation Time", "svg": "Date", "pdf": "CreationDate"}.get(path.suffix[1:])
    figure.savefig(buffer, dpi=dpi, format=path.suffix[1:], metadata={stamp: None} if stamp else None)
    plt.close(figure)
    files.write(str(path), buffer.getvalue())
