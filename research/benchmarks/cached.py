"""What cached latents save: steps of a decoder alone with them and without, in turns.

    OMP_NUM_THREADS=1 python research/benchmarks/cached.py PHOTOS [train/recipes/decoder-fast.yaml …]

Milliseconds are the processor's, medians, of a step with what it is fed; what filling the cache
takes is told for a photograph at one quality.
"""

import dataclasses
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import click
import torch

from metamer.codec.network.model import load_model
from metamer.train import start
from metamer.train.data import Photographs, Plan, find
from metamer.train.data.opening import Collection
from metamer.train.latents.batches import CachedBatches
from metamer.train.latents.cache import fill, qualities_of
from metamer.train.loss.objective import Distortion
from metamer.train.recipe.files import load
from metamer.train.recipe.options import Recipe
from metamer.train.run.setup import connect
from metamer.train.step.trainer import Trainer

PICTURES = 8
RECIPES = [
    Path(__file__).parents[2] / "train" / "recipes" / f"decoder-{n}.yaml" for n in ("fast", "fine")
]


def prepared(recipe: Recipe, fabric) -> Trainer:
    network = start.load(recipe.start, recipe.network)
    trainer = Trainer(recipe, network, Distortion(recipe.distortion, recipe.network.levels), fabric)
    trainer.enter(recipe.stages[0])
    return trainer


def step_seconds(trainer: Trainer, batches: Iterator, steps: int) -> Iterator[float]:
    """Seconds of each step."""
    stage = trainer.recipe.stages[0]
    for step in range(steps):
        start = time.process_time()
        image, affine, *latents = next(batches)
        trainer.step(stage, step, step, image, affine, slice(0, stage.batch), *latents)
        yield time.process_time() - start


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--steps", type=click.IntRange(2), default=8, show_default=True)
def main(folder: Path, paths: tuple[Path, ...], steps: int) -> None:
    """Measures every recipe and prints the table, as Markdown."""
    photographs, fabric = Photographs(find(folder)[0][:PICTURES]), connect()
    print("| recipe | ms a step, cached | not | | filling, ms |\n|---|---|---|---|---|")
    for path in paths or RECIPES:
        recipe = load(path)
        options, stage = dataclasses.replace(recipe.cached_latents, every=8), recipe.stages[0]
        recipe.cached_latents = options
        plain = dataclasses.replace(recipe, cached_latents=None)
        plan = Plan(stage.crop, recipe.seed, stage.batch, range(steps), slice(0, stage.batch))
        with tempfile.TemporaryDirectory() as cache_folder:
            start_time = time.process_time()
            fill(Path(cache_folder), photographs, load_model(recipe.start, 1), options)
            count = sum(len(qualities_of(n, options)) for n in range(len(photographs)))
            filling = (time.process_time() - start_time) / count
            cached = CachedBatches(Path(cache_folder), recipe)
            ways = (
                step_seconds(
                    prepared(recipe, fabric),
                    cached.batches(stage, plan, torch.device("cpu")),
                    steps,
                ),
                step_seconds(prepared(plain, fabric), Collection(photographs).batches(plan), steps),
            )
            seconds = list(zip(*ways, strict=True))[1:]
        cached_ms, encoded_ms = (
            1000 * statistics.median(column) for column in zip(*seconds, strict=True)
        )
        print(
            f"| {path.stem} | {cached_ms:.0f} | {encoded_ms:.0f} | ×{encoded_ms / cached_ms:.1f} | {1000 * filling:.0f} |"
        )


if __name__ == "__main__":
    main()
