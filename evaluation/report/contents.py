"""What the page says: curves, BD-rates, tables."""

import math
from collections.abc import Iterable, Sequence

import numpy as np

from metamer.evaluation.measure.rows import Row
from metamer.evaluation.plots.style import metric_title, round_ticks
from metamer.evaluation.rate.bjontegaard import bd_rate
from metamer.evaluation.rate.curves import mean_curves, published_curves
from metamer.evaluation.rate.figure_data import curve_bands, usual_anchor
from metamer.evaluation.rate.matched_summary import realism_cautions
from metamer.evaluation.realism.measures import all_measures
from metamer.evaluation.results.folders import distance_labels
from metamer.evaluation.results.summary import RateSummary, by_codec, realism_paths
from metamer.perception.registry import find

SHADE = 55  # percent of colour that a cell of the BD matrix has at most
STRONG = 50  # percent of BD-rate at which it has it
GENERAL = -1  # decimals of numbers shown with as many as they have


def decimals(rows: Sequence[Row], label: str) -> int:
    """Decimals that tell values of a distance apart."""
    values = [abs(row[label]) for row in rows if row.get(label) is not None]
    size = np.median(values) if values else 1.0
    return 2 if size >= 5 else 3 if size >= 0.5 else 4


def bd_matrix(curves: dict[str, np.ndarray]) -> list[dict]:
    """A row a codec, a cell a codec it is compared with."""

    def cell(codec: str, anchor: str) -> dict:
        if codec == anchor:
            return {"text": "", "over": "", "shade": 0, "kind": ""}
        rate, low, high = bd_rate(curves[anchor], curves[codec])
        if np.isnan(rate):
            return {"text": "–", "over": "", "shade": 0, "kind": ""}
        return {
            "text": f"{rate:+.1f} %".replace("-", "−"),
            "over": f"{low:.2f} … {high:.2f}",
            "shade": round(SHADE * min(1.0, abs(rate) / STRONG)),
            "kind": "less" if rate < 0 else "more",
        }

    return [
        {"codec": codec, "cells": [cell(codec, anchor) for anchor in curves]} for codec in curves
    ]


def distance_sections(rows: Sequence[Row], names: Sequence[str] = ()) -> list[dict]:
    """What the page shows of every distance: curves with their intervals, the best at the end of
    its curve first, BD-rates.

    names: of published codecs, whose curves have no interval.
    """
    sections = []
    for label in distance_labels(rows):
        scale, curves = mean_curves(rows, label)
        curves |= {
            published_label(codec.name): curve for codec, curve in published_curves(names, label)
        }
        curves = dict(sorted(curves.items(), key=lambda item: -item[1][-1, 1]))
        ends = {
            name: np.sort(band[:, 1:], 1).T
            for name, band in curve_bands(rows, label, usual_anchor(rows)).items()
        }
        sections.append(
            {
                "label": label,
                "title": metric_title(label),
                "axis": metric_title(label) + scale.removeprefix(label),
                "codecs": list(curves),
                "bd": bd_matrix(curves),
                "curves": [
                    {
                        "codec": name,
                        "bpp": six_digits(curve[:, 0]),
                        "value": six_digits(curve[:, 1]),
                    }
                    | dict(zip(("low", "high"), map(six_digits, ends.get(name, ())), strict=False))
                    for name, curve in curves.items()
                ],
            }
        )
    return sections


def published_label(name: str) -> str:
    """A published codec on the page, where one of the same name may have been measured, too."""
    return f"{name} (published)"


def six_digits(values: Iterable[float]) -> list[float]:
    """Six digits, which a page has room for."""
    return [float(f"{value:.6g}") for value in values]


def picture_table(rows: Sequence[Row]) -> tuple[list[dict], list[list]]:
    """Columns (title; decimals where they hold numbers) and rows of every picture."""
    distances = distance_labels(rows)
    asked = dict.fromkeys("rate" if "target" in row else "setting" for row in rows)
    seconds = ("encode_seconds", "decode_seconds")
    columns = [{"title": name, "digits": None} for name in ("picture", "codec")]
    columns += [
        {"title": name, "digits": count}
        for name, count in ((" or ".join(asked), GENERAL), ("bytes", 0), ("bpp", 3))
    ]
    columns += [
        {"title": metric_title(label), "digits": decimals(rows, label)} for label in distances
    ]
    columns += [{"title": name, "digits": 3} for name in ("encode, s", "decode, s")]
    keys = ("setting", "bytes", "bpp", *distances, *seconds)
    return columns, [
        [row["image"], row["codec"], *(row.get(key) and float(f"{row[key]:.6g}") for key in keys)]
        for row in rows
    ]


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
    measures, distances = (
        all_measures([summary.realism for summary in measured]),
        list(dict.fromkeys(label for summary in measured for label in summary.means)),
    )

    def point(summary: RateSummary) -> dict:
        return {
            "codec": summary.codec,
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

    def cell(figures: Sequence[float]) -> dict[str, str]:
        value, *ends = (f"{figure:.4g}" for figure in figures or [math.nan])
        return {"value": value, "interval": " … ".join(ends)}

    def block(rate: float) -> list[dict]:
        return [
            {
                "rate": f"{rate:g}",
                "codec": summary.codec,
                "bpp": f"{summary.bpp:.3f}",
                "cells": [cell(measure.figures(summary.realism)) for measure in measures],
            }
            for summary in measured
            if summary.target == rate
        ]

    return {
        "measures": [measure.label for measure in measures],
        "ticks": six_digits(
            round_ticks(
                min(summary.bpp for summary in measured), max(summary.bpp for summary in measured)
            )
        ),
        "distances": [
            {
                "title": metric_title(label),
                "better": 1 if find(label.partition(":")[0]).higher_is_better else -1,
            }
            for label in distances
        ],
        "curves": [list(map(point, along)) for along in by_codec(measured).values()],
        "sliders": [list(map(point, along)) for along in realism_paths(measured).values()],
        "blocks": list(map(block, dict.fromkeys(summary.target for summary in measured))),
        "pictures": count_text(summary.realism["pictures"] for summary in measured),
        "patches": count_text(summary.realism["patches"] for summary in measured),
        "cautions": realism_cautions(measured),
    }
