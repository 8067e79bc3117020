"""Measurements at equal rates, summed up over pictures and as a table."""

import textwrap
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from metamer.evaluation.intervals import bootstrap_interval
from metamer.evaluation.measure.flat_areas import flat_areas_lines
from metamer.evaluation.measure.rows import Row, original_key
from metamer.evaluation.realism import measures
from metamer.evaluation.results.at_rate import TOLERANCE, at_rate
from metamer.evaluation.results.summary import MeanInterval, RateSummary

LINE = 120  # characters of a line that names pictures


def mean_with_interval(values: np.ndarray) -> MeanInterval:
    """Of (N,) values, one a picture."""
    return MeanInterval(float(values.mean()), *bootstrap_interval(np.mean, [values]))


def summarise_rate(
    rows: Iterable[Row], target: float, anchor: str, labels: Sequence[str]
) -> list[RateSummary]:
    """Sums up every codec at one rate.

    Pictures that are off the rate do not count (`at_rate.at_rate`), nor in a distance those that
    are too small for it.

    Args:
        rows: Of `metamer evaluate --bpp`; those of other rates do not count.
        target: The rate, in bits a pixel.
        anchor: Codec that differences are from.
        labels: Distances.
    """
    rows_at_target = [row for row in rows if row["target"] == target]
    at = at_rate(rows_at_target)
    by_codec: dict[str, dict[str, Row]] = {}
    for row in rows_at_target:
        by_codec.setdefault(row["codec"], {})[row["image"]] = row
    summaries = []
    for codec, codec_rows in by_codec.items():
        images = at.images if codec in at.codecs else []
        rates = np.array([codec_rows[name]["bpp"] for name in images or codec_rows])
        away = np.abs(rates - target)
        anchor_rows = by_codec.get(anchor, {}) if anchor in at.codecs else {}
        means, differences = _means_and_differences(codec_rows, anchor_rows, images, labels)
        summaries.append(
            RateSummary(
                codec=codec,
                target=target,
                pictures=len(images),
                bpp=float(rates.mean()),
                mean_deviation=float(away.mean()),
                largest_deviation=float(away.max()),
                means=means,
                differences=differences,
                misses=at.misses[codec],
                at_rate=codec in at.codecs,
            )
        )
    return summaries


def _means_and_differences(
    codec_rows: Mapping[str, Row],
    anchor_rows: Mapping[str, Row],
    images: Iterable[str],
    labels: Iterable[str],
) -> tuple[dict[str, MeanInterval], dict[str, MeanInterval]]:
    """By distance, over the images that are large enough for it; no differences from no rows."""
    means, differences = {}, {}
    for label in labels:
        names = [name for name in images if codec_rows[name][label] is not None]
        if names:
            values = np.array([codec_rows[name][label] for name in names], float)
            means[label] = mean_with_interval(values)
            if anchor_rows:
                others = np.array([anchor_rows[name][label] for name in names], float)
                differences[label] = mean_with_interval(values - others)
    return means, differences


def matched_table(summaries: Sequence[RateSummary], anchor: str, rows: Sequence[Row] = ()) -> str:
    """Rates, means and differences from the anchor, a block for each rate.

    rows: those summed up, for what they say of flat areas.
    """
    width = max(len(summary.codec) for summary in summaries) + 1
    lines = [
        "each picture at the setting nearest to the rate; means over images with 95 % bootstrap "
        f"intervals; Δ is the mean of differences from {anchor} on the same image"
    ]
    for target in dict.fromkeys(summary.target for summary in summaries):
        block = [summary for summary in summaries if summary.target == target]
        counting = _counting(rows, target)
        lines += ["", *_rate_lines(block, width), *_distance_lines(block, width, anchor, counting)]
        lines += _realism_lines(block, width)
        lines += flat_areas_lines(counting, width)
    lines += [f"caution: {text}" for text in realism_cautions(summaries)]
    return "\n".join(lines)


def _counting(rows: Sequence[Row], target: float) -> list[Row]:
    """The rows that count at one rate."""
    rows_at_target = [row for row in rows if row["target"] == target]
    at = at_rate(rows_at_target)
    return [
        row for row in rows_at_target if row["codec"] in at.codecs and row["image"] in at.images
    ]


def _rate_lines(block: Sequence[RateSummary], width: int) -> list[str]:
    """The codecs of one rate, and what is off it by codec, picture and excess."""
    target = block[0].target
    lines = [
        f"{target:g} bpp, {max(summary.pictures for summary in block)} images",
        f"{'codec':<{width}} {'bpp':>7} {'mean off':>9} {'largest':>9}",
    ]
    for summary in block:
        text = (
            f"{summary.codec:<{width}} {summary.bpp:7.4f} {summary.mean_deviation:9.4f} "
            f"{summary.largest_deviation:9.4f}"
        )
        if not summary.at_rate:
            text += "  not at this rate, left out"
        elif not summary.pictures:
            text += "  no image is at this rate by all codecs"
        lines.append(text)
    return lines + miss_lines(block)


def miss_lines(block: Iterable[RateSummary]) -> list[str]:
    """Names what is off the rate: every codec's pictures with their excess."""
    lines = []
    for summary in block:
        if summary.misses:
            text = (
                f"caution: {summary.codec} is more than {100 * TOLERANCE:g} % off "
                f"{summary.target:g} bpp on {', '.join(map(str, summary.misses))}; "
                f"{'these images count for no codec' if summary.at_rate else 'it is left out'}"
            )
            lines += textwrap.wrap(text, LINE, subsequent_indent="  ", break_on_hyphens=False)
    return lines


def _distance_lines(
    block: Sequence[RateSummary], width: int, anchor: str, counting: Sequence[Row]
) -> list[str]:
    """Means and differences of every distance, of the codecs that are at the rate; and the
    originals' own mean, on the rows that count, in what knows no original.
    """
    lines = []
    for label in dict.fromkeys(label for summary in block for label in summary.means):
        key = original_key(label)
        original_values = {row["image"]: row[key] for row in counting if row.get(key) is not None}
        column = max(width, len("original")) if original_values else width
        lines.append(f"  {label}")
        for summary in block:
            if label in summary.means:
                some = summary.codec != anchor and label in summary.differences
                change = f"Δ {summary.differences[label]}" if some else ""
                lines.append(
                    f"{summary.codec:<{column}} {summary.means[label]!s:<32} {change}".rstrip()
                )
        if original_values:
            mean = mean_with_interval(np.array(list(original_values.values())))
            lines.append(f"{'original':<{column}} {mean}")
    return lines


def _realism_lines(block: Sequence[RateSummary], width: int) -> list[str]:
    """Every measure of realism, of the codecs that were measured by it."""
    texts = {
        summary.codec: measures.figure_texts(summary.realism)
        for summary in block
        if summary.realism
    }
    lines = []
    for label in next(iter(texts.values()), ()):
        lines.append(f"  {label}")
        lines += [f"{codec:<{width}} {values[label]}" for codec, values in texts.items()]
    return lines


def realism_cautions(summaries: Iterable[RateSummary]) -> list[str]:
    """What must be said of the realism that has the fewest patches."""
    measured = [summary.realism for summary in summaries if summary.realism]
    fewest = min(measured, key=lambda realism: realism["patches"], default=None)
    return measures.small_sample_cautions(fewest) if fewest else []
