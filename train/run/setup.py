"""What a run begins from: processes, and the network as it is before the first step."""

import os
from pathlib import Path

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies import DDPStrategy
from torch import Tensor

from metamer.codec.errors import RecipeError
from metamer.codec.network import model as models
from metamer.train import start as starts
from metamer.train.checkpoints import load_run
from metamer.train.data import Source
from metamer.train.loss.objective import Distortion
from metamer.train.networks import registry
from metamer.train.networks.interface import Network
from metamer.train.recipe.checks import from_mapping
from metamer.train.recipe.options import Recipe, Stage

START_CROP = 176  # crops that the lapped transform is fitted to
REFERENCE = "base"  # on whose operational curve networks without one of their own are balanced


def has_default_architecture(recipe: dict) -> bool:
    """Whether a recipe, as a checkpoint holds it, is of Metamer's own network."""
    return recipe["network"].get("architecture", registry.DEFAULT) == registry.DEFAULT


def restore_average(path: Path) -> tuple[Network, dict]:
    """The averaged weights of a run as a network, and the checkpoint they came from."""
    state = load_run(path)
    network = registry.create(from_mapping(state["recipe"]).network)
    network.load_state_dict(state["average"])
    return network, state


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


def process_share(stage: Stage, fabric: Fabric) -> slice:
    """Which samples of a step's batch are this process's. Raises RecipeError when they cannot be
    shared evenly.
    """
    size, rest = divmod(stage.batch, fabric.world_size)
    if rest:
        raise RecipeError(
            f"stage {stage.name}: a batch of {stage.batch} cannot be shared by {fabric.world_size} "
            "processes"
        )
    if size % stage.gradient_accumulation:
        raise RecipeError(
            f"stage {stage.name}: {size} crops, a process's share, cannot be computed in "
            f"{stage.gradient_accumulation} equal parts (gradient_accumulation)"
        )
    return slice(fabric.global_rank * size, (fabric.global_rank + 1) * size)


def first_crops(source: Source, crop: int, seed: int, count: int) -> Tensor:
    """(N, 3, S, S) in [0, 1], on the CPU, as the network is before training: the crops that
    statistics are taken of.
    """
    return torch.stack([*source.crops(crop, seed, count)]).cpu().float() / 255


def begin(recipe: Recipe, source: Source) -> Network:
    """The network before the first step: of ``recipe.start``, or an untrained one."""
    if recipe.start:
        return starts.load(recipe.start, recipe.network)
    network = registry.create(recipe.network)
    if network.starts_from_photographs:
        network.start_from(first_crops(source, START_CROP, recipe.seed, recipe.start_crops))
    return network


def prepared(recipe: Recipe, source: Source, state: dict | None) -> tuple[Network, Distortion]:
    """Network and distortion as they are before the first step, or where ``state`` was saved."""
    distortion = Distortion(recipe.distortion, recipe.network.levels)
    if state is not None:
        network = registry.create(recipe.network)
        network.load_state_dict(state["model"])
        if "distortion" in state:  # checkpoints from before there was anything to balance lack it
            distortion.restore(state["distortion"])
        return network, distortion
    network = begin(recipe, source)
    if not distortion.is_plain or recipe.critic or recipe.rate_control != "lambda":
        network.enter(recipe.stages[0])
        side = max(stage.crop for stage in recipe.stages)
        crops = first_crops(source, side, recipe.seed, recipe.balance_crops)
        source_of_curve = recipe.balanced_on or ("" if network.has_curve else REFERENCE)
        reference = (
            starts.from_model(models.load_model(source_of_curve)) if source_of_curve else None
        )
        distortion.balance(network, crops, recipe.stages[0], reference)
    return network, distortion
