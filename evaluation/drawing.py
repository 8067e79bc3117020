"""`metamer plot`: every figure that results allow."""

import json
from collections.abc import Sequence
from pathlib import Path

from codec.errors import FileError, MetamerError
from evaluation import plots, published, rate_distortion
from evaluation.plots.style import Look
from evaluation.results import Results, labels, load


def draw(folders: Sequence[Path], out: Path, formats: Sequence[str] = ("png",), specs: Sequence[str] = (),
         others: Sequence[str] = (), complexity: Path | None = None) -> list[Path]:
    """Draws what is in the folders into ``out``; returns the files written. Raises MetamerError.

    specs: labels of distances, all that were measured by default; the first is the plane's. others: names of
    `evaluation.published`. complexity: JSON, a list of `plots.Complexity`.
    """
    found = load(folders)
    work = complexities(complexity) if complexity else []
    codecs = [*(row["codec"] for row in found.rows + found.matched), *(summary.codec for summary in found.summaries)]
    styles = plots.looks([*codecs, *(published.find(name).name for name in others)])
    figures = {}
    for name, rows in (("rate_distortion", found.rows), ("rate_distortion_matched", found.matched)):
        if rows:
            figures[name] = rate_distortion.figure(rows, chosen(labels(rows), specs), others) | {"styles": styles}
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for suffix in dict.fromkeys(formats):
        for name, parts in figures.items():
            written.append(out / f"{name}.{suffix}")
            plots.rate_distortion(path=written[-1], **parts)
        written += realism(found, out, suffix, specs, styles)
        if found.logs:
            written.append(out / f"training.{suffix}")
            plots.training(found.logs, written[-1])
        if work:
            written.append(out / f"rate_distortion_complexity.{suffix}")
            plots.rate_distortion_complexity(work, written[-1])
    return written


def chosen(known: Sequence[str], specs: Sequence[str]) -> list[str]:
    """The distances asked for, all that are known by default. Raises MetamerError for one that was not measured."""
    if missing := [spec for spec in specs if spec not in known]:
        raise MetamerError(f"{missing[0]} was not measured; there are {', '.join(known)}")
    return list(specs or known)


def realism(found: Results, out: Path, suffix: str, specs: Sequence[str], styles: dict[str, Look]) -> list[Path]:
    """Realism over rate, where there is more than one rate, and the plane; nothing where realism was not measured."""
    measured = [summary for summary in found.summaries if summary.realism]
    if not measured:
        return []
    if len(counts := {summary.realism["pictures"] for summary in measured}) > 1:
        told = " and ".join(map(str, sorted(counts)))
        raise MetamerError(f"realism of {told} pictures does not compare; plot one run at a time")
    written = [out / f"distortion_realism.{suffix}"]
    plots.plane(measured, chosen(list(measured[0].means), specs)[0], written[0], styles)
    if len({summary.target for summary in measured}) > 1:
        written.append(out / f"rate_realism.{suffix}")
        plots.rate_realism(measured, written[1], styles)
    return written


def complexities(path: Path) -> list[plots.Complexity]:
    """Of a JSON file: a list of objects with name, kmac_decoder, bd_rate and source. Raises FileError."""
    try:
        return [plots.Complexity(**entry) for entry in json.loads(path.read_text())]
    except OSError as problem:
        raise FileError(f"{path}: {problem.strerror.lower()}") from None
    except (ValueError, TypeError):
        raise FileError(f"{path}: a JSON list of objects with name, kmac_decoder, bd_rate and source is needed") from None
