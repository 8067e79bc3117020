"""Training logs: every quantity over steps, and the rate-distortion curves of validation."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from scipy.ndimage import gaussian_filter1d

from metamer.evaluation.plots.labels import label_ends
from metamer.evaluation.plots.style import (
    COLOURS,
    MUTED,
    footnote,
    new_panels,
    save_figure,
    set_logarithmic,
    set_title,
)

Log = Sequence[Mapping]  # what train.run.log writes into log.jsonl
UNPLOTTED = (
    "step",
    "seconds",
    "processor_seconds",
    "images_per_second",
)  # numbers of a row that are no panel
FIRST = ("loss", "bpp", "psnr", "realism", "critic")
EXACT = ("learning_rate",)  # nothing to smooth
SMOOTH = 60  # smoothed by a Gaussian whose standard deviation is a sixtieth of the curve
# quantiles of what was logged that a panel shows: a wild step of a start does not set its scale
WITHIN = (0.005, 0.995)


def training_series(log: Log) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Name → (steps, values), of training as far as it goes, those of each distance and of each
    band of quality among them.
    """
    series = defaultdict(list)
    for row in log:
        if "validation" not in row:
            distances = row.get("distances") or row.get("each", {})  # as logs of before call it
            for name, value in {**row, **distances, **by_band(row)}.items():
                if isinstance(value, int | float) and name not in UNPLOTTED and np.isfinite(value):
                    series[name].append((row["step"], value))
    order = [
        *(name for name in FIRST if name in series),
        *(name for name in series if name not in FIRST),
    ]
    return {name: tuple(np.array(series[name], float).T) for name in order}


def by_band(row: Mapping) -> dict[str, float]:
    """What a row says of bands of quality, by the titles of panels: `psnr at low qualities`."""
    return {
        f"{name} at {band} qualities": value
        for band, values in row.get("bands", {}).items()
        for name, value in values.items()
    }


def validation_series(log: Log) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Name → (steps, values) of validation, where it is one number each."""
    series = defaultdict(list)
    for row in log:
        if isinstance(row.get("validation"), dict):
            for name, value in row["validation"].items():
                series[name].append((row["step"], value))
    return {name: tuple(np.array(pairs, float).T) for name, pairs in series.items()}


def validation_curves(log: Log) -> dict[int, np.ndarray]:
    """Step → (levels, 2) bpp and PSNR of validation, where a codec was trained."""
    return {
        row["step"]: np.array(sorted((level["bpp"], level["psnr"]) for level in row["validation"]))
        for row in log
        if isinstance(row.get("validation"), list)
    }


def stage_starts(log: Log) -> list[tuple[int, str]]:
    """First step and name of every stage."""
    starts = {}
    for row in log:
        if "stage" in row:
            starts.setdefault(row["stage"], row["step"])
    return [(step, name) for name, step in starts.items()]


def plot_training(logs: Mapping[str, Log], path: Path) -> None:
    """Logs by name: a panel a quantity, smoothed over what was logged (faint), validation with
    dots; and for codecs rate-distortion curves, of one log those of every validation, the later the
    darker, of several the last.

    Dotted lines mark where a stage begins, with a note below, if there is only one log.
    """
    colours = {name: COLOURS[index % len(COLOURS)] for index, name in enumerate(logs)}
    trained, validated = (
        {name: of(log) for name, log in logs.items()} for of in (training_series, validation_series)
    )
    by_step = {name: curves for name, log in logs.items() if (curves := validation_curves(log))}
    titles = list(
        dict.fromkeys(
            title for series in (*trained.values(), *validated.values()) for title in series
        )
    )
    figure, drawn = new_panels(len(titles) + bool(by_step), 4.4, 3.1, columns=4)
    ends = {}
    if by_step:
        ends[drawn[0]] = _rate_distortion(drawn[0], by_step, colours)
    for panel, title in zip(drawn[bool(by_step) :], titles, strict=True):
        ends[panel] = _over_steps(panel, title, trained, validated, colours)
    if len(logs) == 1:
        begun = stage_starts(next(iter(logs.values())))
        for panel in drawn[bool(by_step) :]:
            ends.pop(panel)
            for step, _ in begun[1:]:
                panel.axvline(step, color=MUTED, linewidth=0.8, linestyle=":")
        set_title(figure, next(iter(logs)))
        if len(begun) > 1:
            text = "; ".join(f"{name} from step {step}" for step, name in begun)
            footnote(figure, f"stages: {text}")
    label_ends(figure, ends, size=8)
    save_figure(figure, path)


def _rate_distortion(
    panel: Axes, by_step: Mapping[str, Mapping[int, np.ndarray]], colours: Mapping[str, str]
) -> list:
    """The validation's curves; returns what their ends are called."""
    ends = []
    if len(by_step) == 1:
        curves = next(iter(by_step.values()))
        shades = matplotlib.colormaps["Blues"](np.linspace(0.45, 1, len(curves)))
        for shade, (step, curve) in zip(shades, curves.items(), strict=True):
            panel.plot(*curve.T, color=shade, linewidth=1.2)
            if step in (min(curves), max(curves)):
                ends.append((*curve[-1], f"step {step}", matplotlib.colors.to_hex(shade)))
    else:
        for name, curves in by_step.items():
            curve = curves[max(curves)]
            panel.plot(*curve.T, color=colours[name], marker="o", markersize=3, linewidth=1.5)
            ends.append((*curve[-1], name, colours[name]))
    set_logarithmic(panel.xaxis)
    panel.set(title="validation", xlabel="bits per pixel", ylabel="PSNR (dB)")
    return ends


def _over_steps(
    panel: Axes, title: str, trained: Mapping, validated: Mapping, colours: Mapping[str, str]
) -> list:
    """A quantity of all logs over steps; returns what the ends of its curves are called."""
    ends, visible = [], []
    for name, colour in colours.items():
        last = None
        if title in trained[name]:
            steps, values = trained[name][title]
            smooth = (
                values
                if title in EXACT
                else gaussian_filter1d(values, len(values) / SMOOTH, mode="nearest")
            )
            panel.plot(steps, values, color=colour, linewidth=0.6, alpha=0.22)
            panel.plot(steps, smooth, color=colour, linewidth=1.7)
            last, visible = (steps[-1], smooth[-1]), [*visible, *np.quantile(values, WITHIN)]
        if title in validated[name]:
            steps, values = validated[name][title]
            panel.plot(steps, values, color=colour, marker="o", markersize=3, linewidth=1.2)
            last, visible = (steps[-1], values[-1]), [*visible, *values]
        if last:
            ends.append((*last, name, colour))
    panel.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    margin = 0.06 * (max(visible) - min(visible)) or 1.0
    panel.set(title=title, xlabel="steps", ylim=(min(visible) - margin, max(visible) + margin))
    return ends
