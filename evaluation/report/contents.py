"""What the page says: curves, BD-rates, tables."""

from collections.abc import Sequence

import numpy as np

from evaluation import rate_distortion
from evaluation.matched import Summary
from evaluation.measuring import Row
from evaluation.plots.style import title
from evaluation.realism_text import measures
from evaluation.results import labels

SHADE = 55  # percent of colour that a cell of the BD matrix has at most
STRONG = 50  # percent of BD-rate at which it has it
GENERAL = -1  # decimals of numbers shown with as many as they have


def digits(rows: Sequence[Row], label: str) -> int:
    """Decimals that tell values of a distance apart."""
    values = [abs(row[label]) for row in rows if row[label] is not None]
    size = np.median(values) if values else 1.0
    return 2 if size >= 5 else 3 if size >= 0.5 else 4


def bd_matrix(curves: dict[str, np.ndarray]) -> list[dict]:
    """A row a codec, a cell a codec it is compared with."""
    def cell(codec: str, anchor: str) -> dict:
        if codec == anchor:
            return {"text": "", "over": "", "shade": 0, "kind": ""}
        rate, low, high = rate_distortion.bd_rate(curves[anchor], curves[codec])
        if np.isnan(rate):
            return {"text": "–", "over": "", "shade": 0, "kind": ""}
        return {"text": f"{rate:+.1f} %".replace("-", "−"), "over": f"{low:.2f} … {high:.2f}",
                "shade": round(SHADE * min(1.0, abs(rate) / STRONG)), "kind": "less" if rate < 0 else "more"}

    return [{"codec": codec, "cells": [cell(codec, anchor) for anchor in curves]} for codec in curves]


def distances(rows: Sequence[Row]) -> list[dict]:
    """What the page shows of every distance: curves with their intervals, the best at the end of its curve first, BD-rates."""
    found = []
    for label in labels(rows):
        scale, curves = rate_distortion.scaled(rows, label)
        bands = {name: rate_distortion.on_scale(label, band) for name, band in rate_distortion.bands(rows, label).items()}
        curves = dict(sorted(curves.items(), key=lambda item: -item[1][-1, 1]))
        found.append({
            "label": label, "title": title(label), "axis": title(label) + scale.removeprefix(label), "codecs": list(curves),
            "bd": bd_matrix(curves),
            "curves": [{"codec": name, "bpp": rounded(curve[:, 0]), "value": rounded(curve[:, 1]),
                        **{end: rounded(np.sort(bands[name][:, 1:], 1)[:, at]) for at, end in enumerate(("low", "high"))}}
                       for name, curve in curves.items()],
        })
    return found


def rounded(values: Sequence[float]) -> list[float]:
    """Six digits, which a page has room for."""
    return [float(f"{value:.6g}") for value in values]


def table(rows: Sequence[Row]) -> tuple[list[dict], list[list]]:
    """Columns (title; decimals where they hold numbers) and rows of every picture."""
    shown = labels(rows)
    asked = dict.fromkeys("rate" if "target" in row else "setting" for row in rows)
    seconds = ("encode_seconds", "decode_seconds")
    columns = [{"title": name, "digits": None} for name in ("picture", "codec")]
    columns += [{"title": name, "digits": count} for name, count in ((" or ".join(asked), GENERAL), ("bytes", 0), ("bpp", 3))]
    columns += [{"title": title(label), "digits": digits(rows, label)} for label in shown]
    columns += [{"title": name, "digits": 3} for name in ("encode, s", "decode, s")]
    keys = ("setting", "bytes", "bpp", *shown, *seconds)
    return columns, [[row["image"], row["codec"], *(row[key] and float(f"{row[key]:.6g}") for key in keys)] for row in rows]


def blocks(summaries: Sequence[Summary]) -> tuple[list[str], list[list[dict]]]:
    """Measures of realism by their labels, and rates with their codecs by them, each with its interval."""
    shown, found = measures([summary.realism for summary in summaries]), []

    def cell(figures: Sequence[float]) -> dict[str, str]:
        value, *ends = (f"{figure:.4g}" for figure in figures)
        return {"value": value, "interval": " … ".join(ends)}

    for target in dict.fromkeys(summary.target for summary in summaries):
        block = [summary for summary in summaries if summary.target == target]
        found.append([{"rate": f"{target:g}", "codec": each.codec, "bpp": f"{each.bpp:.3f}",
                       "cells": [cell(measure.figures(each.realism)) for measure in shown]} for each in block])
    return [measure.label for measure in shown], found
