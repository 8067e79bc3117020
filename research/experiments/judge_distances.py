"""Judges every distance on TID2013-resim for research/METRICS.md: python -m
research.experiments.judge_distances RESIM OUT

RESIM is what `metamer metrics resimulate` wrote; OUT keeps the values, hours of them, so that an
interrupted run continues. Writes verdicts into research/results/perception/ of a checkout;
python -m research.pages draws them.
"""

import dataclasses
import json
import sys
from pathlib import Path

from metamer.codec.system import files
from metamer.evaluation.measure.panel import Panel
from metamer.evaluation.ratings import datasets, judging
from metamer.evaluation.ratings.items import OpinionSet
from metamer.evaluation.ratings.resimulation.definitions import DISTORTIONS, GUESS
from metamer.perception import from_spec, metrics
from metamer.perception.distances.features import LayerSweep
from research.recorded_results import ROOT

MORE = ("features:channels=efficacy", "wasserstein:network=squeezenet")
# weights of networks that take a second a picture or more; what reads them sees only TWELVE
SLOW = {"vgg16", "pim"}
SLOWEST = {"pim"}  # distances that take several; they see only THREE
# TID2013's seven exact references and the first five others
TWELVE = ("I01", "I03", "I04", "I06", "I08", "I19", "I21", "I02", "I05", "I07", "I09", "I10")
THREE = TWELVE[:3]
DEFINED = [kind.title for kind in DISTORTIONS.values() if kind.basis != GUESS]
RESULTS = ROOT / "research" / "results" / "perception"
# less fast fading, which nobody could re-create
LIVE = ["additive Gaussian noise", "Gaussian blur", "JPEG", "JPEG 2000"]


def main(resim: Path, out: Path) -> None:
    opinions = datasets.load_opinions("tid2013", resim)
    twelve, three = (
        dataclasses.replace(
            opinions,
            items=tuple(i for i in opinions.items if i.reference.stem.upper() in references),
        )
        for references in (TWELVE, THREE)
    )
    slow = [
        name
        for name, metric in metrics().items()
        if SLOW & set(metric.weights) and name not in SLOWEST
    ]
    fast = Panel([from_spec(name) for name in (*metrics(), *MORE) if name not in {*slow, *SLOWEST}])
    slow, slowest = Panel(map(from_spec, slow)), Panel(map(from_spec, SLOWEST))
    sweeps = Panel([], [LayerSweep("squeezenet"), LayerSweep("alexnet")])
    slow_sweeps = Panel([], [LayerSweep("vgg16")])

    def record(name: str, sets: list[tuple[OpinionSet, Panel]], kinds=()) -> None:
        verdicts = [
            verdict
            for opinions, panel in sets
            for verdict in judging.judge_opinions(opinions, panel, out, kinds)
        ]
        verdicts = judging.best_first(verdicts, "spearman")
        text = json.dumps([dataclasses.asdict(verdict) for verdict in verdicts], indent=1)
        files.write_file(str(RESULTS / f"{name}.json"), (text + "\n").encode())

    record("tid2013-resim", [(opinions, fast), (twelve, slow), (three, slowest)])
    record("tid2013-resim-twelve", [(twelve, fast), (twelve, slow)])
    record("tid2013-resim-defined", [(opinions, fast), (twelve, slow)], DEFINED)
    record("tid2013-resim-layers", [(opinions, sweeps), (twelve, slow_sweeps)])
    record("tid2013-resim-layers-live", [(opinions, sweeps), (twelve, slow_sweeps)], LIVE)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python -m research.experiments.judge_distances RESIM OUT")
    main(*map(Path, sys.argv[1:]))
