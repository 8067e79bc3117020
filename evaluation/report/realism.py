"""What the page says of realism at equal rates, and of pictures that are off a rate."""

from collections.abc import Iterable, Sequence

from metamer.evaluation.plots.style import metric_title, round_ticks
from metamer.evaluation.rate.matched_summary import realism_cautions
from metamer.evaluation.realism.measures import RealismMeasure, all_measures
from metamer.evaluation.report.contents import six_digits
from metamer.evaluation.results.summary import (
    RateSummary,
    by_codec,
    realism_paths,
    realism_setting,
)
from metamer.perception.registry import metric_of


def count_text(counts: Iterable[int]) -> str:
    """A number, or the least and the greatest of several."""
    counts = set(counts)
    return f"{min(counts)}" if len(counts) == 1 else f"{min(counts)} to {max(counts)}"


def realism_section(summaries: Sequence[RateSummary]) -> dict | None:
    """Where realism was measured, what its charts and table are made of: points along every codec's
    rates and every slider; blocks, by rate, of codecs with a cell a measure.
    """
    measured = [summary for summary in summaries if summary.realism]
    if not measured:
        return None
    measures = all_measures([summary.realism for summary in measured])
    distances = list(dict.fromkeys(label for summary in measured for label in summary.means))
    rates = [summary.bpp for summary in measured]

    def points(along: Sequence[RateSummary]) -> list[dict]:
        return [chart_point(summary, measures, distances) for summary in along]

    return {
        "measures": [measure.label for measure in measures],
        "ticks": six_digits(round_ticks(min(rates), max(rates))),
        "distances": [
            {"title": metric_title(label), "better": metric_of(label).direction}
            for label in distances
        ],
        "curves": [points(along) for along in by_codec(measured).values()],
        "sliders": [points(along) for along in realism_paths(measured).values()],
        "blocks": [
            [table_row(summary, measures) for summary in measured if summary.target == rate]
            for rate in dict.fromkeys(summary.target for summary in measured)
        ],
        "pictures": count_text(summary.realism["pictures"] for summary in measured),
        "patches": count_text(summary.realism["patches"] for summary in measured),
        "cautions": realism_cautions(measured),
    }


def chart_point(
    summary: RateSummary, measures: Sequence[RealismMeasure], distances: Sequence[str]
) -> dict:
    """A codec at a rate, in the charts; None for what was not measured."""
    return {
        "codec": summary.codec,
        "slider": realism_setting(summary.codec),
        "rate": f"{summary.target:g}",
        "bpp": summary.bpp,
        "realism": [
            six_digits(measure.figures(summary.realism))
            if measure.measured(summary.realism)
            else None
            for measure in measures
        ],
        "means": [
            float(f"{summary.means[label].value:.6g}") if label in summary.means else None
            for label in distances
        ],
    }


def table_row(summary: RateSummary, measures: Sequence[RealismMeasure]) -> dict:
    """A codec at a rate, in the table."""
    return {
        "rate": f"{summary.target:g}",
        "codec": summary.codec,
        "bpp": f"{summary.bpp:.3f}",
        "cells": [table_cell(measure, summary) for measure in measures],
    }


def table_cell(measure: RealismMeasure, summary: RateSummary) -> dict[str, str]:
    """A measure's value and interval, as text."""
    if not measure.measured(summary.realism):
        return {"value": "–", "interval": ""}
    value, *ends = (f"{figure:.4g}" for figure in measure.figures(summary.realism))
    return {"value": value, "interval": " … ".join(ends)}


def miss_section(summaries: Iterable[RateSummary]) -> list[dict]:
    """Codecs with pictures off a rate: which, by how much, and whether the codec is left out."""
    return [
        {
            "rate": f"{summary.target:g}",
            "codec": summary.codec,
            "misses": ", ".join(map(str, summary.misses)),
            "left_out": not summary.at_rate,
        }
        for summary in summaries
        if summary.misses
    ]
