"""What the page says: curves, BD-rates, tables."""

from collections.abc import Iterable, Sequence

import numpy as np

from metamer.evaluation.measure.rows import Row
from metamer.evaluation.plots.style import metric_title
from metamer.evaluation.rate.bjontegaard import bd_rate
from metamer.evaluation.rate.curves import (
    has_bd_rates,
    mean_curves,
    originals_mean,
    published_curves,
)
from metamer.evaluation.rate.figure_data import curve_bands, usual_anchor
from metamer.evaluation.results.at_rate import excess
from metamer.evaluation.results.folders import distance_labels

SHADE = 55  # percent of colour that a cell of the BD matrix has at most
STRONG = 50  # percent of BD-rate at which it has it
GENERAL = -1  # decimals of numbers shown with as many as they have


def decimals(rows: Sequence[Row], label: str) -> int:
    """Decimals that tell values of a distance apart."""
    values = [abs(row[label]) for row in rows if row.get(label) is not None]
    size = np.median(values) if values else 1.0
    return 2 if size >= 5 else 3 if size >= 0.5 else 4


def bd_matrix(curves: dict[str, np.ndarray], compared: bool = True) -> list[dict]:
    """A row a codec, a cell a codec it is compared with; dashes if nothing is ``compared``."""

    def cell(codec: str, anchor: str) -> dict:
        if codec == anchor:
            return {"text": "", "over": "", "shade": 0, "kind": ""}
        rate, low, high = np.nan, np.nan, np.nan
        if compared:
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
    """What the page shows of every distance: curves with their bands (`figure_data.curve_bands`),
    the best at the end of its curve first, BD-rates. names: of published codecs.
    """
    sections = []
    for label in distance_labels(rows):
        scale, curves = mean_curves(rows, label)
        measured = set(curves)
        curves |= {
            published_label(codec.name): curve for codec, curve in published_curves(names, label)
        }
        curves = dict(sorted(curves.items(), key=lambda item: -item[1][-1, 1]))
        bands = curve_bands(rows, label, usual_anchor(rows))
        original = originals_mean(rows, label)
        sections.append(
            {
                "label": label,
                "title": metric_title(label),
                "axis": metric_title(label) + scale.removeprefix(label),
                "codecs": list(curves),
                "bd": bd_matrix(curves, has_bd_rates(label)),
                "curves": [
                    {
                        "codec": name,
                        "bpp": six_digits(curve[:, 0]),
                        "value": six_digits(curve[:, 1]),
                        "band": band_lists(bands[name]) if name in bands else None,
                        "published": name not in measured,
                    }
                    for name, curve in curves.items()
                ],
                "original": original if original is None else float(f"{original:.6g}"),
            }
        )
    return sections


def band_lists(band: np.ndarray) -> dict[str, list[float]]:
    """A band without the points where it has no ends, as lists."""
    band = band[np.isfinite(band).all(1)]
    ends = np.sort(band[:, 1:], 1).T
    return dict(zip(("bpp", "low", "high"), map(six_digits, (band[:, 0], *ends)), strict=True))


def published_label(name: str) -> str:
    """A published codec on the page, where one of the same name may have been measured, too."""
    return f"{name} (published)"


def six_digits(values: Iterable[float]) -> list[float]:
    """Six digits, which a page has room for."""
    return [float(f"{value:.6g}") for value in values]


def picture_table(rows: Sequence[Row]) -> tuple[list[dict], list[list]]:
    """Columns (title; decimals where they hold numbers) and rows of every picture."""
    distances = distance_labels(rows)
    kinds = dict.fromkeys("rate" if "target" in row else "setting" for row in rows)
    columns = [{"title": name, "digits": None} for name in ("picture", "codec")]
    columns += [
        {"title": name, "digits": count}
        for name, count in ((" or ".join(kinds), GENERAL), ("bytes", 0), ("bpp", 3))
    ]
    if "rate" in kinds:
        columns.append({"title": "off the rate, %", "digits": 1})
    columns += [
        {"title": metric_title(label), "digits": decimals(rows, label)} for label in distances
    ]
    columns += [{"title": name, "digits": 3} for name in ("encode, s", "decode, s")]
    lines = []
    for row in rows:
        off = [100 * excess(row) if "target" in row else None] if "rate" in kinds else []
        values = [row.get(key) for key in ("setting", "bytes", "bpp")] + off
        values += [row.get(key) for key in (*distances, "encode_seconds", "decode_seconds")]
        numbers = [value if value is None else float(f"{value:.6g}") for value in values]
        lines.append([row["image"], row["codec"], *numbers])
    return columns, lines
