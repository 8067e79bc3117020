"""BD-rates and costs of codecs over their settings, as text."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from metamer.evaluation.measure.flat_areas import flat_areas_lines
from metamer.evaluation.measure.rows import Row, is_trained
from metamer.evaluation.rate import bjontegaard, published
from metamer.evaluation.rate.bjontegaard import bd_rate
from metamer.evaluation.rate.curves import (
    curves_by_picture,
    has_bd_rates,
    mean_curves,
    on_scale,
    originals_mean,
    published_curves_by_title,
)

UNTRAINED = "untrained: good for timing alone"


def rate_distortion_table(
    rows: Sequence[Row],
    labels: Sequence[str],
    anchor: str,
    names: Sequence[str] = (),
    ranges: Mapping[str, tuple[float, float]] | None = None,
) -> str:
    """What codecs take, and BD-rates of every codec against ``anchor`` in every distance, with
    intervals and the ranges they cover, and of all against all.

    Args:
        rows: Over settings. Untrained networks have a line for what they take alone.
        labels: Distances.
        anchor: Codec that BD-rates are against.
        names: Published curves to count in.
        ranges: Distance → the range, in its own unit, that its BD-rates are over; by default what
            both curves cover.
    """
    trained = [row for row in rows if is_trained(row)]
    titles = [published.find_published(name).title for name in names]
    width = max(map(len, ["codec", *(row["codec"] for row in rows), *titles]))
    count = len({row["image"] for row in rows})
    lines = [
        f"{count} images; bpp is the whole file; mean curves; BD-rate against {anchor} (PCHIP over "
        "the common range), 95 % bootstrap interval over images",
        "",
        *cost_lines(rows, width),
    ]
    for label in labels:
        within = (ranges or {}).get(label)
        lines += ["", *distance_lines(trained, label, anchor, names, width, within)]
    if flat := flat_areas_lines(trained, width):
        lines += ["", *flat]
    return "\n".join(lines)


def cost_lines(rows: Sequence[Row], width: int) -> list[str]:
    """Rates, seconds a picture, megapixels a second and peak memory of every codec."""
    lines = [
        f"{'codec':<{width}} {'bpp':>13} {'enc s':>6} {'dec s':>6} {'enc MP/s':>8} "
        f"{'dec MP/s':>8} {'enc MiB':>7} {'dec MiB':>7}"
    ]
    for name in dict.fromkeys(row["codec"] for row in rows):
        codec_rows = [row for row in rows if row["codec"] == name]
        rates = [
            float(np.mean([row["bpp"] for row in codec_rows if row["setting"] == at]))
            for at in {row["setting"] for row in codec_rows}
        ]
        seconds, speeds, peaks = [], [], []
        for way in ("encode", "decode"):
            spent = [row[f"{way}_seconds"] for row in codec_rows]
            seconds.append(np.mean(spent))
            speeds.append(
                sum(row["width"] * row["height"] for row in codec_rows) / 1e6 / sum(spent)
            )
            peaks.append(max(row.get(f"{way}_peak_mib") or math.nan for row in codec_rows))
        text = (
            f"{name:<{width}} {min(rates):5.3f} – {max(rates):5.3f} {seconds[0]:6.3f} "
            f"{seconds[1]:6.3f} {speeds[0]:8.2f} {speeds[1]:8.2f} {peaks[0]:7.0f} {peaks[1]:7.0f}"
        )
        lines.append(text if is_trained(codec_rows[0]) else f"{text}  {UNTRAINED}")
    return lines


def distance_lines(
    rows: Sequence[Row],
    label: str,
    anchor: str,
    names: Sequence[str],
    width: int,
    within: tuple[float, float] | None,
) -> list[str]:
    """The BD-rates of one distance, against the anchor and of all against all."""
    title, curves = mean_curves(rows, label)
    if not has_bd_rates(label):
        return [f"{title}, knows no original: no BD-rates", *extent_lines(rows, label, width)]
    of = curves_by_picture(rows, label)
    limits = scaled_range(label, within)
    lines = [
        title + (f", BD-rates over {within[0]:g} … {within[1]:g}" if within else ""),
        f"{'codec':<{width}} {'range':>15} {'BD-rate':>9} {'interval':>17} {'over':>15}",
    ]
    every = curves | published_curves_by_title(names, label)
    for name, curve in every.items():
        rate, low, high = np.nan, np.nan, np.nan
        if anchor in curves:
            rate, low, high = bd_rate(curves[anchor], curve, within=limits)
        ends = (np.nan, np.nan)
        if name in of.values and name != anchor and anchor in of.values:
            ends = bjontegaard.bd_rate_interval(of, anchor, name, limits)
        written = "–" if np.isnan(rate) else f"{rate:+.1f} %"
        interval = "–" if np.isnan(ends[0]) else f"{ends[0]:+.1f} … {ends[1]:+.1f}"
        over = "–" if np.isnan(rate) else f"{low:.2f} – {high:.2f}"
        extent = f"{curve[0, 1]:.2f} – {curve[-1, 1]:.2f}"
        lines.append(f"{name:<{width}} {extent:>15} {written:>9} {interval:>17} {over:>15}")
    return [*lines, "", *bd_matrix_lines(every, width, limits)]


def extent_lines(rows: Sequence[Row], label: str, width: int) -> list[str]:
    """Where the mean curves begin and end, and the originals' own mean."""
    width = max(width, len("original"))
    lines = [f"{'codec':<{width}} {'range':>15}"]
    for name, curve in mean_curves(rows, label)[1].items():
        extent = f"{curve[0, 1]:.2f} – {curve[-1, 1]:.2f}"
        lines.append(f"{name:<{width}} {extent:>15}")
    if (original := originals_mean(rows, label)) is not None:
        lines.append(f"{'original':<{width}} {original:>15.2f}")
    return lines


def scaled_range(label: str, within: tuple[float, float] | None) -> tuple[float, float] | None:
    """A range in a distance's own unit on the scale of its curves, its lesser end first."""
    if within is None:
        return None
    low, high = sorted(on_scale(label, np.array([[0.0, *within]]))[0, 1:].tolist())
    return low, high


def bd_matrix_lines(
    curves: dict[str, np.ndarray], width: int, within: tuple[float, float] | None = None
) -> list[str]:
    """The matrices of BD-rate and BD-distortion: each codec, a row, against each other, a column
    with its row's number.
    """
    differences = {
        (difference.anchor, difference.codec, difference.method): difference
        for difference in bjontegaard.pairwise_differences(curves, within=within)
    }
    numbers = {name: f"({index})" for index, name in enumerate(curves, 1)}
    lines = []
    for title, value in (("BD-rate in percent", "rate"), ("BD-distortion at equal rates", "gain")):
        cells = {key: getattr(difference, value) for key, difference in differences.items()}
        apart = [
            abs(cells[anchor, name, "pchip"] - cells[anchor, name, "akima"])
            for anchor, name, _ in differences
        ]
        furthest = max((difference for difference in apart if not np.isnan(difference)), default=0)
        lines.append(
            f"{title} of the row against the column, PCHIP; Akima's splines differ by up to "
            f"{furthest:.2f}"
        )
        lines.append(" " * (width + 4) + "".join(f"{number:>8}" for number in numbers.values()))
        for name in curves:
            row = [cells.get((anchor, name, "pchip"), np.nan) for anchor in curves]
            cells_text = "".join(
                f"{'–':>8}" if np.isnan(cell) else f"{cell:>+8.2f}" for cell in row
            )
            lines.append(f"{name:<{width}} {numbers[name]:>3}{cells_text}")
    return lines
