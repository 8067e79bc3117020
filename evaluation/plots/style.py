"""What figures share: colours and marks of codecs, panels, axes, titles, files."""

import io
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import matplotlib

from metamer.codec.system import files

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Okabe & Ito's palette (jfly.uni-koeln.de/color, 2008), told apart with any colour vision; grey in
# place of its yellow, too light for lines on white
COLOURS = ["#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999"]
MARKERS = "osD^vP"
USUAL = {
    name: (colour, MARKERS[0])
    for colour, name in enumerate(
        ("perceptual", "base", "avif", "jxl", "webp", "base+realism", "jpeg", "jpeg2000")
    )
} | {"avif-444": (2, MARKERS[1])}
FORMATS = ("png", "svg", "pdf")
TITLES = {
    "psnr": "PSNR (dB)",
    "cielab": "ΔE*ab",
    "haarpsi": "HaarPSI",
    "lpips-alex": "LPIPS (AlexNet)",
    "lpips-vgg": "LPIPS (VGG16)",
    "lpips-squeeze": "LPIPS (SqueezeNet)",
    "perceptnet": "PerceptNet",
    "visibility": "visibility",
    "visibility-jnd": "visibility (JND)",
    "features": "features",
    "wasserstein": "Wasserstein distortion",
    "ssimulacra2": "SSIMULACRA 2",
    "cvvdp": "ColorVideoVDP (JOD)",
}
INK, MUTED, RULE = "#1f2328", "#59636e", "#d8dee4"
TICKS = [
    [digit * 10.0**power for power in range(-3, 7) for digit in digits]
    for digits in (
        (1,),
        (1, 3),
        (1, 2, 5),
        (1, 1.5, 2, 3, 5, 7),
        (1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 4, 5, 6, 7, 8, 9),
    )
]

plt.rcParams.update(
    {
        "font.size": 9,
        "axes.titlesize": 10,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.labelsize": 9,
        "axes.edgecolor": MUTED,
        "axes.labelcolor": MUTED,
        "axes.linewidth": 0.7,
        "text.color": INK,
        "xtick.color": MUTED,
        "ytick.color": MUTED,
        "xtick.labelsize": 8.5,
        "ytick.labelsize": 8.5,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "grid.color": RULE,
        "grid.linewidth": 0.6,
        "axes.axisbelow": True,
        "figure.titlesize": 11,
        "figure.titleweight": "bold",
        "legend.frameon": False,
        # text stays text; the same figure, the same bytes
        "svg.fonttype": "none",
        "pdf.fonttype": 42,
        "svg.hashsalt": "metamer",
    }
)


@dataclass(frozen=True)
class Style:
    """How a codec is drawn."""

    colour: str
    marker: str


def metric_title(label: str) -> str:
    """A distance as figures call it, with its options.

    >>> metric_title("ms-ssim"), metric_title("ms-ssim:luma=true")
    ('MS-SSIM', 'MS-SSIM, luma=true')
    """
    name, _, options = label.partition(":")
    return TITLES.get(name, name.upper()) + (f", {options}" if options else "")


def codec_family(codec: str) -> str:
    """The codec without how realistic its decoder was asked to be: steps of one slider share a
    colour.
    """
    return codec.partition("@")[0]


def codec_styles(codecs: Iterable[str]) -> dict[str, Style]:
    """codec → its look, no two alike as long as there are 48 or fewer.

    The usual ones always have the same; others take in turn what is left, by their names. Steps of
    one slider have the colour of their decoder and markers of their own, by rising realism.

    >>> codec_styles(["mine", "base"])["base"] == codec_styles(["base", "avif"])["base"]
    True
    """
    codecs = list(dict.fromkeys(codecs))
    families = {codec_family(codec) for codec in codecs}
    every = [(colour, marker) for marker in MARKERS for colour in range(len(COLOURS))]
    taken = {USUAL[name] for name in families & set(USUAL)}
    free = [slot for slot in every if slot not in taken]
    places = USUAL | dict(zip(sorted(families - set(USUAL)), cycle(free), strict=False))
    taken = {places[name] for name in families}
    looks: dict[str, tuple[int, str]] = {}
    for codec in sorted(codecs, key=slider_order):
        look = places[codec_family(codec)]
        if look in looks.values():  # a further step of a slider
            steps = [(look[0], marker) for marker in MARKERS]
            look = next((slot for slot in [*steps, *free] if slot not in taken), look)
            taken.add(look)
        looks[codec] = look
    return {codec: Style(COLOURS[looks[codec][0]], looks[codec][1]) for codec in codecs}


