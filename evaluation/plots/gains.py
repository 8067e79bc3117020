"""What each picture gains: a codec's mean hides on which pictures it is better, and by how much."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from metamer.evaluation.plots.style import (
    MUTED,
    Style,
    codec_styles,
    footnote,
    new_panels,
    save_figure,
)

SPREAD = 0.28  # how far points of a codec stand from its line, so that none hides another


def plot_gains(
    rates_by_metric: Mapping[str, Mapping[str, Sequence[float]]],
    anchor: str,
    path: Path,
    styles: Mapping[str, Style] | None = None,
) -> None:
    """By title of a distance and by codec the BD-rates in percent of single pictures, in the
    pictures' order; a panel each.

    Better is left; a bar stands at the median. styles: by codec, `codec_styles` by default.
    """
    styles = styles or codec_styles(codec for rates in rates_by_metric.values() for codec in rates)
    figure, drawn = new_panels(
        len(rates_by_metric), height=1.2 + 0.5 * max(map(len, rates_by_metric.values()))
    )
    for panel, (title, by_codec) in zip(drawn, rates_by_metric.items(), strict=True):
        for row, (codec, rates) in enumerate(by_codec.items()):
            rates = np.array(rates, float)
            aside = row + SPREAD * np.linspace(-1, 1, len(rates))
            panel.plot(
                rates,
                aside,
                "o",
                color=styles[codec].colour,
                markersize=4,
                alpha=0.7,
                markeredgewidth=0,
            )
            panel.vlines(
                np.nanmedian(rates), row - 0.4, row + 0.4, color=styles[codec].colour, linewidth=2
            )
        panel.axvline(0, color=MUTED, linewidth=0.8)
        panel.set_yticks(range(len(by_codec)), list(by_codec))
        panel.set_ylim(len(by_codec) - 0.5, -0.5)
        panel.set(
            xlabel=f"BD-rate of each picture against {anchor} (%)   ← fewer bytes", title=title
        )
        panel.grid(axis="y", visible=False)
    footnote(
        figure,
        "points: pictures, in the same order from top to bottom; bar: their median; PCHIP over "
        "what both cover",
    )
    save_figure(figure, path)
