"""A codec's training run, top to bottom: photographs → steps of every stage → log → validation →
checkpoints.
"""

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning_fabric import seed_everything
from torch import Tensor
from tqdm import tqdm

from metamer.perception.registry import from_spec
from metamer.perception.weights import CATALOGUE, require_file
from metamer.train.checkpoints import BEST, CHECKPOINT, earlier, save
from metamer.train.data import Plan, open_data
from metamer.train.data.photographs import MEMORY
from metamer.train.latents.batches import CachedBatch
from metamer.train.recipe.options import Recipe, Stage
from metamer.train.run.caching import cached
from metamer.train.run.events import Events
from metamer.train.run.interruption import Interruption
from metamer.train.run.log import LOG, Log
from metamer.train.run.resuming import DataSpec, keep_recipe, named, recipe_of
from metamer.train.run.setup import connect, prepared, process_share
from metamer.train.run.stages import Schedule
from metamer.train.step.optimisation import learning_rate
from metamer.train.step.trainer import Trainer
from metamer.train.validation import strip, validate, validation_crops


class Run:
    """A training run, step by step.

        with Run("recipe.yaml", "photos", "runs/mine") as run:
            for values in run:                 # validates and saves as the recipe says
                print(run.steps_taken, float(values["loss"]))

    or, in a loop of one's own, `step`, `validate` and `save`. Started by `torchrun`, processes
    share each batch and end with the weights of one alone, but for the order of sums.

    Attributes:
        recipe: what the run does (`metamer.train.recipe.options.Recipe`).
        out: its folder: checkpoint.pt, the last; best.pt, of the newest stage the one that
            validates best; recipe.yaml; log.jsonl; TensorBoard's events.
        steps_taken: Of all stages together.
        data: what it trains and validates on (`metamer.train.data.Data`).
        trainer: the networks, their average, optimisers (`metamer.train.step.trainer.Trainer`).
    """

    def __init__(
        self,
        recipe: Recipe | Mapping[str, Any] | str | Path | None,
        data: DataSpec | None,
        out: str | Path,
        *,
        resume: bool = False,
        assignments: Sequence[str] = (),
        minutes: float = math.inf,
        memory: int = MEMORY,
        workers: int | None = None,
        keep: bool = True,
    ):
        """Checks everything, reads the data, and makes or restores the networks.

        Args:
            recipe: a recipe, a mapping of one, or its file; None for the one of a run that goes on.
            data: folders or shards of photographs (`metamer.train.data.open_data`); None for what
                a run that goes on was trained on.
            out: the run's folder.
            resume: go on from its checkpoint; the weights end the same as if nothing had happened.
            assignments: ``key=value`` to put into the recipe.
            minutes: iterating ends by then, with a checkpoint.
            memory: bytes of decoded photographs to keep.
            workers: threads that decode; by default as many as there are cores to spare.
            keep: write into the folder; without, nothing is.

        Raises:
            RecipeError: A recipe or data that cannot be used, a run that is there already, or one
                that was begun otherwise.
            WeightsError: Of a distance, that must be fetched first.
        """
        self.out, self.minutes = Path(out), minutes
        state = earlier(self.out, resume)
        self.recipe = recipe_of(recipe, assignments, self.out, state)
        check_weights(self.recipe)
        before = None if state is None else state.get("data", {})
        self._folders = named(data, before)
        self.fabric = connect()
        self._shares = [process_share(stage, self.fabric) for stage in self.recipe.stages]
        seed_everything(self.recipe.seed, verbose=False)
        caches = self.recipe.cached_latents is not None
        # whose latents are cached, is decoded for that alone
        memory = 0 if caches else memory
        self.data = open_data(self._folders, self.fabric.device, memory, workers, before)
        self._crops = validation_crops(self.data.validation)
        networks = prepared(self.recipe, self.data.training, state)
        self.trainer = Trainer(self.recipe, *networks, self.fabric)
        self.steps_taken, self._best = 0, {"loss": math.inf, "stage": -1}
        if state is not None:
            self.trainer.restore(state)
            self.steps_taken, self._best = state["step"], state.get("best", self._best)
        self._schedule = Schedule(self.recipe.stages)
        self._index, self._batches = -1, iter(())
        self._open(self.data.notice or changed_count(before, self.data.count), keep)
        # without a folder to keep them in, they are computed in every step
        self._cache = cached(self.recipe, self.data, self.out, self.fabric) if keep else None

    def _open(self, notice: str, keep: bool) -> None:
        """The run's folder."""
        self._keep, leads = keep, self.fabric.is_global_zero
        if keep:
            self.out.mkdir(parents=True, exist_ok=True)
        if keep and leads:
            keep_recipe(self.recipe, self.out, f"metamer train --resume --out {self.out}")
        for line in (self.recipe.message, notice):
            if leads and line:
                tqdm.write(line, file=sys.stderr)
        self._events = Events(self.out, self.steps_taken, leads and keep)
        self._log = Log(
            self.out / LOG,
            self.out / CHECKPOINT,
            self.recipe.log_every,
            self.total,
            self.steps_taken,
            leads and keep,
            self._events.row,
        )

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, *problem) -> None:
        self.close(check=not any(problem))

    @property
    def total(self) -> int:
        """Steps of all stages together."""
        return self._schedule.total

    @property
    def finished(self) -> bool:
        """Whether all steps of all stages are taken."""
        return self.steps_taken >= self.total

    @property
    def stage(self) -> Stage:
        """The stage of the next step, or the last."""
        return self.recipe.stages[self._schedule.index(self.steps_taken)]

    def share(self, index: int) -> slice:
        """Which samples of a batch of stage number ``index`` are this process's."""
        return self._shares[index]

    def enter(self, index: int) -> Iterator[tuple[Tensor, Tensor] | CachedBatch]:
        """Prepares the networks for stage number ``index``, and yields its batches from the next
        step on: crops (n, 3, S, S) uint8, affines (n, 3, 4), and latents where they are cached.
        """
        stage = self.recipe.stages[index]
        self.trainer.enter(stage)
        plan = Plan(
            stage.crop,
            self.recipe.seed,
            stage.batch,
            range(self.steps_taken, self._schedule.ends[index]),
            self._shares[index],
            self._schedule.samples(self.steps_taken),
        )
        if self._cache:
            return self._cache.batches(stage, plan, self.fabric.device)
        return self.data.training.batches(plan)

    def skip_to(self, index: int) -> int:
        """Goes to the first step of stage number ``index`` that is left, and takes none before it.

        Returns:
            How many steps of the stage are left; where there is none, the run stays where it is.
        """
        end = self._schedule.ends[index]
        left = max(0, min(self.recipe.stages[index].steps, end - self.steps_taken))
        if left:
            self.steps_taken = end - left
        return left

    def step(self) -> dict[str, Tensor]:
        """Takes one step.

        Returns:
            What it says of itself, scalars on the device: loss, bpp, psnr, `distances.NAME` of
            every distance, and more.

        Raises:
            ValueError: All steps are taken.
            DivergedError: The loss was not finite, at this step or since values were last read.
        """
        if self.finished:
            raise ValueError("the run has taken all its steps")
        index, place = (
            self._schedule.index(self.steps_taken),
            self._schedule.place(self.steps_taken),
        )
        if index != self._index:
            self._index, self._batches = index, self.enter(index)
        stage = self.recipe.stages[index]
        image, affine, *latents = next(self._batches)
        share = self._shares[index]
        values = self.trainer.step(stage, place, self.steps_taken, image, affine, share, *latents)
        self.steps_taken += 1
        rate = learning_rate(stage, place)
        self._log.step(self.steps_taken, stage.batch, values, stage=stage.name, learning_rate=rate)
        return values

    def validate(self) -> list[dict[str, float]]:
        """Rate, PSNR and every distance of held-out crops at each quality level, by the averaged
        weights; logged, and kept in best.pt if no earlier one of the stage was better.

        Returns:
            A row a level; empty without held-out photographs, and on all processes but the first.
        """
        if not len(self._crops) or not self.fabric.is_global_zero:
            return []
        index = self._schedule.index(max(0, self.steps_taken - 1))
        stage, codec = self.recipe.stages[index], self.trainer.average.module
        rows = validate(codec, self.trainer.distortion, self._crops, stage, self.fabric.device)
        self._log.row(step=self.steps_taken, validation=rows)
        if self._events.active:
            shown = strip(codec, self.trainer.distortion, self._crops, stage, self.fabric.device)
            self._events.picture("validation", shown, self.steps_taken)
        loss = sum(row["loss"] for row in rows) / len(rows)
        if self._keep and (self._best["stage"] != index or loss < self._best["loss"]):
            self._best = {"loss": loss, "stage": index, "step": self.steps_taken}
            self._log.check()
            save(self.out / BEST, self.state())
        return rows

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        samples = self._schedule.samples(self.steps_taken)
        data = {"folders": self._folders, **self.data.state(samples)}
        return {"step": self.steps_taken, "data": data, "best": self._best, **self.trainer.state()}

    def save(self) -> Path:
        """Writes the checkpoint, whole or not at all. Raises DivergedError instead, where a value
        is not finite.
        """
        self._log.check()
        if self._keep and self.fabric.is_global_zero:
            save(self.out / CHECKPOINT, self.state())
        self.fabric.barrier()
        return self.out / CHECKPOINT

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        """Takes the steps that are left; validates and saves when the recipe says so, at the end of
        a stage, when the minutes are over, and before a signal ends the run.
        """
        every = self.recipe.log_every
        with Interruption(self.fabric, every) as interruption:
            while not self.finished:
                values = self.step()
                if self.steps_taken % self.recipe.validate_every == 0:
                    self.validate()
                ends = interruption.due(self.steps_taken, self._log.minutes > self.minutes)
                if (
                    ends
                    or self.steps_taken in self._schedule.ends
                    or self.steps_taken % self.recipe.save_every == 0
                ):
                    self.save()
                if ends:
                    interruption.end()
                yield values
                if ends:
                    return

    def close(self, check: bool = True) -> None:
        """Ends the progress line and the events. check: whether values that nobody has read yet
        must be finite; raises DivergedError.
        """
        self._log.close(check)
        self._events.close()


def check_weights(recipe: Recipe) -> None:
    """Raises WeightsError, which says what to fetch, before anything is read."""
    for spec in recipe.distortion:
        from_spec(spec)
    if recipe.critic and recipe.critic.input in CATALOGUE:
        require_file(recipe.critic.input)


def changed_count(before: Mapping[str, Any] | None, count: int) -> str:
    """What to tell of a folder that is not what it was."""
    if not before or before.get("count", count) == count:
        return ""
    return (
        f"the run was begun with {before['count']} photographs and goes on with {count}: from here "
        "its crops are others"
    )


def train(
    recipe: Recipe | Mapping[str, Any] | str | Path | None,
    data: DataSpec | None,
    out: str | Path,
    resume: bool = False,
    minutes: float = math.inf,
    **options: Any,
) -> None:
    """Takes all steps of a `Run`, with its arguments, or those of so many minutes."""
    with Run(recipe, data, out, resume=resume, minutes=minutes, **options) as run:
        for _ in run:
            pass
