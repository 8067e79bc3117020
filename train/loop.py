"""The training run of a codec, top to bottom: photographs → steps of every stage → log → validation
→ checkpoints.
"""

import dataclasses
import itertools
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from lightning_fabric import Fabric, seed_everything
from lightning_fabric.strategies import DDPStrategy
from torch import Tensor
from tqdm import tqdm

from metamer.codec.errors import RecipeError
from metamer.train import start as starts
from metamer.train.data import Plan, Source, open_data
from metamer.train.loss.objective import Distortion
from metamer.train.networks.codec import KEEPING, Codec
from metamer.train.recipe import Recipe, Stage, from_mapping
from metamer.train.running import CHECKPOINT, LOG, Log, earlier, learning_rate, load, save
from metamer.train.step import Trainer
from metamer.train.validation import validate, validation_crops

START_CROP = 176  # crops that the lapped transform is fitted to


def check_resumable(recipe: Recipe, state: dict) -> None:
    """Raises RecipeError when ``recipe`` would not have led to ``state``.

    Stages not yet begun may differ, and a stage of constant learning rate may end earlier or later
    than it was to.
    """
    now, before = dataclasses.asdict(recipe), dataclasses.asdict(from_mapping(state["recipe"]))
    for key in ("save_every", "validate_every", "log_every", "message", "start"):
        before[key] = now[key]
    ends = list(itertools.accumulate(stage["steps"] for stage in before["stages"]))
    begun = 1 + sum(end < state["step"] for end in ends)
    now["stages"], before["stages"] = now["stages"][:begun], before["stages"][:begun]
    current = before["stages"][-1]
    if len(now["stages"]) == begun and current["final_learning_rate_share"] == 1.0:
        if now["stages"][-1]["steps"] < state["step"] - (ends[begun - 2] if begun > 1 else 0):
            raise RecipeError(f"stage {current['name']} has taken more steps than the recipe says")
        current["steps"] = now["stages"][-1]["steps"]
    changed = [key for key in now if now[key] != before[key]]
    if changed:
        raise RecipeError(
            f"the run was begun with other {', '.join(changed)}; resume it with its own recipe"
        )


def restore_average(path: Path) -> tuple[Codec, dict]:
    """The averaged weights of a run as a Codec, and the checkpoint they came from."""
    state = load(path)
    codec = Codec(from_mapping(state["recipe"]).network)
    codec.load_state_dict(state["average"])
    return codec, state


