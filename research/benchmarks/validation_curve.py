"""BD-rate of a training run's validation rows against the model that it started from, measured
alike.

    python research/benchmarks/validation_curve.py RUN PHOTOS [--against base]

PSNR against the proxy's rate, without headers, on the run's own validation crops, rounded as its
first stage rounds.
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


def curve(rows: list[dict]) -> np.ndarray:
    return np.array([[row["bpp"], row["psnr"]] for row in rows])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("photographs", type=Path)
    parser.add_argument("--against", default="base")
    arguments = parser.parse_args()
    recipe = from_mapping(checkpoints.load(arguments.run / checkpoints.CHECKPOINT)["recipe"])
    crops = validation.validation_crops(find(arguments.photographs)[1])
    anchor_codec = start.from_model(load_model(arguments.against))
    distortion, cpu = Distortion({"mse": 1.0}, anchor_codec.options.levels), torch.device("cpu")
    anchor = curve(validation.validate(anchor_codec, distortion, crops, recipe.stages[0], cpu))
    for line in (arguments.run / log.LOG).read_text().splitlines():
        row = json.loads(line)
        if "validation" in row:
            print(f"{row['step']:8d}  {bd_rate(anchor, curve(row['validation']))[0]:+.2f} %")
