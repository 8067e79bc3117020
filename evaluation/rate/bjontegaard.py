"""Bjøntegaard differences between rate-distortion curves: of all codecs to all, and of each
picture, with intervals.

A curve is (settings, 2) of bits a pixel and a metric that rises with quality
(`evaluation.rate.curves.bd_scale`). The package `bjontegaard` integrates; curves run
through their points by PCHIP (Fritsch and Carlson 1980) or Akima's splines (1970), which Herglotz
et al. ("The Bjøntegaard bible", 2023) find nearest to densely measured ones. Always over what both
cover.
"""

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import bjontegaard
import numpy as np

from metamer.evaluation.intervals import bootstrap_interval

METHODS = ("pchip", "akima")
SAMPLES = 300  # bootstrap resamples of the pictures


@dataclass(frozen=True)
class Difference:
    """A codec against an anchor. rate: BD-rate in percent, less is better, over ``quality``, the
    metric's common range; gain: BD-distortion in the metric's unit, more is better, over ``rates``,
    the common bits a pixel. NaN without overlap.
    """

    anchor: str
    codec: str
    method: str
    rate: float
    quality: tuple[float, float]
    gain: float
    rates: tuple[float, float]


def rising_points(curve: np.ndarray) -> np.ndarray:
    """The points of a curve, ordered by rate, that are better than all before them."""
    best = np.maximum.accumulate(curve[:, 1])
    return curve[np.r_[True, best[1:] > best[:-1]]]


def _common(anchor: np.ndarray, curve: np.ndarray, axis: int) -> tuple[float, float, bool]:
    """The range along an axis that both cover, and whether there is any."""
    low, high = (
        float(pick(end[axis] for end in ends))
        for pick, ends in ((max, (anchor[0], curve[0])), (min, (anchor[-1], curve[-1])))
    )
    return low, high, low < high and min(len(anchor), len(curve)) >= 2


def _delta(
    measure: Callable[..., tuple],
    anchor: np.ndarray,
    curve: np.ndarray,
    method: str,
    within: tuple[float, float] | None = None,
) -> float:
    """The package's measure over the common range, or over a part of it, of its own interpolation.

    Of `bjontegaard.bd_rate` the functions give decimal logarithms of rates.
    """
    with warnings.catch_warnings():
        # it warns of partial overlap; the range is reported instead
        warnings.simplefilter("ignore")
        whole, *functions = measure(
            *anchor.T,
            *curve.T,
            method=method,
            require_matching_points=False,
            interpolators=True,
            min_overlap=0,
        )
    if within is None:
        return float(whole)
    first, second = (float(function.integrate(*within)) for function in functions)
    return 100 * (10 ** ((second - first) / (within[1] - within[0])) - 1)


def bd_rate(
    anchor: np.ndarray,
    curve: np.ndarray,
    method: str = "pchip",
    within: tuple[float, float] | None = None,
) -> tuple[float, float, float]:
    """Bjøntegaard's rate difference of a curve against an anchor.

    Args:
        anchor: (settings, 2) of bits a pixel and a metric that rises with quality.
        curve: The same of the codec that is compared.
        method: "pchip" or "akima".
        within: Range of the metric to average over; by default all that both cover.

    Returns:
        Percent, less is better, and the range of the metric that it covers. NaN where the ranges do
        not overlap, or do not cover ``within``. Points that cost more than another and are no
        better do not count.
    """
    anchor, curve = rising_points(anchor), rising_points(curve)
    low, high, some = _common(anchor, curve, 1)
    if within is not None:
        some = some and low <= within[0] < within[1] <= high
        low, high = within
    rate = _delta(bjontegaard.bd_rate, anchor, curve, method, within) if some else float("nan")
    return rate, low, high


def bd_distortion(
    anchor: np.ndarray, curve: np.ndarray, method: str = "pchip"
) -> tuple[float, float, float]:
    """Bjøntegaard's difference of the metric at equal rates.

    Args:
        anchor: As for `bd_rate`.
        curve: As for `bd_rate`.
        method: "pchip" or "akima".

    Returns:
        In the metric's unit, more is better, and the range of bits a pixel that it covers; NaN as
        for `bd_rate`.
    """
    anchor, curve = rising_points(anchor), rising_points(curve)
    low, high, some = _common(anchor, curve, 0)
    return (_delta(bjontegaard.bd_psnr, anchor, curve, method) if some else float("nan")), low, high


