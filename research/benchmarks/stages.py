"""Where encoding and decoding spend a core's time, and how fast the networks compute.

    python research/benchmarks/stages.py [PHOTO] [--model base] [--quality 50] [--runs 15]

One 768x512 photograph, one thread, everything loaded: medians over the runs of processor
milliseconds, each stage without those inside it. GFLOP/s: two operations a multiply-accumulate
(`evaluation.codecs.macs`), beside those of a large product of float32 matrices by NumPy, which a
network can hardly exceed.
"""

import argparse
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from functools import wraps
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

import metamer
from metamer.codec.network import colour_axes, latents
from metamer.codec.network import model as models
from metamer.codec.network.files.model_file import graph_names
from metamer.codec.network.graphs.session import Session
from metamer.codec.picture import pixels
from metamer.entropy import coder
from metamer.evaluation.codecs import macs
from metamer.evaluation.cost import machine

SIZE = (768, 512)
EXAMPLE = Path(__file__).parents[2] / "examples" / "otters.png"
COLOURS, RANGE, REST = "colours and Pillow", "range coder", "the rest"
PARTS = (
    (coder.Encoder, "write", RANGE),
    (coder.Decoder, "read", RANGE),
    (latents, "run_passes", "passes in NumPy"),
    (latents, "choose_residuals", "rounding to rate"),
    (pixels, "to_planes", COLOURS),
    (pixels, "from_planes", COLOURS),
    (colour_axes, "principal_turn", COLOURS),
    (colour_axes, "turn_colours", COLOURS),
    (colour_axes, "restore_colours", COLOURS),
)


class Stages:
    """Processor seconds by stage. inputs: what each graph was last given."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = defaultdict(float)
        self.inputs: dict[str, dict[str, np.ndarray]] = {}
        self._open: list[str] = []
        self._since = 0.0

    def _switch(self) -> None:
        now = time.process_time()
        if self._open:
            self.spent[self._open[-1]] += now - self._since
        self._since = now

    def timed(self, stage: str, work: Callable[[], object]) -> object:
        self._switch()
        self._open.append(stage)
        try:
            return work()
        finally:
            self._switch()
            self._open.pop()

    def _watched(self, stage: str, work: Callable) -> Callable:
        @wraps(work)
        def run(*arguments: object, **named: object) -> object:
            return self.timed(stage, lambda: work(*arguments, **named))

        return run

    def watch(self, model: models.Model) -> None:
        """Times every call of `PARTS` and of the model's graphs from now on."""
        graphs = {
            id(model.session(name)): name
            for name in ("analysis", *model.synthesis_graphs, *graph_names(len(model.groups)))
        }
        run = Session.run

        def graph(session: Session, **inputs: np.ndarray) -> object:
            name = graphs[id(session)]
            self.inputs[name] = inputs
            return self.timed(name, lambda: run(session, **inputs))

        Session.run = graph
        for owner, name, stage in PARTS:
            setattr(owner, name, self._watched(stage, getattr(owner, name)))


def peak(side: int = 1024, runs: int = 10) -> float:
    """GFLOP a processor second, at best, of a product of two float32 matrices."""
    matrix, best = np.ones((side, side), np.float32), 0.0
    for _ in range(runs):
        start = time.process_time()
        matrix @ matrix
        best = max(best, 2e-9 * side**3 / (time.process_time() - start))
    return best


def table(
    title: str, runs: list[dict[str, float]], totals: list[float], speeds: dict[str, float]
) -> str:
    """For people. found: of each run, seconds by stage; speeds: operations by graph."""
    medians = {
        stage: statistics.median(seconds_by_stage.get(stage, 0.0) for seconds_by_stage in runs)
        for stage in runs[0]
    }
    total = statistics.median(totals)
    lines = [f"{title:<20} {'ms':>7} {'share':>6} {'GFLOP/s':>8}"]
    for stage, seconds in sorted(medians.items(), key=lambda item: -item[1]):
        speed = f"{1e-9 * speeds[stage] / seconds:>8.0f}" if stage in speeds else ""
        lines.append(f"{stage:<20} {1e3 * seconds:>7.1f} {100 * seconds / total:>4.0f} % {speed}")
    return "\n".join([*lines, f"{'all':<20} {1e3 * total:>7.1f}"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "photo", nargs="?", type=Path, default=EXAMPLE, help="scaled and cropped to 768x512"
    )
    parser.add_argument("--model", default="base", help="shipped model, or a model file")
    parser.add_argument("--quality", type=float, default=50)
    parser.add_argument("--runs", type=int, default=15)
    options = parser.parse_args()
    try:
        picture = ImageOps.fit(pixels.read_rgb(options.photo), SIZE, Image.Resampling.LANCZOS)
        model = models.load_model(options.model, threads=1)
        data = metamer.encode(picture, options.quality, model=options.model, threads=1)
        ways = {
            "encode": lambda: metamer.encode(
                picture, options.quality, model=options.model, threads=1
            ),
            "decode": lambda: metamer.decode(data, model=options.model, threads=1),
        }
        ways["decode"]()
    except metamer.MetamerError as problem:
        parser.error(str(problem))
    stages = Stages()
    stages.watch(model)
    measurements: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
    for _ in range(options.runs):
        for way, work in ways.items():
            stages.spent = defaultdict(float)
            stages.timed(REST, work)
            measurements[way].append(stages.spent)
    speeds = {
        name: 2 * macs.run_profiled(model.graph(name), inputs)[1]
        for name, inputs in stages.inputs.items()
    }
    for way, runs in measurements.items():
        print(
            table(way, runs, [sum(seconds_by_stage.values()) for seconds_by_stage in runs], speeds),
            end="\n\n",
        )
    print(f"product of matrices: {peak():.0f} GFLOP/s")
    print(", ".join(f"{key} {value}" for key, value in machine.conditions().items()))


if __name__ == "__main__":
    main()