def connect() -> Fabric:
    """Fabric on the GPU if there is one, else the CPU; on several processes when started by
    `torchrun`.
    """
    world, local = (
        int(os.environ.get("WORLD_SIZE", "1")),
        int(os.environ.get("LOCAL_WORLD_SIZE", "1")),
    )
    # stages may leave networks out
    strategy = DDPStrategy(find_unused_parameters=True) if world > 1 else "auto"
    fabric = Fabric(devices=local, num_nodes=world // local, strategy=strategy)
    fabric.launch()
    # what asks for float32 needs it: integer layers, the linear transforms
    torch.backends.cudnn.allow_tf32 = False
    return fabric


def own_share(stage: Stage, fabric: Fabric) -> slice:
    """Which samples of a step's batch are this process's. Raises RecipeError when they cannot be
    shared evenly.
    """
    size, rest = divmod(stage.batch, fabric.world_size)
    if rest:
        raise RecipeError(
            f"stage {stage.name}: a batch of {stage.batch} cannot be shared by {fabric.world_size} "
            "processes"
        )
    return slice(fabric.global_rank * size, (fabric.global_rank + 1) * size)


def first_crops(source: Source, crop: int, seed: int, count: int) -> Tensor:
    """(N, 3, S, S) in [0, 1]: the crops that statistics are taken of before training."""
    return torch.stack([*source.crops(crop, seed, count)]).float() / 255


def begin(recipe: Recipe, source: Source) -> Codec:
    """The codec before the first step: of ``recipe.start``, or the Karhunen-Loève start."""
    if recipe.start:
        return starts.load(recipe.start, recipe.network)
    codec = Codec(recipe.network)
    codec.start_from(first_crops(source, START_CROP, recipe.seed, recipe.start_crops))
    return codec


def prepared(recipe: Recipe, source: Source, state: dict | None) -> tuple[Codec, Distortion]:
    """Codec and distortion as they are before the first step, or where ``state`` was saved."""
    distortion = Distortion(recipe.distortion, recipe.network.levels)
    if state is not None:
        codec = Codec(recipe.network)
        codec.load_state_dict(state["model"])
        if "distortion" in state:  # checkpoints from before there was anything to balance lack it
            distortion.restore(state["distortion"])
        return codec, distortion
    codec = begin(recipe, source)
    if not distortion.is_plain or recipe.critic or recipe.rate_control != "lambda":
        codec.entropy.set_quantised(
            recipe.stages[0].integer_networks or recipe.stages[0].parts in KEEPING
        )
        crops = first_crops(
            source,
            max(stage.crop for stage in recipe.stages),
            recipe.seed,
            recipe.balance_crops,
        )
        distortion.balance(codec, crops, recipe.stages[0].parts)
    return codec, distortion


def train(
    recipe: Recipe,
    folders: Sequence[Path],
    out: Path,
    resume: bool = False,
    minutes: float = float("inf"),
) -> None:
    """Runs ``recipe`` on the photographs of ``folders``; writes checkpoint.pt and log.jsonl into
    ``out``.

    resume: continue from the checkpoint in ``out``; the weights end the same as if nothing had
    happened. minutes: stop by then, with a checkpoint. Started by `torchrun`, processes share each
    batch and end with the weights of one alone, but for the order of sums. Raises RecipeError,
    DivergedError.
    """
    out = Path(out)
    checkpoint = out / CHECKPOINT
    state = earlier(out, resume)
    if state is not None:
        check_resumable(recipe, state)
        recipe.start = state["recipe"].get("start", "")
    fabric = connect()
    shares = [own_share(stage, fabric) for stage in recipe.stages]
    seed_everything(recipe.seed, verbose=False)
    data = open_data(
        folders, fabric.device, before=None if state is None else state.get("data", {})
    )
    crops = validation_crops(data.validation)
    trainer = Trainer(recipe, *prepared(recipe, data.training, state), fabric)
    if state is not None:
        trainer.restore(state)
    out.mkdir(parents=True, exist_ok=True)
    done = state["step"] if state is not None else 0
    for notice in (recipe.message, data.notice):
        if fabric.is_global_zero and notice:
            tqdm.write(notice, file=sys.stderr)
    log = Log(
        out / LOG,
        checkpoint,
        recipe.log_every,
        sum(stage.steps for stage in recipe.stages),
        done,
        fabric.is_global_zero,
    )

    def snapshot() -> None:
        log.check()
        if fabric.is_global_zero:
            save(checkpoint, {"step": done, "data": data.state(taken), **trainer.state()})
        fabric.barrier()

    first = before = 0
    for stage, own in zip(recipe.stages, shares, strict=True):
        last = first + stage.steps
        trainer.enter(stage)
        taken = before + (done - first) * stage.batch
        plan = Plan(stage.crop, recipe.seed, stage.batch, range(done, last), own, taken)
        for image, affine in data.training.batches(plan):
            values = trainer.step(stage, done - first, done, image, affine, own)
            rate = learning_rate(stage, done - first)
            done, taken = done + 1, taken + stage.batch
            log.step(done, stage.batch, values, stage=stage.name, learning_rate=rate)
            if done % recipe.validate_every == 0 and len(crops) and fabric.is_global_zero:
                log.row(
                    step=done,
                    validation=validate(
                        trainer.average.module, trainer.distortion, crops, stage, fabric.device
                    ),
                )
            ends = log.minutes > minutes
            if done == last or ends or done % recipe.save_every == 0:
                snapshot()
            if ends:
                break
        first, before = last, before + stage.steps * stage.batch
        if log.minutes > minutes:
            break
    log.close()
