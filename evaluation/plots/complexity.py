"""Rate and distortion against complexity."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from metamer.evaluation.plots.labels import label_points
from metamer.evaluation.plots.style import (
    COLOURS,
    INK,
    MUTED,
    footnote,
    new_panels,
    save_figure,
    set_logarithmic,
)


@dataclass(frozen=True)
class ComplexityPoint:
    """A codec's place. kmac_decoder: thousands of multiplications and additions a pixel; bd_rate:
    percent; source: who says so, "measured" for what was measured here.
    """

    name: str
    kmac_decoder: float
    bd_rate: float
    source: str = "measured"


def pareto_front(codecs: Sequence[ComplexityPoint]) -> list[ComplexityPoint]:
    """Those that none is better than at no more cost, by rising complexity."""
    front = []
    for codec in sorted(codecs, key=lambda codec: (codec.kmac_decoder, codec.bd_rate)):
        if not front or codec.bd_rate < front[-1].bd_rate:
            front.append(codec)
    return front


def plot_complexity(codecs: Sequence[ComplexityPoint], path: Path, anchor: str = "") -> None:
    """Every codec by its decoder's work and its BD-rate; those measured here full, others hollow; a
    line along the best.
    """
    figure, (panel,) = new_panels(1, 7.6, 5.2)
    front = pareto_front(codecs)
    panel.step(
        [codec.kmac_decoder for codec in front],
        [codec.bd_rate for codec in front],
        where="post",
        color=MUTED,
        linewidth=0.9,
        alpha=0.6,
        zorder=1,
    )
    for codec in codecs:
        colour = COLOURS[0 if codec.source == "measured" else 1]
        panel.plot(
            codec.kmac_decoder,
            codec.bd_rate,
            "o",
            color=colour,
            markersize=6,
            markerfacecolor=colour if codec.source == "measured" else "white",
        )
    panel.set_xscale("log")
    panel.margins(0.2, 0.12)
    set_logarithmic(panel.xaxis)
    panel.invert_yaxis()
    panel.set(
        xlabel="decoder, kMAC per pixel   ← less work",
        title="Rate, distortion and complexity",
        ylabel=f"BD-rate{f' against {anchor}' if anchor else ''} (%)   fewer bytes →",
    )
    sources = list(dict.fromkeys(codec.source for codec in codecs if codec.source != "measured"))
    note = "full: measured here" + (f"; hollow: {', '.join(sources)}" if sources else "")
    footnote(figure, note)
    label_points(
        figure, {panel: [(codec.kmac_decoder, codec.bd_rate, codec.name, INK) for codec in codecs]}
    )
    save_figure(figure, path)
