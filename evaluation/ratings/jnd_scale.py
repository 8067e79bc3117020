"""What a unit of a metric is in just noticeable differences (JND), by JPEG AIC-4's data.

ISO/IEC 29170-3 (JPEG AIC-3) asks people for triplets of compressed pictures and makes a scale of
their answers whose unit, one JND, is what 75 % of forced choices between two tell apart. The data
set JPEG-AIC-4-datasets (jpeg-aic on GitHub) has 300 pictures on that scale, of five photographs and
six codecs, with what nine metrics say of each; the pictures themselves are not part of it.
"""

import csv
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from metamer.codec.system import files
from metamer.evaluation.intervals import bootstrap_interval
from metamer.evaluation.markdown import interval_text, markdown_table
from metamer.evaluation.ratings import agreement
from metamer.evaluation.ratings.items import RatingsError

METRICS = (
    "PSNR-Y",
    "SSIM",
    "MS-SSIM",
    "IW-SSIM",
    "VMAF-neg",
    "SSIMULACRA2",
    "HDR-VDP-2 Q",
    "HDR-VDP-3 Q",
    "CVVDP",
)
JOD_METRIC, MOST_JOD = "CVVDP", 10.0  # in just objectionable differences below its best
SAMPLES = 2000

Interval = tuple[float, float, float]


@dataclass(frozen=True)
class JndScale:
    """Each (value, low, high): a 95 % interval from drawing the photographs anew.

    spearman: metric → rank correlation with JND, from −1 to 1. per_jod: JND a JOD of ColorVideoVDP,
    by least squares through 0; error: root mean square of what that leaves, in JND. pictures,
    photographs: how many.
    """

    pictures: int
    photographs: int
    spearman: dict[str, Interval]
    per_jod: Interval
    error: Interval


def read_scores(path: Path) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Of jpeg_aic4_metric_scores.csv: photographs' numbers (N,), JND (N,), metric → scores (N,).
    Raises RatingsError, which names the line.
    """
    try:
        with open(path, newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as problem:
        raise RatingsError(f"{path} cannot be read: {problem}") from None
    required = ("img_num", "distortion", *METRICS)
    if not rows or any(name not in rows[0] for name in required):
        raise RatingsError(f"{path} is not JPEG AIC-4's table of scores: {', '.join(required)}")
    columns: dict[str, list[float]] = {name: [] for name in required}
    for line, row in enumerate(rows, 2):
        for name in required:
            try:
                columns[name].append(float(row[name]))
            except (TypeError, ValueError):
                raise RatingsError(f"{path}, line {line}: {name} is no number") from None
    scores = {name: np.array(values) for name, values in columns.items()}
    if not all(np.isfinite(values).all() for values in scores.values()):
        raise RatingsError(f"{path} holds values that are not finite")
    return scores.pop("img_num"), scores.pop("distortion"), scores


def slope(jod: np.ndarray, jnd: np.ndarray) -> float:
    """JND a JOD, by least squares through 0: no difference is none on either scale."""
    return float(jod @ jnd / (jod @ jod))


def remaining_error(jod: np.ndarray, jnd: np.ndarray) -> float:
    """Root mean square of what `slope` leaves, in JND."""
    return float(np.sqrt(np.mean((jnd - slope(jod, jnd) * jod) ** 2)))


def calibrate(path: Path) -> JndScale:
    """The scale by jpeg_aic4_metric_scores.csv. Raises RatingsError."""
    photograph, jnd, scores = read_scores(path)

    def interval(statistic: Callable[..., float], values: np.ndarray) -> Interval:
        return statistic(values, jnd), *bootstrap_interval(
            statistic, (values, jnd), photograph, SAMPLES
        )

    jod = MOST_JOD - scores[JOD_METRIC]
    return JndScale(
        len(jnd),
        len(np.unique(photograph)),
        {name: interval(agreement.spearman, values) for name, values in scores.items()},
        interval(slope, jod),
        interval(remaining_error, jod),
    )


def study_jnd(path: Path, out: Path) -> str:
    """Writes jnd-scale.json into ``out``; returns it as text. Raises RatingsError."""
    scale = calibrate(path)
    files.write_file(
        str(out / "jnd-scale.json"), (json.dumps(asdict(scale), indent=1) + "\n").encode()
    )
    return (
        f"{scale.pictures} pictures of {scale.photographs} photographs; 95 % intervals over these\n"
        f"1 JOD of ColorVideoVDP is {interval_text(*scale.per_jod)} JND, and leaves an error of "
        f"{interval_text(*scale.error)} JND\n\n{spearman_table(scale.spearman)}"
    )


def spearman_table(spearman: dict[str, Interval]) -> str:
    """Metrics by the size of their rank correlation with JND."""
    rows = sorted(spearman.items(), key=lambda row: -abs(row[1][0]))
    return markdown_table(
        ["metric", "Spearman"],
        [[name, interval_text(*sorted_ends(value))] for name, value in rows],
    )


def sorted_ends(value: Interval) -> Interval:
    """The size of a correlation, whichever way the metric points."""
    middle, *ends = map(abs, value)
    return middle, min(ends), max(ends)
