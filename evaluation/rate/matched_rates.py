"""Codecs at equal rates: every picture encoded at the setting nearest to a rate, and what differs
from one codec to another.

A codec's mean curve hides that it spends its bits on other pictures than another does; here each
picture has the same from all.
"""

import functools
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from metamer.codec.errors import MetamerError
from metamer.codec.system import files
from metamer.evaluation.codecs.registry import get_codec
from metamer.evaluation.images import held_out_paths, read_image
from metamer.evaluation.intervals import bootstrap_interval
from metamer.evaluation.measure import measurements
from metamer.evaluation.measure.decoded import decode_again, decoded_path, save_originals
from metamer.evaluation.measure.measurements import Point, Row
from metamer.evaluation.measure.summary import MeanInterval, RateSummary
from metamer.evaluation.rate.crops import save_crop_sheet
from metamer.evaluation.rate.rate_distortion import DEFAULT_METRICS
from metamer.evaluation.realism import comparison, measures
from metamer.evaluation.realism.features import FeatureSampler


def mean_with_interval(values: np.ndarray) -> MeanInterval:
    """Of (N,) values, one a picture."""
    return MeanInterval(float(values.mean()), *bootstrap_interval(np.mean, [values]))


def summarise(
    rows: dict[tuple[str, Point], Row], point: Point, anchor: Point, labels: Sequence[str]
) -> RateSummary:
    """Of the rows, by (picture, point), at one point against another's; pictures too small for a
    distance are left out.
    """
    own, other = (
        {name: row for (name, at), row in rows.items() if at == which} for which in (point, anchor)
    )
    rates = np.array([row["bpp"] for row in own.values()])
    away = np.abs(rates - point.target)
    means, differences = {}, {}
    for label in labels:
        names = [name for name, row in own.items() if row[label] is not None]
        if names:
            values, theirs = (
                np.array([of[name][label] for name in names], float) for of in (own, other)
            )
            means[label], differences[label] = (
                mean_with_interval(values),
                mean_with_interval(values - theirs),
            )
    return RateSummary(
        point.codec,
        point.target,
        len(own),
        float(rates.mean()),
        float(away.mean()),
        float(away.max()),
        means,
        differences,
    )


def matched_table(summaries: Sequence[RateSummary], anchor: str) -> str:
    """Rates, means and differences from the anchor, a block for each rate."""
    width = max(len(summary.codec) for summary in summaries) + 1
    lines = [
        f"{summaries[0].pictures} images, each at the setting nearest to the rate; means over "
        "images with 95 % bootstrap "
        f"intervals; Δ is the mean of differences from {anchor} on the same image"
    ]
    for target in dict.fromkeys(summary.target for summary in summaries):
        block = [summary for summary in summaries if summary.target == target]
        lines += [
            "",
            f"{target:g} bpp",
            f"{'codec':<{width}} {'bpp':>7} {'mean off':>9} {'largest':>9}",
        ]
        lines += [
            f"{summary.codec:<{width}} {summary.bpp:7.4f} {summary.mean_deviation:9.4f} "
            f"{summary.largest_deviation:9.4f}"
            for summary in block
        ]
        for label in block[0].means:
            lines.append(f"  {label}")
            for summary in block:
                change = "" if summary.codec == anchor else f"Δ {summary.differences[label]}"
                lines.append(
                    f"{summary.codec:<{width}} {summary.means[label]!s:<32} {change}".rstrip()
                )
        realism_texts = {
            summary.codec: measures.figure_texts(summary.realism)
            for summary in block
            if summary.realism
        }
        for label in next(iter(realism_texts.values()), ()):
            lines += [
                f"  {label}",
                *(f"{codec:<{width}} {values[label]}" for codec, values in realism_texts.items()),
            ]
    lines += (
        [f"caution: {said}" for said in measures.small_sample_cautions(summaries[0].realism)]
        if summaries[0].realism
        else []
    )
    return "\n".join(lines)


def evaluate_at_rates(
    folder: Path,
    names: Sequence[str],
    out: Path,
    targets: Sequence[float],
    anchor: str | None = None,
    specs: Sequence[str] = DEFAULT_METRICS,
    jobs: int = 1,
    keep: bool = False,
    sheet_rate: float | None = None,
    with_realism: bool = False,
    critic: str | None = None,
) -> str:
    """Measures codecs at equal rates on the pictures of a folder.

    Writes into ``out``: matched.jsonl (a row per picture, codec and rate; an interrupted run
    continues), matched.txt and matched.json (`RateSummary`); with ``keep`` what was decoded, in
    decoded/CODEC@BPP/, and the originals, in decoded/original/; and for the rate ``sheet_rate``
    crops.png.

    Args:
        folder: Pictures; those that its validation.txt names, if it has one.
        names: `evaluation.codecs.registry.get_codec`.
        out: Folder for what is written.
        targets: Rates in bits a pixel.
        anchor: Codec that differences are from; by default the first.
        specs: Distances, `perception.from_spec`.
        jobs: Processes.
        keep: Whether decoded pictures are kept.
        sheet_rate: Rate of the sheet of crops, one of ``targets``; None for none.
        with_realism: Also how far the decoded set lies from the originals, for every codec at every
            rate (`comparison.compare_sets`, without PIM's z, which takes longest).
        critic: Network of the post-hoc critic; None for none.

    Returns:
        The table.

    Raises:
        MetamerError: Unknown codecs, a sheet at another rate, pictures that cannot be read.
        PerceptionError: Distances or weights that cannot be used.
    """
    out, targets = Path(out), list(dict.fromkeys(targets))
    if sheet_rate is not None and sheet_rate not in targets:
        raise MetamerError(f"a sheet at {sheet_rate:g} bpp needs --bpp {sheet_rate:g}")
    paths = held_out_paths(folder)
    names = list(dict.fromkeys([*names, *filter(None, [anchor])]))
    anchor = anchor or names[0]
    points = [Point(name, target=target) for target in targets for name in names]
    for name in names:
        get_codec(name)  # unknown ones are reported before the first hour is spent
    # so are weights that are not here
    sample = FeatureSampler(critic=critic) if with_realism else None
    places = functools.partial(decoded_path, out / "decoded") if keep else None
    rows = measurements.measure_pictures(paths, points, specs, out / "matched.jsonl", jobs, places)
    if keep:
        save_originals(paths, out / "decoded")
    labels = [measurements.cached_distance(spec).label for spec in specs]
    summaries = [
        summarise(rows, point, Point(anchor, target=point.target), labels) for point in points
    ]
    if sample:
        originals = sample(map(read_image, paths))
        for each, point in zip(summaries, points, strict=True):
            each.realism = comparison.compare_sets(
                originals, sample(decode_again(path, rows[path.name, point]) for path in paths)
            )
    text = matched_table(summaries, anchor)
    files.write(str(out / "matched.txt"), (text + "\n").encode())
    files.write(
        str(out / "matched.json"),
        (json.dumps(list(map(asdict, summaries)), indent=1) + "\n").encode(),
    )
    if sheet_rate is not None:
        save_crop_sheet(
            paths,
            rows,
            [point for point in points if point.target == sheet_rate],
            out / "crops.png",
        )
    return text
