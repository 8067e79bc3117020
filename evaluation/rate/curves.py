"""Rate-distortion curves: means over pictures on a scale on which they can be compared, and how
sure they are.
"""

from collections.abc import Callable, Iterable

import numpy as np

from metamer.evaluation.intervals import mean_intervals
from metamer.evaluation.measure.rows import Row, original_key
from metamer.evaluation.rate import bjontegaard, published
from metamer.evaluation.rate.published import PublishedCodec
from metamer.evaluation.results.at_rate import TOLERANCE
from metamer.perception.metric import Metric
from metamer.perception.registry import metric_of

FLOOR = 1e-10  # of what a logarithm is taken of


def has_bd_rates(label: str) -> bool:
    """Whether equal values stand for equal quality, so that rates can be compared there; not in
    what knows no original, which need not even rise with the rate.
    """
    return not metric_of(label).no_reference


def bd_scale(metric: Metric) -> tuple[str, Callable[[np.ndarray], np.ndarray]]:
    """What it is called, and how values are taken, so that a BD-rate makes sense: rising, and not
    saturated where pictures are good.

    A similarity x that ends at 1 is taken as −10·log₁₀(1 − x), a distance x as −10·log₁₀(x), both
    in decibel; PSNR, SSIMULACRA 2 and ColorVideoVDP as they are. What reads one picture alone, and
    has no value of identical ones, is taken as −x.
    """
    if metric.no_reference and not metric.higher_is_better:
        return " (−x)", lambda x: -x
    if not metric.higher_is_better:
        return " (dB, −10·log₁₀(x))", lambda x: -10 * np.log10(np.maximum(x, FLOOR))
    if metric.high == 1:
        return " (dB, −10·log₁₀(1 − x))", lambda x: -10 * np.log10(np.maximum(1 - x, FLOOR))
    return "", lambda x: x


def on_scale(label: str, curve: np.ndarray) -> np.ndarray:
    """A curve, (points, 1 + values) bpp and values of a distance, with those on its `bd_scale`."""
    change = bd_scale(metric_of(label))[1]
    return np.c_[curve[:, 0], change(curve[:, 1:])]


def curves_by_picture(rows: Iterable[Row], label: str) -> bjontegaard.PictureCurves:
    """Every picture's curves in a distance, whose means are on its `bd_scale`."""
    return bjontegaard.picture_curves(rows, label, bd_scale(metric_of(label))[1])


def mean_curves(rows: Iterable[Row], label: str) -> tuple[str, dict[str, np.ndarray]]:
    """A distance's label with its scale, and on that codec → (settings, 2) mean bpp and metric over
    pictures.
    """
    of = curves_by_picture(rows, label)
    return f"{label}{bd_scale(metric_of(label))[0]}", {
        codec: of.curve(codec) for codec in of.values
    }


def originals_mean(rows: Iterable[Row], label: str) -> float | None:
    """The mean over pictures of the originals' own values, on the scale of `mean_curves`; None for
    a distance, which needs an original.
    """
    key = original_key(label)
    values = {row["image"]: row[key] for row in rows if row.get(key) is not None}
    if not values:
        return None
    return float(bd_scale(metric_of(label))[1](np.mean(list(values.values()))))


def mean_curve_intervals(rows: Iterable[Row], label: str) -> dict[str, np.ndarray]:
    """codec → (settings, 3) mean bpp and the ends of the mean's 95 % bootstrap interval over
    pictures, on the scale and in the order of `mean_curves`.
    """
    of, intervals = curves_by_picture(rows, label), {}
    for codec, values in of.values.items():
        low, high = mean_intervals(values[:, :, 1])
        intervals[codec] = _band(label, values[:, :, 0].mean(0), low, high)
    return intervals


def paired_curve_intervals(rows: Iterable[Row], label: str, anchor: str) -> dict[str, np.ndarray]:
    """Bands for a comparison: how sure the mean difference from ``anchor`` on the same picture at
    the same rate is.

    How much pictures differ among themselves says nothing of which codec is better on them, so the
    spread of a codec's own values is the wrong width for a comparison.

    Args:
        rows: Of several codecs on the same pictures.
        label: A distance.
        anchor: Codec that others are compared with. On each picture its curve is drawn linearly
            over the logarithm of the rate.

    Returns:
        codec → (settings, 3) mean bpp and the ends of a band about the codec's mean curve, on the
        scale and in the order of `mean_curves`: the mean with the mean difference's 95 % bootstrap
        interval over pictures in place of the mean difference. NaN where some picture's anchor does
        not reach the rate. The anchor has none.
    """
    of, bands = curves_by_picture(rows, label), {}
    if anchor not in of.values:
        return {}
    for codec, values in of.values.items():
        if codec != anchor:
            differences = np.array(
                [
                    points[:, 1] - _at_rates(anchor_points, points[:, 0])
                    for points, anchor_points in zip(values, of.values[anchor], strict=True)
                ]
            )
            ends = [
                values[:, :, 1].mean(0) + end - differences.mean(0)
                for end in mean_intervals(differences)
            ]
            bands[codec] = _band(label, values[:, :, 0].mean(0), *ends)
    return bands


def _at_rates(curve: np.ndarray, rates: np.ndarray) -> np.ndarray:
    """The values of a picture's curve, (settings, 2), at these rates; NaN where they are more than
    3 % beyond its ends.
    """
    rate, value = curve[np.argsort(curve[:, 0], kind="stable")].T
    near = np.clip(rates, rate[0], rate[-1])
    rates = np.where(np.abs(rates / near - 1) <= TOLERANCE, near, rates)
    return np.interp(np.log(rates), np.log(rate), value, left=np.nan, right=np.nan)


def _band(label: str, rate: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """(settings, 3) by rising rate, on the distance's scale."""
    return on_scale(label, np.c_[rate, low, high][np.argsort(rate, kind="stable")])


def published_curves(names: Iterable[str], label: str) -> list[tuple[PublishedCodec, np.ndarray]]:
    """Published curves in a distance, on its `bd_scale`; of those that have one. Raises
    MetamerError for unknown names.
    """
    candidates = (
        (codec, codec.curves.get(label)) for codec in map(published.find_published, names)
    )
    return [(codec, on_scale(label, curve)) for codec, curve in candidates if curve is not None]


def published_curves_by_title(names: Iterable[str], label: str) -> dict[str, np.ndarray]:
    """`published_curves` curves by their titles, which name the source."""
    return {codec.title: curve for codec, curve in published_curves(names, label)}
