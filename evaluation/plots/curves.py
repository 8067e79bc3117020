"""Rate-distortion curves."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from metamer.evaluation.plots.labels import label_ends
from metamer.evaluation.plots.style import (
    MUTED,
    Style,
    codec_styles,
    footnote,
    new_panels,
    save_figure,
    set_logarithmic,
)

Curves = Mapping[str, np.ndarray]  # codec → (points, 2) bpp and metric, by rising rate


def plot_rate_distortion(
    metrics: Mapping[str, Curves],
    path: Path,
    bands: Mapping[str, Curves] | None = None,
    published: Mapping[str, Curves] | None = None,
    originals: Mapping[str, float] | None = None,
    styles: Mapping[str, Style] | None = None,
    note: str = "",
) -> None:
    """One panel a metric, by its title, with the mean curve of each codec.

    bands: by title and codec (points, 3) bpp and the ends of an interval. published: by title and
    codec curves that others measured, drawn dashed. originals: by title the mean of the originals'
    own values, a dotted line, in metrics that know no original. styles: by codec, `codec_styles` by
    default.
    """
    bands, published = bands or {}, published or {}
    metrics = {title: curves for title, curves in metrics.items() if curves}
    styles = styles or codec_styles(
        [*next(iter(metrics.values())), *(name for curves in published.values() for name in curves)]
    )
    figure, drawn = new_panels(len(metrics))
    ends = {}
    for panel, (title, curves) in zip(drawn, metrics.items(), strict=True):
        for name, (rate, low, high) in (
            (name, band.T) for name, band in bands.get(title, {}).items()
        ):
            panel.fill_between(rate, low, high, color=styles[name].colour, alpha=0.09, linewidth=0)
        ends[panel] = []
        for name, curve in curves.items():
            panel.plot(
                *curve.T,
                color=styles[name].colour,
                marker=styles[name].marker,
                markersize=3.5,
                linewidth=1.7,
            )
            ends[panel].append((*curve[-1], name, styles[name].colour))
        for name, curve in published.get(title, {}).items():
            panel.plot(*curve.T, color=styles[name].colour, linewidth=1.2, dashes=(4, 2))
            ends[panel].append((*curve[-1], f"{name} (published)", styles[name].colour))
        if title in (originals or {}):
            panel.axhline(originals[title], color=MUTED, linewidth=1, linestyle=":")
            ends[panel].append((curve[-1, 0], originals[title], "original", MUTED))
        set_logarithmic(panel.xaxis)
        panel.set(xlabel="bits per pixel (whole file)", title=title)
    if note:
        footnote(figure, note)
    label_ends(figure, ends)
    save_figure(figure, path)
