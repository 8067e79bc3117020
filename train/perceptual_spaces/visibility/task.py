"""Trains visibility: the pathway on the retina's white boxes, detection on ColorVideoVDP's
verdicts, all at once.

Ak & Le Callet (IPTA 2019), sections III to V: every network is fed by the one before it and
compared with the white boxes' output there, with equal weights. They freeze the pathway before
detection is trained; here it keeps its losses while detection's gradients pass through it.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from lightning_fabric.utilities import move_data_to_device
from torch import Tensor, nn

from metamer.codec.errors import RecipeError
from metamer.perception.distances.visibility import (
    CELL,
    GRID,
    RESPONSE,
    Detector,
    cells,
)
from metamer.perception.vision import retina
from metamer.perception.vision.display import STANDARD_4K
from metamer.train.data import find
from metamer.train.perceptual_spaces.task import Task
from metamer.train.perceptual_spaces.visibility.distortions import KINDS
from metamer.train.perceptual_spaces.visibility.labels import Labels
from metamer.train.recipe.fields import Count, documented

FOLDER = "labels"  # in the run's folder
VALIDATION_BATCH = 32
VISIBLE = 0.05  # JOD; distances below it need not be told apart
# JOD a unit of the curve that training compares distances on: people's own, 3.17 times as steep,
# is flat beyond 2 JOD and would teach nothing there
SPAN = 1.4826
SPREAD = 0.02  # of a white box's output about its mean; a smaller one counts as this


@documented
@dataclass
class Options:
    """labels: pairs to train on; held_out: to validate on, from photographs that the folder's
    validation.txt names.

    shown: images a step that white boxes are asked about. width, detail, coarser, pools: of
    visibility's `Detector`.
    """

    labels: Count = 16_000
    held_out: Count = 1280
    shown: Count = 6
    width: Count = 16
    detail: Count = 13
    coarser: Count = 2
    pools: Count = 8


class Batch(NamedTuple):
    """Pairs (N, 3, S, S) uint8, how far apart they look, (N,) in JOD, and of which of `KINDS` they
    are, (N,).
    """

    reference: Tensor
    image: Tensor
    distance: Tensor
    kind: Tensor


class Model(nn.Module):
    """What the loop trains; ``space`` ships, and is all there is."""

    def __init__(self, options: Options):
        super().__init__()
        self.space = Detector(options.width, options.detail, options.coarser, options.pools)


def white_boxes(image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(N, 3, H, W) in [0, 1] → what visibility's `Pathway` should make of it: means over 4x4
    pixels, as cells.
    """
    light = STANDARD_4K.light(image)
    scattered = retina.scattered(light, STANDARD_4K.pixels_per_degree)
    caught = retina.receptors(scattered)
    response = retina.responses(retina.masked(caught))
    outputs = scattered / STANDARD_4K.white, caught / STANDARD_4K.white, response / RESPONSE
    return tuple(cells(F.avg_pool2d(output, GRID)) for output in outputs)


def error(output: Tensor, target: Tensor) -> Tensor:
    """Mean absolute error, channel by channel in units of the target's own mean deviation: 1 for a
    constant.
    """
    over = (0, 2, 3)
    spread = (target - target.mean(over, keepdim=True)).abs().mean(over)
    return ((output - target).abs().mean(over) / spread.clamp_min(SPREAD)).mean()


def module_errors(space: Detector, image: Tensor) -> dict[str, Tensor]:
    """`error` of the three networks on (N, 3, H, W) in [0, 1]."""
    outputs = space.pathway(space.light(image)[0])
    names = ("scatter", "receptors", "response")
    return {
        name: error(*pair) for name, *pair in zip(names, outputs, white_boxes(image), strict=True)
    }


def curve(jod: Tensor) -> Tensor:
    """Distances in JOD on a scale from 0 to 1 that tells all of them apart."""
    return torch.erf(jod / (SPAN * math.sqrt(2)))


