"""Trains a perceptual space, top to bottom: data → losses → gradients → average → log →
checkpoint.
"""

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
from metamer.train.checkpoints import CHECKPOINT, earlier, load, save
from metamer.train.run.events import Events
from metamer.train.run.interruption import Interruption
from metamer.train.run.log import LOG, Log
from metamer.train.run.resuming import differences, keep_recipe, named, refuse
from metamer.train.spaces.recipe import SpaceRecipe, task_of
from metamer.train.step.optimisation import learning_rate, uses_bf16

HABITS = ("save_every", "validate_every", "log_every")  # may differ when a run is resumed


def check_resumable(recipe: SpaceRecipe, state: dict) -> None:
    """Raises RecipeError when ``recipe`` is not the one that led to ``state``."""
    before = asdict(recipe) | state["recipe"] | {key: getattr(recipe, key) for key in HABITS}
    refuse(list(differences(before, asdict(recipe))))


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
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    out.mkdir(parents=True, exist_ok=True)

    task = task_of(recipe.space)(
        recipe.options, list(map(Path, names)), out, recipe.batch, recipe.crop, recipe.seed
    )
    model = task.model.to(device, memory_format=torch.channels_last)
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(recipe.weight_average_decay))
    optimiser = torch.optim.Adam(model.parameters())
    done = 0
    if state is not None:
        done = state["step"]
        model.load_state_dict(state["model"])
        average.module.load_state_dict(state["average"])
        average.n_averaged.fill_(done)
        optimiser.load_state_dict(state["optimiser"])

    keep_recipe(recipe, out, f"metamer train --resume --out {out}")
    events = Events(out, done, active=True)
    log = Log(out / LOG, checkpoint, recipe.log_every, recipe.steps, done, also=events.row)
    with Interruption() as interruption:
        while done < recipe.steps:
            data = move_data_to_device(task.draw(done), device)
            torch.manual_seed(recipe.seed + 1_000_003 * done)  # noise depends on the step alone
            for group in optimiser.param_groups:
                group["lr"] = rate = learning_rate(recipe, done)
            with torch.autocast(device.type, torch.bfloat16, enabled=uses_bf16(recipe.precision)):
                losses = task.losses(model, data)
            optimiser.zero_grad()
            losses["loss"].backward()
            norm = torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.gradient_clip)
            optimiser.step()
            for module in model.modules():
                if hasattr(module, "project"):
                    module.project()
            average.update_parameters(model)
            done += 1

            log.step(done, recipe.batch, {**losses, "gradient": norm}, learning_rate=rate)
            if done % recipe.validate_every == 0 or done == recipe.steps:
                with torch.no_grad():
                    log.row(step=done, validation=task.validate(average.module))
            ends = interruption.due(done)
            if done % recipe.save_every == 0 or done == recipe.steps or ends:
                log.check()
                save(
                    checkpoint,
                    {
                        "step": done,
                        "model": model.state_dict(),
                        "average": average.module.state_dict(),
                        "optimiser": optimiser.state_dict(),
                        "recipe": asdict(recipe),
                        "folders": names,
                    },
                )
            if ends:
                interruption.end()
    log.close()
    events.close()


def weights_of(run: Path) -> dict[str, Tensor]:
    """What ships of a run: the averaged weights of the model's ``space``, float32."""
    state = load(Path(run) / CHECKPOINT)
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
