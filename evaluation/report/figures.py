"""`metamer plot`: every figure that results allow."""

import json
from collections.abc import Sequence
from pathlib import Path

from metamer.codec.errors import FileError, MetamerError
from metamer.codec.system import files
from metamer.evaluation import plots
from metamer.evaluation.measure.rows import Row
from metamer.evaluation.plots.style import Style
from metamer.evaluation.rate import published
from metamer.evaluation.rate.bjontegaard import bd_rate
from metamer.evaluation.rate.curves import mean_curves
from metamer.evaluation.rate.figure_data import figure_data, picture_bd_rates, usual_anchor
from metamer.evaluation.results.folders import Results, distance_labels, load_results


def draw_figures(
    folders: Sequence[Path],
    out: Path,
    formats: Sequence[str] = ("png",),
    specs: Sequence[str] = (),
    others: Sequence[str] = (),
    complexity: Path | None = None,
    anchor: str | None = None,
) -> tuple[list[Path], list[str]]:
    """Draws what is in folders of results.

    Args:
        folders: What `metamer evaluate` and `metamer train` wrote.
        out: Folder for the figures.
        formats: Of png, svg and pdf.
        specs: Labels of distances, by default all that were measured; the first is the plane's.
        others: Names of published codecs (`evaluation.rate.published`), which are of Kodak.
        complexity: JSON of `metamer complexity`; None for no plot of complexity.
        anchor: Codec that single pictures' gains and bands are against; by default jpeg if it was
            measured, else the first.

    Returns:
        The files written, and what must be said of them, a line each.

    Raises:
        MetamerError: A distance or codec that was not measured, published curves beside other
            pictures than Kodak's, or files that cannot be read.
    """
    results = load_results(folders)
    published_names = [published.find_published(name).name for name in others]
    check_anchor(results, anchor)
    work = complexity_points(complexity, results.rows) if complexity else []
    if others or work:
        published.check_kodak_digests(results.digests())
    styles = plots.codec_styles([*results.codecs(), *published_names])
    curves = {
        name: figure_data(rows, chosen_labels(distance_labels(rows), specs), others, anchor)
        for name, rows in (
            ("rate_distortion", results.rows),
            ("rate_distortion_matched", results.matched),
        )
        if rows
    }
    gains, against = gains_against(results.rows, specs, anchor)
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for suffix in dict.fromkeys(formats):
        for name, data in curves.items():
            written.append(out / f"{name}.{suffix}")
            plots.plot_rate_distortion(path=written[-1], styles=styles, **data)
        if gains:
            written.append(out / f"gains.{suffix}")
            plots.plot_gains(gains, against, written[-1], styles)
        written += draw_realism(results, out, suffix, specs, styles)
        if results.logs:
            written.append(out / f"training.{suffix}")
            plots.plot_training(results.logs, written[-1])
        if work:
            written.append(out / f"rate_distortion_complexity.{suffix}")
            plots.plot_complexity(work, written[-1], published.ANCHOR)
    return written, untrained_notes(results)


def check_anchor(results: Results, anchor: str | None) -> None:
    """Raises MetamerError for an anchor that was not measured."""
    if anchor and anchor not in {row["codec"] for row in results.rows + results.matched}:
        raise MetamerError(f"{anchor} was not measured; there are {', '.join(results.codecs())}")


def untrained_notes(results: Results) -> list[str]:
    """A line for networks that are in no figure, for want of training."""
    if not results.untrained:
        return []
    names = ", ".join(results.untrained)
    return [f"left out of figures: {names}; untrained, which is good for timing alone"]


def chosen_labels(measured: Sequence[str], specs: Sequence[str]) -> list[str]:
    """The distances asked for, all that are known by default. Raises MetamerError for one that was
    not measured.
    """
    if missing := [spec for spec in specs if spec not in measured]:
        raise MetamerError(f"{missing[0]} was not measured; there are {', '.join(measured)}")
    return list(specs or measured)


def gains_against(
    rows: Sequence[Row], specs: Sequence[str], anchor: str | None
) -> tuple[dict, str]:
    """`figure_data.picture_bd_rates` of rows over settings, and the anchor; none where the anchor
    has no such rows.
    """
    codecs = list(dict.fromkeys(row["codec"] for row in rows))
    anchor = anchor or usual_anchor(rows)
    if len(codecs) < 2 or anchor not in codecs:
        return {}, anchor
    return picture_bd_rates(rows, chosen_labels(distance_labels(rows), specs), anchor), anchor


def draw_realism(
    results: Results, out: Path, suffix: str, specs: Sequence[str], styles: dict[str, Style]
) -> list[Path]:
    """Realism over rate, where there is more than one rate, and the plane; nothing where realism
    was not measured.
    """
    measured = [summary for summary in results.summaries if summary.realism]
    if not measured:
        return []
    for target in {summary.target for summary in measured}:
        counts = {part.realism["pictures"] for part in measured if part.target == target}
        if len(counts) > 1:
            text = " and ".join(map(str, sorted(counts)))
            raise MetamerError(
                f"realism of {text} pictures does not compare; plot one run at a time"
            )
    labels = dict.fromkeys(label for summary in measured for label in summary.means)
    written = [out / f"distortion_realism.{suffix}"]
    plots.plot_realism_plane(measured, chosen_labels(list(labels), specs)[0], written[0], styles)
    if len({summary.target for summary in measured}) > 1:
        written.append(out / f"rate_realism.{suffix}")
        plots.plot_rate_realism(measured, written[1], styles)
    return written


def complexity_points(path: Path, rows: Sequence[Row]) -> list[plots.ComplexityPoint]:
    """Codecs that were measured on Kodak, and published ones: work of the decoder, BD-rate in PSNR
    against published BPG.

    path: JSON of `metamer complexity`; rows: over settings. Raises FileError, and MetamerError
    where nothing measured has both.
    """
    try:
        work = {
            network["codec"]: network["decoder_kmac"]
            for network in json.loads(path.read_text())["codecs"]
        }
    except OSError as problem:
        raise FileError(f"{path}: {files.reason(problem)}") from None
    except (ValueError, TypeError, KeyError):
        raise FileError(f"{path}: the JSON of `metamer complexity --json` is needed") from None
    anchor = published.find_published(published.ANCHOR).curves["psnr"]
    curves = mean_curves(rows, "psnr")[1] if "psnr" in distance_labels(rows) else {}
    points = [
        plots.ComplexityPoint(codec, work[codec], bd_rate(anchor, curve)[0])
        for codec, curve in curves.items()
        if work.get(codec)
    ]
    if not points:
        raise MetamerError(
            f"{path} has the work of no network whose PSNR was measured over settings"
        )
    return points + [
        plots.ComplexityPoint(network.name, network.decoder, rate, network.source)
        for network, rate in published.published_bd_rates()
    ]
