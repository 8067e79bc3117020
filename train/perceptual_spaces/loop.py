"""Trains a perceptual space: a step of it, and a run, top to bottom."""

import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import safetensors.torch
import torch
from lightning_fabric import seed_everything
from lightning_fabric.utilities import move_data_to_device
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from metamer.codec.errors import RecipeError
from metamer.codec.system import files
from metamer.train.checkpoints import CHECKPOINT, earlier, load_run, save
from metamer.train.perceptual_spaces.recipe import SpaceRecipe, task_of
from metamer.train.perceptual_spaces.task import Task
from metamer.train.run.events import Events
from metamer.train.run.interruption import Interruption
from metamer.train.run.log import LOG, Log
from metamer.train.run.resuming import differences, keep_recipe, named, refuse
from metamer.train.step.optimisation import learning_rate, uses_bf16

HABITS = ("save_every", "validate_every", "log_every")  # may differ when a run is resumed


def check_resumable(recipe: SpaceRecipe, state: dict) -> None:
    """Raises RecipeError when ``recipe`` is not the one that led to ``state``."""
    before = asdict(recipe) | state["recipe"] | {key: getattr(recipe, key) for key in HABITS}
    refuse(list(differences(before, asdict(recipe))))


class SpaceTrainer:
    """Everything that a step changes, and the step itself."""

    def __init__(self, recipe: SpaceRecipe, task: Task, device: torch.device):
        self.recipe, self.task, self.device, self.steps_taken = recipe, task, device, 0
        self.model = task.model.to(device, memory_format=torch.channels_last)
        self.average = AveragedModel(
            self.model, multi_avg_fn=get_ema_multi_avg_fn(recipe.weight_average_decay)
        )
        self.optimiser = torch.optim.Adam(self.model.parameters())

    def step(self) -> dict[str, Tensor]:
        """One step; returns its losses and the gradient's norm, scalars on the device."""
        recipe, model = self.recipe, self.model
        samples = move_data_to_device(self.task.draw(self.steps_taken), self.device)
        torch.manual_seed(
            recipe.seed + 1_000_003 * self.steps_taken
        )  # noise depends on the step alone
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(recipe, self.steps_taken)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=uses_bf16(recipe.precision)):
            losses = self.task.losses(model, samples)
        self.optimiser.zero_grad()
        losses["loss"].backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.gradient_clip)
        self.optimiser.step()
        for module in model.modules():
            if hasattr(module, "project"):
                module.project()
        self.average.update_parameters(model)
        self.steps_taken += 1
        return {**losses, "gradient": norm}

    def validate(self) -> dict[str, float]:
        """What the averaged weights make of held-out samples, as the task has it."""
        with torch.no_grad():
            return self.task.validate(self.average.module)

    def state(self) -> dict:
        """What a run goes on from."""
        return {
            "step": self.steps_taken,
            "model": self.model.state_dict(),
            "average": self.average.module.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "recipe": asdict(self.recipe),
        }

    def restore(self, state: dict) -> None:
        """Goes on from `state` of the same recipe."""
        self.steps_taken = state["step"]
        self.model.load_state_dict(state["model"])
        self.average.module.load_state_dict(state["average"])
        self.average.n_averaged.fill_(self.steps_taken)
        self.optimiser.load_state_dict(state["optimiser"])


def train(
    recipe: SpaceRecipe, folders: Sequence[str | Path] | None, out: Path, resume: bool = False
) -> None:
    """Runs ``recipe`` on the pictures of ``folders``; writes checkpoint.pt, recipe.yaml, log.jsonl
    and TensorBoard's events into ``out``.

    resume: continue from the checkpoint in ``out``, with its folders where none are given; the
    weights end the same as if nothing had happened. Raises RecipeError, DivergedError.
    """
    out = Path(out)
    checkpoint = out / CHECKPOINT
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise RecipeError(
            "a perceptual space is trained by one process, whose losses compare the samples of a "
            "whole batch: start it without torchrun"
        )
    state = earlier(out, resume)
    if state is not None:
        check_resumable(recipe, state)
    names = named(folders, state)
    seed_everything(recipe.seed, verbose=False)
    out.mkdir(parents=True, exist_ok=True)

    task = task_of(recipe.space)(
        recipe.options, list(map(Path, names)), out, recipe.batch, recipe.crop, recipe.seed
    )
    trainer = SpaceTrainer(
        recipe, task, torch.device("cuda" if torch.cuda.is_available() else "cpu")
    )
    if state is not None:
        trainer.restore(state)

    keep_recipe(recipe, out, f"metamer train --resume --out {out}")
    events = Events(out, trainer.steps_taken, active=True)
    log = Log(
        out / LOG, checkpoint, recipe.log_every, recipe.steps, trainer.steps_taken, also=events.row
    )
    with Interruption() as interruption:
        while trainer.steps_taken < recipe.steps:
            rate = learning_rate(recipe, trainer.steps_taken)
            values = trainer.step()
            log.step(trainer.steps_taken, recipe.batch, values, learning_rate=rate)
            last = trainer.steps_taken == recipe.steps
            if trainer.steps_taken % recipe.validate_every == 0 or last:
                log.row(step=trainer.steps_taken, validation=trainer.validate())
            ends = interruption.due(trainer.steps_taken)
            if trainer.steps_taken % recipe.save_every == 0 or last or ends:
                log.check()
                save(checkpoint, {**trainer.state(), "folders": names})
            if ends:
                interruption.end()
    log.close()
    events.close()


def weights_of(run: Path) -> dict[str, Tensor]:
    """What ships of a run: the averaged weights of the model's ``space``, float32."""
    state = load_run(Path(run) / CHECKPOINT)
    if "space" not in state["recipe"]:
        raise RecipeError(f"{run} trained no perceptual space")
    prefix = "space."
    return {
        name.removeprefix(prefix): value.float().contiguous()
        for name, value in state["average"].items()
        if name.startswith(prefix)
    }


def export(run: Path, path: Path) -> None:
    """Writes those weights as a safetensors file, whole or not at all."""
    files.write_file(str(path), safetensors.torch.save(weights_of(run), {"format": "pt"}))
