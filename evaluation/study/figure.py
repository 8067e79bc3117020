"""Scores over rate."""

from collections.abc import Sequence
from pathlib import Path

from metamer.evaluation.plots.intervals import plot_intervals
from metamer.evaluation.plots.labels import label_ends
from metamer.evaluation.plots.style import (
    MUTED,
    codec_styles,
    footnote,
    new_panels,
    save_figure,
    set_logarithmic,
)
from metamer.evaluation.study.scores import CodecScore

NUDGE = 0.006  # of the rate, between codecs at one rate, so that no interval covers another


def plot_scores(scores: Sequence[CodecScore], path: Path, note: str = "") -> None:
    """A line a codec over rate with intervals; a row a codec where rates are not known.

    note: small print, such as how many raters there were.
    """
    at_rates = [score for score in scores if score.rate is not None]
    if not at_rates:
        column = {score.codec: (score.score, score.low, score.high) for score in scores}
        plot_intervals({"Bradley-Terry score (Elo)": column}, "What raters preferred", path)
        return
    codecs = list(dict.fromkeys(score.codec for score in at_rates))
    styles = codec_styles(codecs)
    figure, (panel,) = new_panels(1, 6.4, 4.4)
    panel.axhline(0, color=MUTED, linewidth=0.8)
    ends = []
    for place, codec in enumerate(codecs):
        codec_scores = sorted(
            (score for score in at_rates if score.codec == codec), key=lambda score: score.rate
        )
        look = styles[codec]
        rates = [
            score.rate * (1 + NUDGE * (place - (len(codecs) - 1) / 2)) for score in codec_scores
        ]
        values = [score.score for score in codec_scores]
        panel.vlines(
            rates,
            [one.low for one in codec_scores],
            [one.high for one in codec_scores],
            color=look.colour,
            alpha=0.6,
        )
        panel.plot(
            rates, values, color=look.colour, marker=look.marker, markersize=5, linewidth=1.5
        )
        ends.append((rates[-1], values[-1], codec, look.colour))
    panel.margins(x=0.08)
    set_logarithmic(panel.xaxis)
    panel.set(
        xlabel="bits per pixel (whole file)",
        ylabel="Bradley-Terry score (Elo)   preferred →",
        title="What raters preferred",
    )
    footnote(figure, f"over the mean of the codecs at a rate; 95 % intervals. {note}".strip())
    label_ends(figure, {panel: ends})
    save_figure(figure, path)
