"""Rate and distortion of real files: rows for each picture and setting, means, BD-rates, a
figure.
"""

import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from metamer.codec.errors import MetamerError
from metamer.codec.system import files
from metamer.evaluation import plots
from metamer.evaluation.codecs.registry import get_codec
from metamer.evaluation.images import held_out_paths
from metamer.evaluation.intervals import bootstrap_interval
from metamer.evaluation.measure import measurements
from metamer.evaluation.measure.measurements import Point, Row
from metamer.evaluation.rate import bjontegaard, published
from metamer.evaluation.rate.bjontegaard import bd_rate
from metamer.evaluation.rate.published import PublishedCodec
from metamer.perception.metric import Metric
from metamer.perception.registry import find

DEFAULT_METRICS = ("psnr", "ms-ssim")
FLOOR = 1e-10  # of what a logarithm is taken of


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
    if strange := set(chosen) - {"", *names}:
        raise MetamerError(f"settings are given for '{min(strange)}', which is not measured")
    points = []
    for name in names:
        values = chosen.get(name) or chosen.get("") or get_codec(name).settings
        for value in dict.fromkeys(values):
            get_codec(name).check(value)
            points.append(Point(name, value))
    return points


def bd_scale(metric: Metric) -> tuple[str, Callable[[np.ndarray], np.ndarray]]:
    """What it is called, and how values are taken, so that a BD-rate makes sense: rising, and not
    saturated where pictures are good.

    A similarity x that ends at 1 is taken as −10·log₁₀(1 − x), a distance x as −10·log₁₀(x), both
    in decibel; PSNR, SSIMULACRA 2 and ColorVideoVDP as they are.
    """
    if not metric.higher_is_better:
        return " (dB, −10·log₁₀(x))", lambda x: -10 * np.log10(np.maximum(x, FLOOR))
    if metric.high == 1:
        return " (dB, −10·log₁₀(1 − x))", lambda x: -10 * np.log10(np.maximum(1 - x, FLOOR))
    return "", lambda x: x


def on_scale(label: str, curve: np.ndarray) -> np.ndarray:
    """A curve, (points, 1 + values) bpp and values of a distance, with those on its `bd_scale`."""
    change = bd_scale(find(label.partition(":")[0]))[1]
    return np.c_[curve[:, 0], change(curve[:, 1:])]


def curves_by_picture(rows: Iterable[Row], label: str) -> bjontegaard.PictureCurves:
    """Every picture's curves in a distance, whose means are on its `bd_scale`."""
    return bjontegaard.picture_curves(rows, label, bd_scale(find(label.partition(":")[0]))[1])


def mean_curves(rows: Iterable[Row], label: str) -> tuple[str, dict[str, np.ndarray]]:
    """A distance's label with its scale, and on that codec → (settings, 2) mean bpp and metric over
    pictures.
    """
    of = curves_by_picture(rows, label)
    return f"{label}{bd_scale(find(label.partition(':')[0]))[0]}", {
        codec: of.curve(codec) for codec in of.values
    }


def mean_curve_intervals(rows: Iterable[Row], label: str) -> dict[str, np.ndarray]:
    """codec → (settings, 3) mean bpp and the ends of the mean's 95 % bootstrap interval over
    pictures, on the scale and in the order of `mean_curves`.
    """
    of, intervals = curves_by_picture(rows, label), {}
    for codec, values in of.values.items():
        columns = np.moveaxis(values, 0, 2)  # (settings, 2, P)
        ends = sorted(
            (rate.mean(), *bootstrap_interval(np.mean, [column])) for rate, column in columns
        )
        intervals[codec] = on_scale(label, np.array(ends))
    return intervals


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