def slider_order(codec: str) -> tuple[str, float]:
    """Sorts steps of one slider by the realism that was asked for."""
    family, _, number = codec.partition("@")
    return family, float(number) if number else -1.0


def new_panels(
    count: int, width: float = 5.6, height: float = 4.2, columns: int = 3, sharey: bool = False
) -> tuple[Figure, Sequence[Axes]]:
    """A figure with ``count`` panels of that size in inches, in rows of ``columns`` at most.

    sharey: whether all have one vertical axis.
    """
    columns = min(columns, count)
    rows = -(-count // columns)
    figure, drawn = plt.subplots(
        rows,
        columns,
        figsize=(width * columns, height * rows),
        squeeze=False,
        sharey=sharey,
        layout="constrained",
    )
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.12)
    for panel in drawn.flat[count:]:
        panel.axis("off")
    for panel in drawn.flat[:count]:
        panel.grid()
    return figure, drawn.flat[:count]


def set_title(figure: Figure, text: str) -> None:
    """The title over all panels, where those of panels begin."""
    figure.suptitle(text, x=0.01, ha="left")


def round_ticks(low: float, high: float) -> list[float]:
    """Four or more round numbers of a logarithmic axis from ``low`` to ``high``, or as many as
    there are.
    """
    within = [[tick for tick in candidates if low <= tick <= high] for candidates in TICKS]
    return next((ticks for ticks in within if len(ticks) >= 4), within[-1])


def set_logarithmic(axis: matplotlib.axis.Axis) -> None:
    """A logarithmic axis with `round_ticks`, written plainly; to be called when all is drawn."""
    panel, name = axis.axes, axis.axis_name
    getattr(panel, f"set_{name}scale")("log")
    low, high = getattr(panel, f"get_{name}lim")()
    chosen = round_ticks(low, high)
    axis.set_ticks(chosen, [f"{tick:g}" for tick in chosen])
    axis.set_ticks([], minor=True)


def mark_better(panel: Axes, x: str) -> None:
    """Says on both axes, and by an arrow in the corner, which way is better: right and up."""
    panel.set(xlabel=f"{x}   less distortion →", ylabel="more realism →")
    panel.annotate(
        "better",
        (1, 1.085),
        (0.945, 1.03),
        xycoords="axes fraction",
        textcoords="axes fraction",
        fontsize=8.5,
        color=MUTED,
        ha="right",
        va="center",
        annotation_clip=False,
        arrowprops={
            "arrowstyle": "-|>",
            "color": MUTED,
            "linewidth": 1.2,
            "shrinkA": 3,
            "shrinkB": 0,
        },
    )


def save_figure(figure: Figure, path: Path, dpi: int = 130) -> None:
    """Writes the figure in the format its name tells, whole or not at all."""
    buffer = io.BytesIO()
    stamp = {"png": "Creation Time", "svg": "Date", "pdf": "CreationDate"}.get(path.suffix[1:])
    figure.savefig(
        buffer, dpi=dpi, format=path.suffix[1:], metadata={stamp: None} if stamp else None
    )
    plt.close(figure)
    files.write_file(str(path), buffer.getvalue())


def footnote(figure: Figure, text: str) -> None:
    """Small print under a figure, in as many lines as its width asks for."""
    figure.supxlabel(
        textwrap.fill(text, round(16 * figure.get_figwidth())), fontsize=8, x=0.01, ha="left"
    )
