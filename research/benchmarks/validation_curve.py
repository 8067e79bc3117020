"""BD-rate of a training run's validation rows against the model that it started from, measured
alike.

    python research/benchmarks/validation_curve.py RUN PHOTOS [--against base]

PSNR against the proxy's rate, without headers, on the run's own validation crops, rounded as its
first stage rounds. `--against former` is the `base` before today's, be69bfa2, whose curve is kept
with the long run's.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from metamer.codec.network.model import load_model
from metamer.evaluation.rate.bjontegaard import bd_rate
from metamer.train import checkpoints, start, validation
from metamer.train.data import find
from metamer.train.loss.objective import Distortion
from metamer.train.recipe.checks import from_mapping
from metamer.train.run import log
from research.recorded_results import read_results


def curve(rows: list[dict]) -> np.ndarray:
    return np.array([[row["bpp"], row["psnr"]] for row in rows])


def measured(run: Path, photographs: Path, name: str) -> np.ndarray:
    """The curve of the model called ``name``, as the run measures its own."""
    recipe = from_mapping(checkpoints.load_run(run / checkpoints.CHECKPOINT)["recipe"])
    crops = validation.validation_crops(find(photographs)[1])
    codec = start.from_model(load_model(name))
    distortion, cpu = Distortion({"mse": 1.0}, codec.options.levels), torch.device("cpu")
    return curve(validation.validate(codec, distortion, crops, recipe.stages[0], cpu))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("photographs", type=Path)
    parser.add_argument("--against", default="base")
    arguments = parser.parse_args()
    if arguments.against == "former":
        anchor = np.array(read_results("long-run", "train")["anchor"])
    else:
        anchor = measured(arguments.run, arguments.photographs, arguments.against)
    for line in (arguments.run / log.LOG).read_text().splitlines():
        row = json.loads(line)
        if "validation" in row:
            print(f"{row['step']:8d}  {bd_rate(anchor, curve(row['validation']))[0]:+.2f} %")
