"""What figures draw of rows over settings: curves with their bands, and each picture's gain."""

from collections.abc import Iterable, Sequence

import numpy as np

from metamer.evaluation import plots
from metamer.evaluation.measure.rows import Row
from metamer.evaluation.rate import bjontegaard
from metamer.evaluation.rate.curves import (
    curves_by_picture,
    has_bd_rates,
    mean_curve_intervals,
    mean_curves,
    originals_mean,
    paired_curve_intervals,
    published_curves,
)


def usual_anchor(rows: Iterable[Row]) -> str:
    """The codec that others are compared with where nobody says: jpeg if measured, else the first;
    none of no rows.
    """
    codecs = list(dict.fromkeys(row["codec"] for row in rows))
    return "jpeg" if "jpeg" in codecs else next(iter(codecs), "")


def curve_bands(rows: Sequence[Row], label: str, anchor: str) -> dict[str, np.ndarray]:
    """The bands of mean curves: of differences from the anchor where there is anything to compare,
    else of the mean.
    """
    codecs = {row["codec"] for row in rows if label in row}
    if len(codecs) > 1 and anchor in codecs:
        return paired_curve_intervals(rows, label, anchor)
    return mean_curve_intervals(rows, label)


def bands_note(rows: Sequence[Row], anchor: str) -> str:
    """What those bands are, in words."""
    if len({row["codec"] for row in rows}) > 1:
        return f"95 % bootstrap interval of the mean difference from {anchor} on the same picture"
    return "95 % bootstrap interval of the mean"


def figure_data(
    rows: Sequence[Row],
    labels: Iterable[str],
    names: Sequence[str] = (),
    anchor: str | None = None,
) -> dict[str, object]:
    """What `plots.plot_rate_distortion` draws of rows and of published codecs."""
    anchor = anchor or usual_anchor(rows)
    data: dict[str, dict] = {"metrics": {}, "bands": {}, "published": {}, "originals": {}}
    sources = []
    for label in labels:
        scale_of, curves = mean_curves(rows, label)
        name = plots.metric_title(label) + scale_of.removeprefix(label)
        curves_of_codecs = published_curves(names, label)
        data["metrics"][name] = curves
        data["bands"][name] = curve_bands(rows, label, anchor) if curves else {}
        data["published"][name] = {codec.name: curve for codec, curve in curves_of_codecs}
        if (original := originals_mean(rows, label)) is not None:
            data["originals"][name] = original
        sources += [codec.source for codec, _ in curves_of_codecs]
    pictures = len({row["image"] for row in rows})
    note = f"mean over {pictures} image{'s' * (pictures != 1)}; bands: {bands_note(rows, anchor)}"
    return data | {
        "note": note + (f"; dashed: {'; '.join(dict.fromkeys(sources))}" if sources else "")
    }


def picture_bd_rates(
    rows: Sequence[Row], labels: Iterable[str], anchor: str
) -> dict[str, dict[str, list[float]]]:
    """Distance, as figures call it → codec → BD-rate in percent of each picture against ``anchor``;
    of codecs that have any.
    """
    rates_by_metric: dict[str, dict[str, list[float]]] = {}
    for label in filter(has_bd_rates, labels):
        of = curves_by_picture(rows, label)
        for codec in of.values:
            if codec != anchor and anchor in of.values:
                rates_by_metric.setdefault(plots.metric_title(label), {})[codec] = [
                    bjontegaard.bd_rate(of.curve(anchor, [at]), of.curve(codec, [at]))[0]
                    for at in range(len(of.names))
                ]
    some = {
        name: {codec: rates for codec, rates in by.items() if np.isfinite(rates).any()}
        for name, by in rates_by_metric.items()
    }
    return {name: by for name, by in some.items() if by}
