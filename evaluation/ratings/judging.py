"""Judges the judges: how well distances agree with human ratings, for many distances in one pass
over the images.
"""

import json
import os
import zlib
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TypeVar

import numpy as np

from metamer.codec.errors import FileError, ImageError
from metamer.codec.system import files, json_lines
from metamer.evaluation.images import read_image, to_tensor
from metamer.evaluation.intervals import bootstrap_interval
from metamer.evaluation.measure.panel import Panel
from metamer.evaluation.progress import progress, tracked
from metamer.evaluation.ratings import agreement
from metamer.evaluation.ratings.items import OpinionSet, RatedImage, RatedPair, RatedTriplet
from metamer.perception.errors import MetricError
from metamer.perception.registry import suggestion

VALUES_FILE = "values.jsonl"
# bootstrap resamples; fewer where slow
SAMPLES = {"spearman": 1000, "kendall": 300, "pearson": 200, "jnd-map": 300}


@dataclass(frozen=True)
class Verdict:
    """One distance's agreement with people: each statistic as (value, low, high), a 95 % bootstrap
    interval.
    """

    metric: str
    count: int
    statistics: dict[str, tuple[float, float, float]]


def read_values(path: Path) -> dict[str, dict[str, float]]:
    """Key → label → value of what an earlier run wrote. Raises FileError."""
    rows: dict[str, dict[str, float]] = {}
    for row in json_lines.read_lines(path):
        rows.setdefault(row["key"], {}).update(
            {label: value for label, value in row.items() if label != "key"}
        )
    return rows


def fingerprints(paths: Iterable[Path]) -> dict[Path, str]:
    """Path → its place below what all have in common, with a checksum: a picture made anew is
    another picture.
    """
    paths = set(paths)
    root = os.path.commonpath(paths)
    try:
        return {
            path: f"{os.path.relpath(path, root)}:{zlib.crc32(path.read_bytes()):08x}"
            for path in paths
        }
    except OSError as problem:
        raise FileError(f"{problem.filename} cannot be read: {files.reason(problem)}") from None


def measure_pairs(
    pairs: list[tuple[Path, Path]], panel: Panel, out: Path
) -> list[dict[str, float]]:
    """Values of all distances for (reference, image) pairs, in their order. An interrupted run
    continues from ``out``.
    """
    out.mkdir(parents=True, exist_ok=True)
    rows, labels = read_values(out / VALUES_FILE), set(panel.labels)
    marks = fingerprints(path for pair in pairs for path in pair)
    keys = [f"{marks[reference]} {marks[image]}" for reference, image in pairs]
    todo = [
        (*pair, key)
        for pair, key in zip(pairs, keys, strict=True)
        if labels - set(rows.get(key, ()))
    ]
    files.write_file(
        str(out / VALUES_FILE),
        "".join(json.dumps({"key": key, **row}) + "\n" for key, row in rows.items()).encode(),
    )
    with (
        open(out / VALUES_FILE, "a", buffering=1) as log,
        progress(len(todo), "image") as bar,
    ):
        for reference, group in groupby(todo, key=lambda job: job[0]):
            original = read_image(reference)
            place = panel.places(to_tensor(original))
            for _, image, key in group:
                picture = read_image(image)
                if picture.size != original.size:
                    sizes = ("{}x{}".format(*size) for size in (picture.size, original.size))
                    raise ImageError("{} has {} pixels, its reference {}".format(image, *sizes))
                row = panel.compare(place, panel.places(to_tensor(picture)))
                rows.setdefault(key, {}).update(row)
                log.write(json.dumps({"key": key, **row}) + "\n")
                bar.update()
    return [rows[key] for key in keys]


def quality_sign(label: str, panel: Panel) -> int:
    """+1 for metrics whose larger values mean better."""
    return next((1 for d in panel.distances if d.label == label and d.metric.higher_is_better), -1)


def best_first(verdicts: list[Verdict], name: str) -> list[Verdict]:
    """By that statistic; those without one, of a constant metric, say, come last."""
    return sorted(verdicts, key=lambda verdict: -np.nan_to_num(verdict.statistics[name][0], nan=-2))


Judged = TypeVar("Judged", RatedImage, RatedTriplet, RatedPair)


def filter_kinds(items: Sequence[Judged], kinds: Collection[str], name: str) -> list[Judged]:
    """Those whose distortion is among ``kinds``, or all; `MetricError` for a kind that there is
    not.
    """
    available = {item.kind for item in items}
    if absent := next((kind for kind in kinds if kind not in available), None):
        close = suggestion(absent, available)
        raise MetricError(
            f"{name} has no distortion {absent!r}{close}: {', '.join(sorted(available))}"
        )
    return [item for item in items if not kinds or item.kind in kinds]


