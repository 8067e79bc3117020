"""Codecs at equal rates: every picture encoded at the setting nearest to a rate, and what differs
from one codec to another.

A codec's mean curve hides that it spends its bits on other pictures than another does; here each
picture has the same from all. A picture that some codec cannot bring within 3 % of the rate does
not count (`evaluation.results.at_rate`).
"""

import functools
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from metamer.codec.errors import MetamerError
from metamer.codec.system import files
from metamer.evaluation.codecs.registry import check_names, get_codec
from metamer.evaluation.images import held_out_paths, read_image
from metamer.evaluation.intervals import LEAST_PICTURES
from metamer.evaluation.measure.decoded import decode_again, decoded_path, save_originals
from metamer.evaluation.measure.measurements import cached_distance
from metamer.evaluation.measure.pictures import measure_pictures
from metamer.evaluation.measure.rows import Point, Row
from metamer.evaluation.rate.crops import save_crop_sheet
from metamer.evaluation.rate.matched_summary import matched_table, summarise_rate
from metamer.evaluation.rate.rate_distortion import DEFAULT_METRICS
from metamer.evaluation.rate.tables import UNTRAINED
from metamer.evaluation.realism import comparison
from metamer.evaluation.realism.features import FeatureSampler
from metamer.evaluation.results.at_rate import at_rate
from metamer.evaluation.results.summary import RateSummary


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
    dask: str | None = None,
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
        dask: Address of a Dask scheduler whose workers measure, instead of ``jobs``.

    Returns:
        The table.

    Raises:
        MetamerError: Unknown codecs, a sheet at another rate, pictures that cannot be read.
        PerceptionError: Distances or weights that cannot be used.
    """
    targets = list(dict.fromkeys(targets))
    if sheet_rate is not None and sheet_rate not in targets:
        raise MetamerError(f"a sheet at {sheet_rate:g} bpp needs --bpp {sheet_rate:g}")
    paths = held_out_paths(folder)
    # unknown codecs and weights that are not here are reported before the first hour is spent
    names, anchor = codecs_and_anchor(names, anchor)
    sample = FeatureSampler(critic=critic) if with_realism else None
    points = [Point(name, target=target) for target in targets for name in names]
    places = functools.partial(decoded_path, out / "decoded") if keep else None
    measured = measure_pictures(paths, points, specs, out / "matched.jsonl", jobs, places, dask)
    if keep:
        save_originals(paths, out / "decoded")
    labels = [cached_distance(spec).label for spec in specs]
    rows = list(measured.values())
    summaries = [
        summary for target in targets for summary in summarise_rate(rows, target, anchor, labels)
    ]
    if sample:
        measure_realism(summaries, paths, rows, sample)
    text = matched_table(summaries, anchor, rows)
    files.write_file(str(out / "matched.txt"), (text + "\n").encode())
    summaries_json = json.dumps(list(map(asdict, summaries)), indent=1)
    files.write_file(str(out / "matched.json"), (summaries_json + "\n").encode())
    if sheet_rate is not None:
        sheet = [point for point in points if point.target == sheet_rate]
        save_crop_sheet(paths, measured, sheet, out / "crops.png")
    return text


def codecs_and_anchor(names: Sequence[str], anchor: str | None) -> tuple[list[str], str]:
    """What is to be measured, the anchor included, and what the anchor is called in results.

    Raises as `check_trained`.
    """
    codecs = {get_codec(name).name: name for name in names}
    names = list(dict.fromkeys([*names, *([anchor] if anchor and anchor not in codecs else [])]))
    check_trained(names)
    return names, get_codec(codecs.get(anchor, anchor or names[0])).name


def check_trained(names: Sequence[str]) -> None:
    """Raises MetamerError for what has no rate that means anything, and for unknown names."""
    check_names(names)
    for name in names:
        if not get_codec(name).trained:
            raise MetamerError(
                f"{name} is {UNTRAINED} (`metamer complexity`); its rates mean nothing"
            )


def measure_realism(
    summaries: Sequence[RateSummary],
    paths: Sequence[Path],
    rows: Sequence[Row],
    sample: FeatureSampler,
) -> None:
    """Sets the realism of every codec that is at its rate, on the pictures that count there.

    None where so many were left out that too few remain.
    """
    originals = sample(map(read_image, paths))
    by_cell = {(row["image"], row["codec"], row["target"]): row for row in rows}
    for target in dict.fromkeys(summary.target for summary in summaries):
        at = at_rate(row for row in rows if row["target"] == target)
        chosen = [index for index, path in enumerate(paths) if path.name in at.images]
        if len(chosen) < min(LEAST_PICTURES, len(paths)):
            continue
        for summary in summaries:
            if summary.target == target and summary.pictures:
                decoded = sample(
                    decode_again(paths[index], by_cell[paths[index].name, summary.codec, target])
                    for index in chosen
                )
                summary.realism = comparison.compare_sets(originals.of(chosen), decoded)