def detection_errors(predicted: Tensor, distance: Tensor) -> dict[str, Tensor]:
    """Of (N,) distances in JOD: mean absolute errors on `curve`, and of the distance's logarithm
    above `VISIBLE`.
    """
    return {
        "probability": (curve(predicted) - curve(distance)).abs().mean(),
        "distance": ((predicted + VISIBLE).log() - (distance + VISIBLE).log()).abs().mean(),
    }


def correlation(first: Tensor, second: Tensor) -> float:
    """Pearson's, of (N,) and (N,); NaN where one is constant."""
    return float(torch.corrcoef(torch.stack((first, second)))[0, 1])


def ranks(values: Tensor) -> Tensor:
    """(N,) → places in order; ties in order of appearance, which teachers' values do not have."""
    return values.argsort().argsort().float()


class VisibilityTask(Task):
    """See `Options`; the labels are made on first use, in the run's folder."""

    Options = Options

    def __init__(
        self, options: Options, folders: list[Path], out: Path, batch: int, crop: int, seed: int
    ):
        if crop % (GRID * CELL):
            raise RecipeError(f"crop: visibility's networks need a multiple of {GRID * CELL}")
        split = [find(folder) for folder in folders]
        photographs = [path for training, _ in split for path in training]
        held = [path for _, held_out in split for path in held_out]
        if not held:
            raise RecipeError(
                "visibility is validated on held-out photographs: name some in the folder's "
                "validation.txt"
            )
        self.batch, self.seed, self.shown = batch, seed, options.shown
        self.held = Labels(held, options.held_out, crop, seed, out / FOLDER, "held-out")
        self.labels = Labels(photographs, options.labels, crop, seed, out / FOLDER, "training")
        self.model = Model(options)

    def draw(self, step: int) -> Batch:
        rng = np.random.default_rng([self.seed, step])
        batch = collect(self.labels, rng.integers(len(self.labels), size=self.batch))
        axes = [axis for axis in (2, 3) if rng.random() < 0.5]
        return batch._replace(reference=batch.reference.flip(axes), image=batch.image.flip(axes))

    def losses(self, model: Model, data: Batch) -> dict[str, Tensor]:
        reference, image = data.reference / 255, data.image / 255
        space = model.space
        errors = detection_errors(space.distance(space(reference), space(image)), data.distance)
        errors |= module_errors(
            space, torch.cat((reference, image))[:: -(-2 * len(reference) // self.shown)]
        )
        return {"loss": sum(errors.values()), **errors}

    def validate(self, model: Model) -> dict[str, float]:
        """Correlations of the probability with the teacher's, over all and by kind; errors of the
        networks.
        """
        space, batches = model.space, []
        predicted, errors = [], []
        for start in range(0, len(self.held), VALIDATION_BATCH):
            batch = collect(self.held, range(start, min(start + VALIDATION_BATCH, len(self.held))))
            batch = move_data_to_device(batch, next(model.parameters()).device)
            predicted.append(space.distance(space(batch.reference / 255), space(batch.image / 255)))
            errors.append(module_errors(space, batch.image[:2] / 255))
            batches.append(batch)
        ours, teacher = (
            curve(torch.cat(predicted)),
            curve(torch.cat([batch.distance for batch in batches])),
        )
        kind = torch.cat([batch.kind for batch in batches])
        figures = {
            "pearson": correlation(ours, teacher),
            "spearman": correlation(ranks(ours), ranks(teacher)),
        }
        for number, name in enumerate(KINDS):
            figures[f"pearson_{name}"] = correlation(ours[kind == number], teacher[kind == number])
        return figures | {
            name: float(torch.stack([row[name] for row in errors]).mean()) for name in errors[0]
        }


def collect(labels: Labels, indices) -> Batch:
    """The labelled pairs of these indices."""
    references, images, distances, kinds = zip(
        *(labels[int(index)] for index in indices), strict=True
    )
    return Batch(
        torch.stack(references), torch.stack(images), torch.stack(distances), torch.tensor(kinds)
    )
