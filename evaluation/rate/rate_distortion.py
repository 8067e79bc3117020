"""Rate and distortion of real files over codecs' settings: rows for each picture and setting,
means, BD-rates, a figure.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from metamer.codec.errors import MetamerError
from metamer.codec.system import files
from metamer.evaluation import plots
from metamer.evaluation.codecs.registry import check_names, get_codec
from metamer.evaluation.images import held_out_paths
from metamer.evaluation.measure.measurements import cached_distance
from metamer.evaluation.measure.pictures import measure_pictures
from metamer.evaluation.measure.rows import Point, Row, is_trained
from metamer.evaluation.rate import bjontegaard, published
from metamer.evaluation.rate.curves import (
    curves_by_picture,
    has_bd_rates,
    mean_curves,
    published_curves_by_title,
)
from metamer.evaluation.rate.figure_data import curve_bands, figure_data
from metamer.evaluation.rate.tables import UNTRAINED, rate_distortion_table, scaled_range

DEFAULT_METRICS = ("psnr", "ms-ssim")


def measurement_points(names: Iterable[str], settings: Sequence[str] = ()) -> list[Point]:
    """Every codec at its usual settings, or at those given: "10,20" for all, "avif=10,20" for one.
    Raises MetamerError.
    """
    chosen: dict[str, list[float]] = {}
    for text in settings:
        name, _, numbers = text.rpartition("=")
        try:
            values = [
                int(number) if number.strip().isdigit() else float(number)
                for number in numbers.split(",")
            ]
        except ValueError:
            raise MetamerError(f"'{text}': write settings as 10,20 or CODEC=10,20") from None
        chosen.setdefault(name, []).extend(values)
    names = list(dict.fromkeys(names))
    check_names(names)
    named = {name: get_codec(name).name for name in names}
    if strange := set(chosen) - {"", *names, *named.values()}:
        raise MetamerError(f"settings are given for '{min(strange)}', which is not measured")
    points = []
    for name in names:
        values = (
            chosen.get(name)
            or chosen.get(named[name])
            or chosen.get("")
            or get_codec(name).settings
        )
        for value in dict.fromkeys(values):
            get_codec(name).check(value)
            points.append(Point(name, value))
    return points


def parse_ranges(texts: Iterable[str], labels: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Distance → range, of texts "psnr=30,40". Raises MetamerError."""
    ranges = {}
    for text in texts:
        label, _, numbers = text.rpartition("=")
        try:
            low, high = map(float, numbers.split(","))
        except ValueError:
            low = high = math.nan
        if not low < high:
            raise MetamerError(f"'{text}': write a range as METRIC=LOW,HIGH")
        if label not in labels:
            raise MetamerError(
                f"a range is given for '{label}', which is not measured; there are "
                f"{', '.join(labels)}"
            )
        if not has_bd_rates(label):
            raise MetamerError(f"{label} knows no original, there are no BD-rates in it")
        ranges[label] = (low, high)
    return ranges


def bjontegaard_summary(
    rows: Sequence[Row],
    labels: Sequence[str],
    anchor: str,
    names: Sequence[str] = (),
    ranges: Mapping[str, tuple[float, float]] | None = None,
) -> dict[str, object]:
    """For JSON: by distance's label, its title, the range of its BD-rates if one was named, all
    `bjontegaard.Difference`s, those of each picture against ``anchor``, and the bands of mean
    curves; no differences in what knows no original. NaN as null.
    """
    summary = {}
    for label in labels:
        title, curves = mean_curves(rows, label)
        of = curves_by_picture(rows, label)
        within = (ranges or {}).get(label)
        differences, some = [], has_bd_rates(label)
        if some:
            differences = bjontegaard.pairwise_differences(
                curves | published_curves_by_title(names, label), within=scaled_range(label, within)
            )
        summary[label] = {
            "title": title,
            "within": within,
            "differences": [asdict(difference) for difference in differences],
            "pictures": bjontegaard.differences_by_picture(of, anchor)
            if some and anchor in of.values
            else [],
            "bands": {
                name: band.tolist()
                for name, band in (curve_bands(rows, label, anchor) if curves else {}).items()
            },
        }
    return _plain(summary)


def _plain(value: object) -> object:
    """What JSON can hold."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def evaluate_over_settings(
    folder: Path,
    names: Sequence[str],
    out: Path,
    anchor: str = "jpeg",
    specs: Sequence[str] = DEFAULT_METRICS,
    settings: Sequence[str] = (),
    jobs: int = 1,
    published_names: Sequence[str] = (),
    ranges: Sequence[str] = (),
    dask: str | None = None,
) -> str:
    """Measures codecs over their settings on the pictures of a folder.

    Writes into ``out``: results.jsonl (a row per picture and setting; an interrupted run continues)
    and machines.json, table.txt, bjontegaard.json (`bjontegaard_summary`), and rate_distortion.png.

    Args:
        folder: Pictures; those that its validation.txt names, if it has one.
        names: `evaluation.codecs.registry.get_codec`.
        out: Folder for what is written.
        anchor: Codec that BD-rates are against.
        specs: Distances, `perception.from_spec`.
        settings: "10,20" for all codecs, "avif=10,20" for one; by default `Codec.settings`.
        jobs: Processes.
        published_names: Published codecs to compare with, where the pictures are Kodak's.
        ranges: "METRIC=LOW,HIGH": the range that BD-rates in a distance are over.
        dask: Address of a Dask scheduler whose workers measure, instead of ``jobs``.

    Returns:
        The table.

    Raises:
        MetamerError: Unknown codecs or settings, pictures that cannot be read.
        PerceptionError: Distances that cannot be used.
    """
    out, paths = Path(out), held_out_paths(folder)
    for name in published_names:
        published.find_published(name)
    if published_names:
        published.check_kodak(paths)
    codecs = {get_codec(name).name: name for name in names}
    at = measurement_points([*names, *([] if anchor in codecs else [anchor])], settings)
    if not get_codec(codecs.get(anchor, anchor)).trained:
        raise MetamerError(f"{anchor} is {UNTRAINED}; nothing is compared with it")
    anchor = get_codec(codecs.get(anchor, anchor)).name
    labels = [cached_distance(spec).label for spec in specs]
    within = parse_ranges(ranges, labels)
    measured = measure_pictures(paths, at, specs, out / "results.jsonl", jobs, dask=dask)
    rows = list(measured.values())
    trained = [row for row in rows if is_trained(row)]
    text = rate_distortion_table(rows, labels, anchor, published_names, within)
    files.write_file(str(out / "table.txt"), (text + "\n").encode())
    summary = bjontegaard_summary(trained, labels, anchor, published_names, within)
    files.write_file(str(out / "bjontegaard.json"), (json.dumps(summary) + "\n").encode())
    plots.plot_rate_distortion(
        path=out / "rate_distortion.png", **figure_data(trained, labels, published_names, anchor)
    )
    return text
