"""Judges the judges: how well distances agree with human ratings, for many distances in one pass over the images."""

import json
import os
from collections.abc import Collection, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from evaluation import agreement, ratings
from evaluation.pictures import read, to_tensor
from perception.distance import Distance
from perception.errors import MetricError
from perception.features import LayerSweep
from perception.networks import Network
from perception.registry import suggestion

ROWS = "values.jsonl"
SAMPLES = {"spearman": 1000, "kendall": 300, "pearson": 200}  # bootstrap resamples; the last two take far longer


@dataclass(frozen=True)
class Verdict:
    """One distance's agreement with people: each statistic as (value, low, high), a 95 % bootstrap interval."""

    metric: str
    count: int
    statistics: dict[str, tuple[float, float, float]]


class Panel:
    """Distances and layer sweeps that look at the same images; networks they have in common run once an image."""

    def __init__(self, distances: Iterable[Distance], sweeps: Iterable[LayerSweep] = ()):
        self.distances, self.sweeps = list(distances), list(sweeps)
        self.networks: dict[str, Network] = {}
        for owner in (*self.distances, *self.sweeps):
            if network := getattr(owner, "network", None):
                owner.network = self.networks.setdefault(network.name, network)

    @property
    def labels(self) -> list[str]:
        """What a row holds: the distances' labels, then the sweeps'."""
        return [d.label for d in self.distances] + [label for sweep in self.sweeps for label in sweep.labels]

    @torch.no_grad()
    def places(self, image: Tensor) -> list:
        """Where the image lies in every distance's and sweep's space."""
        with ExitStack() as stack:
            for network in self.networks.values():
                stack.enter_context(network.remembering())
            return [d.space(d.prepared(image)) for d in self.distances] + [sweep.space(image) for sweep in self.sweeps]

    @torch.no_grad()
    def compare(self, reference: list, image: list) -> dict[str, float]:
        """Label → value for two images' places."""
        count = len(self.distances)
        row = {d.label: d.between(a, b).item() for d, a, b in zip(self.distances, reference, image, strict=False)}
        for sweep, a, b in zip(self.sweeps, reference[count:], image[count:], strict=True):
            row |= sweep.between(a, b)
        return row


def read_rows(path: Path) -> dict[str, dict[str, float]]:
    """Key → label → value of what an earlier run wrote; half a line at the end does not count."""
    rows: dict[str, dict[str, float]] = {}
    for line in path.read_text().splitlines(keepends=True) if path.exists() else []:
        if line.endswith("}\n"):
            row = json.loads(line)
            rows.setdefault(row.pop("key"), {}).update(row)
    return rows


def measure(pairs: list[tuple[Path, Path]], panel: Panel, out: Path) -> list[dict[str, float]]:
    """Values of all distances for (reference, image) pairs, in their order. An interrupted run continues from ``out``."""
    out.mkdir(parents=True, exist_ok=True)
    rows = read_rows(out / ROWS)
    labels = set(panel.labels)
    root = os.path.commonpath([path for pair in pairs for path in pair])
    keys = [" ".join(os.path.relpath(path, root) for path in pair) for pair in pairs]
    todo = [(*pair, key) for pair, key in zip(pairs, keys, strict=True) if labels - set(rows.get(key, ()))]
    (out / ROWS).write_text("".join(json.dumps({"key": key, **row}) + "\n" for key, row in rows.items()))
    with open(out / ROWS, "a", buffering=1) as log, tqdm(total=len(todo), unit="image", disable=None) as bar:
        for reference, group in groupby(todo, key=lambda job: job[0]):
            original = panel.places(to_tensor(read(reference)))
            for _, image, key in group:
                row = panel.compare(original, panel.places(to_tensor(read(image))))
                rows.setdefault(key, {}).update(row)
                log.write(json.dumps({"key": key, **row}) + "\n")
                bar.update()
    return [rows[key] for key in keys]


def direction(label: str, panel: Panel) -> int:
    """+1 for metrics whose larger values mean better."""
    return next((1 for d in panel.distances if d.label == label and d.metric.higher_is_better), -1)


def judge_opinions(opinions: ratings.OpinionSet, panel: Panel, out: Path, kinds: Collection[str] = ()) -> list[Verdict]:
    """Agreement with mean opinion scores, the closest first: Spearman, for single distances also Pearson and Kendall.

    kinds: judge by these types of distortion alone; `MetricError` for one that the set has not. Intervals are over references.
    """
    known = {item.kind for item in opinions.items}
    if absent := next((kind for kind in kinds if kind not in known), None):
        close = suggestion(absent, known)
        raise MetricError(f"{opinions.name} has no distortion {absent!r}{close}: {', '.join(sorted(known))}")
    items = [item for item in opinions.items if not kinds or item.kind in kinds]
    items.sort(key=lambda item: (item.reference, item.image))
    rows = measure([(item.reference, item.image) for item in items], panel, out)
    opinion = np.array([item.opinion for item in items]) * (1 if opinions.higher_is_better else -1)
    clusters = np.array([item.reference.name for item in items])
    swept = {label for sweep in panel.sweeps for label in sweep.labels}
    verdicts = []
    for label in tqdm(panel.labels, desc="agreement", unit="metric", disable=None):
        values = np.array([row[label] for row in rows]) * direction(label, panel)
        wanted = {"spearman": agreement.spearman}
        if label not in swept:
            wanted |= {"pearson": agreement.pearson, "kendall": agreement.kendall}
        arrays = (values, opinion)
        verdicts.append(Verdict(label, len(items), {
            name: (statistic(*arrays), *agreement.bootstrap(statistic, arrays, clusters, samples=SAMPLES[name]))
            for name, statistic in wanted.items()
        }))
    return sorted(verdicts, key=lambda verdict: -verdict.statistics["spearman"][0])


def judge_choices(choices: Sequence[ratings.Choice], panel: Panel, out: Path) -> list[Verdict]:
    """BAPPS 2AFC: the mean share of observers who would have chosen as the metric does; intervals over triplets."""
    rows = measure([(c.reference, c.first) for c in choices] + [(c.reference, c.second) for c in choices], panel, out)
    preference = np.array([c.preference for c in choices])
    verdicts = []
    for label in panel.labels:
        first, second = np.split(-direction(label, panel) * np.array([row[label] for row in rows]), 2)
        arrays = (first, second, preference)
        credit = agreement.two_afc_credit
        verdicts.append(Verdict(label, len(choices), {"2afc": (credit(*arrays), *agreement.bootstrap(credit, arrays))}))
    return sorted(verdicts, key=lambda verdict: -verdict.statistics["2afc"][0])


def judge_pairs(pairs: Sequence[ratings.Pair], panel: Panel, out: Path) -> list[Verdict]:
    """BAPPS JND: mean average precision at telling pairs that look the same; intervals over pairs."""
    rows = measure([(pair.first, pair.second) for pair in pairs], panel, out)
    same = np.array([pair.same for pair in pairs])
    verdicts = []
    for label in panel.labels:
        arrays = (-direction(label, panel) * np.array([row[label] for row in rows]), same)
        precision = agreement.jnd_map
        verdicts.append(Verdict(label, len(pairs), {"jnd-map": (precision(*arrays), *agreement.bootstrap(precision, arrays))}))
    return sorted(verdicts, key=lambda verdict: -verdict.statistics["jnd-map"][0])
