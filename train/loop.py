"""What a codec's run begins from: processes, and networks as they are before the first step."""

import os
from pathlib import Path

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies import DDPStrategy
from torch import Tensor

from metamer.codec.errors import RecipeError
from metamer.train import start as starts
from metamer.train.data import Source
from metamer.train.loss.objective import Distortion
from metamer.train.networks.codec import KEEPING, Codec
from metamer.train.recipe import Recipe, Stage, from_mapping
from metamer.train.running import load

START_CROP = 176  # crops that the lapped transform is fitted to


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
