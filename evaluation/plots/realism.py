"""Rate, distortion and realism: curves over rate, and the plane of Blau & Michaeli (CVPR 2018)."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes

from metamer.evaluation.plots.labels import label_ends, label_points
from metamer.evaluation.plots.style import (
    MUTED,
    Style,
    codec_styles,
    mark_better,
    metric_title,
    new_panels,
    save_figure,
    set_logarithmic,
    set_title,
)
from metamer.evaluation.realism.measures import RealismMeasure, all_measures
from metamer.evaluation.results.summary import RateSummary, by_codec, realism_paths, realism_setting
from metamer.perception.registry import metric_of


def _interval(panel: Axes, x: float, figures: Sequence[float], colour: str) -> None:
    if len(figures) == 3:
        panel.plot((x, x), figures[1:], color=colour, linewidth=1, alpha=0.5)


def plot_rate_realism(
    summaries: Sequence[RateSummary], path: Path, styles: Mapping[str, Style] | None = None
) -> None:
    """A panel a measure of realism over rate, better up, with its interval where there is one."""
    styles = styles or codec_styles(summary.codec for summary in summaries)
    measures = all_measures([summary.realism for summary in summaries])
    figure, drawn = new_panels(len(measures))
    ends = {}
    for panel, measure in zip(drawn, measures, strict=True):
        ends[panel] = []
        having = [summary for summary in summaries if measure.measured(summary.realism)]
        for name, curve in by_codec(having).items():
            look, rates = styles[name], [summary.bpp for summary in curve]
            figures = [measure.figures(summary.realism) for summary in curve]
            panel.plot(
                rates,
                [value for value, *_ in figures],
                color=look.colour,
                marker=look.marker,
                markersize=4,
                linewidth=1.7,
            )
            for rate, figure_and_ends in zip(rates, figures, strict=True):
                _interval(panel, rate, figure_and_ends, look.colour)
            ends[panel].append((rates[-1], figures[-1][0], name, look.colour))
        panel.invert_yaxis()
        set_logarithmic(panel.xaxis)
        panel.set(
            xlabel="bits per pixel (whole file)", ylabel="more realism →", title=measure.label
        )
    label_ends(figure, ends)
    save_figure(figure, path)


def plot_realism_plane(
    summaries: Sequence[RateSummary],
    label: str,
    path: Path,
    styles: Mapping[str, Style] | None = None,
) -> None:
    """The distortion-realism plane, a panel a measure of realism: distortion by ``label`` to the
    right, both better upwards.

    A thin line joins what a codec has at its rates, a thick one the realism asked for at one rate.
    """
    styles = styles or codec_styles(summary.codec for summary in summaries)
    measures = all_measures([summary.realism for summary in summaries])
    figure, drawn = new_panels(len(measures), 6.0, 4.8)
    labels = {
        panel: _plane(panel, placed(summaries, label, measure), label, measure, styles)
        for panel, measure in zip(drawn, measures, strict=True)
    }
    rates = {summary.target for summary in summaries}
    if len(rates) == 1:
        set_title(figure, f"{min(rates):g} bits per pixel")
    label_points(figure, labels)
    save_figure(figure, path)


def placed(
    summaries: Sequence[RateSummary], label: str, measure: RealismMeasure
) -> list[RateSummary]:
    """Those that have a place in the plane: measured by the distance and by the measure."""
    return [
        summary
        for summary in summaries
        if label in summary.means and measure.measured(summary.realism)
    ]


def _plane(
    panel: Axes,
    summaries: Sequence[RateSummary],
    label: str,
    measure: RealismMeasure,
    styles: Mapping[str, Style],
) -> list:
    """One panel; returns what is to be written at which points: codecs' names at the highest rate,
    all rates at the first codec, and where there is but one rate the realism along sliders.
    """

    def place(summary: RateSummary) -> tuple[float, float]:
        return summary.means[label].value, measure.figures(summary.realism)[0]

    curves, rates = by_codec(summaries), sorted({summary.target for summary in summaries})
    names = {curve[-1].codec: curve[-1].codec for curve in curves.values()}
    for curve in curves.values():
        panel.plot(
            *zip(*map(place, curve), strict=True),
            color=styles[curve[0].codec].colour,
            linewidth=0.9,
            alpha=0.6,
        )
    for (_, name), steps in realism_paths(summaries).items():
        panel.plot(
            *zip(*map(place, steps), strict=True), color=styles[steps[-1].codec].colour, linewidth=2
        )
        names |= {
            summary.codec: f"{realism_setting(summary.codec):g}" if len(rates) == 1 else ""
            for summary in steps[1:-1]
        }
        names[steps[-1].codec] = f"{name} {realism_setting(steps[-1].codec):g}"
    labels = []
    for codec, curve in curves.items():
        look = styles[codec]
        for summary in curve:
            _interval(panel, place(summary)[0], measure.figures(summary.realism), look.colour)
            panel.plot(*place(summary), color=look.colour, marker=look.marker, markersize=5.5)
        if names[codec]:
            labels.append((*place(curve[-1]), names[codec], look.colour))
    if len(rates) > 1:
        labels += [
            (*place(summary), f"{summary.target:g} bpp", MUTED)
            for summary in curves[summaries[0].codec]
        ]
    if not metric_of(label).higher_is_better:
        panel.invert_xaxis()
    panel.invert_yaxis()
    panel.margins(0.16)
    mark_better(panel, metric_title(label))
    panel.set_title(measure.label)
    return labels