def rate_distortion_table(
    rows: list[Row], specs: Sequence[str], anchor: str, names: Sequence[str] = ()
) -> str:
    """BD-rates of every codec against ``anchor`` in every distance, with intervals and the ranges
    they cover, of all against all, and mean seconds, as text. names: published curves to count in.
    """
    codecs = list(dict.fromkeys(row["codec"] for row in rows))
    titles = [title for name in names for title in (published.find_published(name).title,)]
    width = max(map(len, ["codec", *codecs, *titles]))
    count = len({row["image"] for row in rows})
    lines = [
        f"{count} images; bpp is the whole file; mean curves; BD-rate against {anchor} (PCHIP over "
        "the common range), "
        "95 % bootstrap interval over images",
        "",
        f"{'codec':<{width}} {'bpp':>13} {'enc s':>6} {'dec s':>6} {'enc MiB':>7} {'dec MiB':>7}",
    ]
    for name in codecs:
        own = [row for row in rows if row["codec"] == name]
        rates = [
            float(np.mean([row["bpp"] for row in own if row["setting"] == at]))
            for at in {row["setting"] for row in own}
        ]
        seconds = [np.mean([row[f"{way}_seconds"] for row in own]) for way in ("encode", "decode")]
        peaks = [
            max((row.get(f"{way}_peak_mib") or math.nan for row in own), default=math.nan)
            for way in ("encode", "decode")
        ]
        lines.append(
            f"{name:<{width}} {min(rates):5.3f} – {max(rates):5.3f} {seconds[0]:6.3f} "
            f"{seconds[1]:6.3f} "
            f"{peaks[0]:7.0f} {peaks[1]:7.0f}"
        )
    for label in spec_labels(specs):
        title, curves = mean_curves(rows, label)
        of = curves_by_picture(rows, label)
        lines += [
            "",
            title,
            f"{'codec':<{width}} {'range':>15} {'BD-rate':>9} {'interval':>17} {'over':>15}",
        ]
        for name, curve in (curves | published_curves_by_title(names, label)).items():
            rate, low, high = bd_rate(curves[anchor], curve) if anchor in curves else (np.nan,) * 3
            ends = (
                bjontegaard.bd_rate_interval(of, anchor, name)
                if name in of.values and name != anchor
                else (np.nan,) * 2
            )
            written = "–" if np.isnan(rate) else f"{rate:+.1f} %"
            within = "–" if np.isnan(ends[0]) else f"{ends[0]:+.1f} … {ends[1]:+.1f}"
            over = "–" if np.isnan(rate) else f"{low:.2f} – {high:.2f}"
            extent = f"{curve[0, 1]:.2f} – {curve[-1, 1]:.2f}"
            lines.append(f"{name:<{width}} {extent:>15} {written:>9} {within:>17} {over:>15}")
        lines += ["", *bd_matrix_lines(curves | published_curves_by_title(names, label), width)]
    return "\n".join(lines)


def bd_matrix_lines(curves: dict[str, np.ndarray], width: int) -> list[str]:
    """The matrices of BD-rate and BD-distortion: each codec, a row, against each other, a column
    with its row's number.
    """
    differences = {
        (difference.anchor, difference.codec, difference.method): difference
        for difference in bjontegaard.pairwise_differences(curves)
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


def bjontegaard_summary(
    rows: list[Row], specs: Sequence[str], anchor: str, names: Sequence[str] = ()
) -> dict[str, object]:
    """For JSON: by distance's label, its title, all `bjontegaard.Difference`s, those of each
    picture against ``anchor``, and the bands of mean curves. NaN as null.
    """
    summary = {}
    for label in spec_labels(specs):
        title, curves = mean_curves(rows, label)
        of = curves_by_picture(rows, label)
        summary[label] = {
            "title": title,
            "differences": [
                asdict(difference)
                for difference in bjontegaard.pairwise_differences(
                    curves | published_curves_by_title(names, label)
                )
            ],
            "pictures": bjontegaard.differences_by_picture(of, anchor)
            if anchor in of.values
            else [],
            "bands": {
                name: band.tolist() for name, band in mean_curve_intervals(rows, label).items()
            },
        }
    return _plain(summary)


def spec_labels(specs: Iterable[str]) -> list[str]:
    return [measurements.cached_distance(spec).label for spec in specs]


def figure_data(
    rows: Sequence[Row], labels: Iterable[str], names: Sequence[str] = ()
) -> dict[str, object]:
    """What `plots.rate_distortion` draws of rows and of published codecs."""
    data: dict[str, dict] = {"metrics": {}, "bands": {}, "published": {}}
    sources = []
    for label in labels:
        scale_of, curves = mean_curves(rows, label)
        name = plots.metric_title(label) + scale_of.removeprefix(label)
        data["metrics"][name] = curves
        data["bands"][name] = mean_curve_intervals(rows, label)
        data["published"][name] = {
            codec.name: curve for codec, curve in published_curves(names, label)
        }
        sources += [codec.source for codec, _ in published_curves(names, label)]
    pictures = len({row["image"] for row in rows})
    note = f"mean over {pictures} image{'s' * (pictures != 1)}, bands: its 95 % bootstrap interval"
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
    for label in labels:
        for difference in bjontegaard.differences_by_picture(
            curves_by_picture(rows, label), anchor
        ):
            rates_by_metric.setdefault(plots.metric_title(label), {}).setdefault(
                difference["codec"], []
            ).append(difference["rate"])
    some = {
        name: {codec: rates for codec, rates in by.items() if np.isfinite(rates).any()}
        for name, by in rates_by_metric.items()
    }
    return {name: by for name, by in some.items() if by}


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
    at = measurement_points([*names, anchor], settings)
    rows = list(
        measurements.measure_pictures(paths, at, specs, out / "results.jsonl", jobs).values()
    )
    text = rate_distortion_table(rows, specs, anchor, published_names)
    files.write_file(str(out / "table.txt"), (text + "\n").encode())
    files.write_file(
        str(out / "bjontegaard.json"),
        (json.dumps(bjontegaard_summary(rows, specs, anchor, published_names)) + "\n").encode(),
    )
    plots.plot_rate_distortion(
        path=out / "rate_distortion.png", **figure_data(rows, spec_labels(specs), published_names)
    )
    return text