def pairwise_differences(
    curves: dict[str, np.ndarray],
    methods: Sequence[str] = METHODS,
    within: tuple[float, float] | None = None,
) -> list[Difference]:
    """Every codec against every other, by each method. within: as for `bd_rate`."""
    differences = []
    for method in methods:
        for anchor, first in curves.items():
            for name, curve in curves.items():
                if name != anchor:
                    rate = bd_rate(first, curve, method, within)
                    gain = bd_distortion(first, curve, method)
                    differences.append(
                        Difference(anchor, name, method, rate[0], rate[1:], gain[0], gain[1:])
                    )
    return differences


@dataclass(frozen=True)
class PictureCurves:
    """Each picture's curves. names: (P,); values: codec → (P, settings, 2) of bits a pixel and the
    metric as it is measured; change: what makes the metric rise and not saturate, after averaging.
    """

    names: Sequence[str]
    values: dict[str, np.ndarray]
    change: Callable[[np.ndarray], np.ndarray]

    def curve(self, codec: str, chosen: Sequence[int] | slice = slice(None)) -> np.ndarray:
        """The mean curve over the chosen pictures, by rising rate."""
        mean = self.values[codec][chosen].mean(0)
        mean = mean[np.argsort(mean[:, 0], kind="stable")]
        return np.c_[mean[:, 0], self.change(mean[:, 1])]


def picture_curves(
    rows: Iterable[dict], label: str, change: Callable[[np.ndarray], np.ndarray]
) -> PictureCurves:
    """From rows of measurements. Codecs that were not measured by the metric everywhere are left
    out, then pictures that are too small for it.
    """
    cells: dict[str, dict[str, dict[float, tuple[float, float]]]] = {}
    missing, rows = set(), list(rows)
    without = {row["codec"] for row in rows if label not in row}
    for row in rows:
        if row["codec"] in without:
            continue
        if row[label] is None:
            missing.add(row["image"])
        else:
            cells.setdefault(row["codec"], {}).setdefault(row["image"], {})[row["setting"]] = (
                row["bpp"],
                row[label],
            )
    names = sorted({name for by_picture in cells.values() for name in by_picture} - missing)
    values = {
        codec: np.array(
            [[by_picture[name][at] for at in sorted(by_picture[name])] for name in names]
        )
        for codec, by_picture in cells.items()
        if names
    }
    return PictureCurves(names, values, change)


def bd_rate_interval(
    of: PictureCurves, anchor: str, codec: str, within: tuple[float, float] | None = None
) -> tuple[float, float]:
    """95 % bootstrap interval over pictures of the BD-rate (PCHIP) of mean curves; NaN for a single
    picture.
    """
    if len(of.names) < 2:
        return float("nan"), float("nan")

    def of_pictures(chosen: np.ndarray) -> float:
        return bd_rate(of.curve(anchor, chosen), of.curve(codec, chosen), within=within)[0]

    return bootstrap_interval(of_pictures, [np.arange(len(of.names))], samples=SAMPLES)


def differences_by_picture(of: PictureCurves, anchor: str) -> list[dict[str, object]]:
    """For every picture and codec: image, codec, anchor, and `Difference`'s rate and gain of that
    picture's own curves (PCHIP), with their ranges: what scatters of gains are drawn from.
    """
    differences = []
    for index, name in enumerate(of.names):
        for codec in of.values:
            if codec != anchor:
                curves = {codec: of.curve(codec, [index]), anchor: of.curve(anchor, [index])}
                rate, gain = (
                    bd_rate(curves[anchor], curves[codec]),
                    bd_distortion(curves[anchor], curves[codec]),
                )
                differences.append(
                    {
                        "image": name,
                        "codec": codec,
                        "anchor": anchor,
                        "rate": rate[0],
                        "quality": rate[1:],
                        "gain": gain[0],
                        "rates": gain[1:],
                    }
                )
    return differences
