"""Denoisers trained on one loss or another: which looks better to judges that none was trained
on.
"""

import numpy as np
from scipy import stats

from metamer.evaluation.markdown import markdown_table
from metamer.perception.registry import metric_of
from research.pages.findings.finding import (
    CANNOT_TELL,
    NOT_REPRODUCED,
    REPRODUCED,
    Finding,
    signed_interval,
)
from research.recorded_results import read_results

SHOWN, DIGITS = ("psnr", "ssim", "lpips-alex", "ssimulacra2", "cvvdp"), (2, 3, 3, 1, 2)
SHARE = 0.5  # of the judges that have to agree


def improvements(record: dict, arm: str, reference: str) -> dict[str, tuple[float, float, float]]:
    """Judge → by how much an arm is better than another, above 0 for better: the mean over seeds of
    means over pictures, with its 95 % interval by Student's t over seeds.
    """
    arms, judges = record["arms"], record["arms"][arm][0][0]
    intervals = {}
    for judge in judges:
        by_seed = np.array(
            [
                np.mean([after[judge] - before[judge] for after, before in zip(*rows, strict=True)])
                for rows in zip(arms[arm], arms[reference], strict=True)
            ]
        )
        better = by_seed if metric_of(judge).higher_is_better else -by_seed
        half_width = stats.t.ppf(0.975, len(better) - 1) * stats.sem(better)
        mean = float(better.mean())
        intervals[judge] = (mean, mean - half_width, mean + half_width)
    return intervals


def restorers_table() -> str:
    """Means over pictures and seeds of what each denoiser leaves, by some of the judges."""
    rows = []
    for arm, by_seed in read_results("restorers")["arms"].items():
        means = [
            np.mean([picture[judge] for pictures in by_seed for picture in pictures])
            for judge in SHOWN
        ]
        rows.append(
            [arm, *(f"{mean:.{digits}f}" for mean, digits in zip(means, DIGITS, strict=True))]
        )
    return markdown_table(["trained on", *(f"`{judge}`" for judge in SHOWN)], rows)


def verdict(intervals: dict[str, tuple[float, float, float]]) -> str:
    """Reproduced where more than half of the judges surely prefer the arm and none surely the
    other; not where it is the other way round; else nobody can tell.
    """
    for_it = sum(low > 0 for _, low, _ in intervals.values())
    against = sum(high < 0 for *_, high in intervals.values())
    if for_it > SHARE * len(intervals) and not against:
        return REPRODUCED
    if against > SHARE * len(intervals) and not for_it:
        return NOT_REPRODUCED
    return CANNOT_TELL


def restorer_finding(paper: str, text: str, arm: str, reference: str) -> Finding:
    """What became of a claim that training with ``arm`` looks better than with ``reference``."""
    record = read_results("restorers")
    intervals = improvements(record, arm, reference)
    figures = ", ".join(f"{judge} {signed_interval(*of)}" for judge, of in intervals.items())
    return Finding(
        paper,
        text,
        verdict(intervals),
        f"{arm} against {reference}, above 0 better: {figures}",
        str(record["seeds"]),
        f"`python -m research.experiments.restorers PHOTOS OUT --steps {record['steps']} "
        f"--more {record['more']}`",
    )