def judge_opinions(
    opinions: OpinionSet, panel: Panel, out: Path, kinds: Collection[str] = ()
) -> list[Verdict]:
    """Agreement with mean opinion scores, the closest first: Spearman, for single distances also
    Pearson and Kendall.

    kinds: judge by these types of distortion alone. Intervals are over references.
    """
    items = filter_kinds(opinions.items, kinds, opinions.name)
    items.sort(key=lambda item: (item.reference, item.image))
    rows = measure_pairs([(item.reference, item.image) for item in items], panel, out)
    opinion = np.array([item.opinion for item in items]) * (1 if opinions.higher_is_better else -1)
    clusters = np.array([item.reference.name for item in items])
    swept = {label for sweep in panel.sweeps for label in sweep.labels}
    verdicts = []
    for label in tracked(panel.labels, "metric", "agreement"):
        values = np.array([row[label] for row in rows]) * quality_sign(label, panel)
        wanted = {"spearman": agreement.spearman}
        if label not in swept:
            wanted |= {"pearson": agreement.pearson, "kendall": agreement.kendall}
        arrays = (values, opinion)
        verdicts.append(
            Verdict(
                label,
                len(items),
                {
                    name: (
                        statistic(*arrays),
                        *bootstrap_interval(statistic, arrays, clusters, samples=SAMPLES[name]),
                    )
                    for name, statistic in wanted.items()
                },
            )
        )
    return best_first(verdicts, "spearman")


def mean_over_kinds(
    statistic: Callable[..., float], kinds: Sequence[str]
) -> tuple[Callable[..., float], np.ndarray]:
    """The mean of a statistic over kinds, each by itself, and the kinds' numbers, which it takes as
    its last array.

    Kinds have very different numbers of patches; the figures of Zhang et al. (2018) are given kind
    by kind for that reason.
    """
    numbers = np.unique(kinds, return_inverse=True)[1]

    def mean(*arrays: np.ndarray) -> float:
        *values, kind = arrays
        return float(
            np.mean(
                [
                    statistic(*(array[kind == number] for array in values))
                    for number in np.unique(kind)
                ]
            )
        )

    return mean, numbers


def judge_choices(
    choices: Sequence[RatedTriplet], panel: Panel, out: Path, kinds: Collection[str] = ()
) -> list[Verdict]:
    """BAPPS 2AFC: the share of observers who choose as the metric does, mean over kinds; intervals
    over triplets.
    """
    choices = filter_kinds(choices, kinds, "BAPPS 2AFC")
    rows = measure_pairs(
        [(c.reference, image) for c in choices for image in (c.first, c.second)], panel, out
    )
    preference = np.array([c.preference for c in choices])
    statistic, numbers = mean_over_kinds(agreement.two_afc_credit, [c.kind for c in choices])
    verdicts = []
    for label in panel.labels:
        values = -quality_sign(label, panel) * np.array([row[label] for row in rows])
        arrays = (values[::2], values[1::2], preference, numbers)
        verdicts.append(
            Verdict(
                label,
                len(choices),
                {"2afc": (statistic(*arrays), *bootstrap_interval(statistic, arrays))},
            )
        )
    return best_first(verdicts, "2afc")


def judge_pairs(
    pairs: Sequence[RatedPair], panel: Panel, out: Path, kinds: Collection[str] = ()
) -> list[Verdict]:
    """BAPPS JND: mean average precision at telling pairs that look the same, mean over kinds;
    intervals over pairs.
    """
    pairs = filter_kinds(pairs, kinds, "BAPPS JND")
    rows = measure_pairs([(pair.first, pair.second) for pair in pairs], panel, out)
    same = np.array([pair.same for pair in pairs])
    statistic, numbers = mean_over_kinds(agreement.jnd_map, [pair.kind for pair in pairs])
    verdicts = []
    for label in panel.labels:
        arrays = (
            -quality_sign(label, panel) * np.array([row[label] for row in rows]),
            same,
            numbers,
        )
        value = (
            statistic(*arrays),
            *bootstrap_interval(statistic, arrays, samples=SAMPLES["jnd-map"]),
        )
        verdicts.append(Verdict(label, len(pairs), {"jnd-map": value}))
    return best_first(verdicts, "jnd-map")
