"""Trains PerceptNet once for every point of a grid: noise, blur, sparsity, and plain
reconstruction.

Hernández-Cámara, Malo & Laparra, 2025, figures 1 and 2. `evaluation.probes.perceptnet_sweep` scores
what comes out.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import safetensors.torch
from pydantic import Field

from metamer.codec.errors import RecipeError
from metamer.codec.system import files
from metamer.train.checkpoints import CHECKPOINT, load, load_run
from metamer.train.perceptual_spaces import loop
from metamer.train.perceptual_spaces.perceptnet.task import PerceptNetOptions
from metamer.train.perceptual_spaces.recipe import SpaceRecipe, from_mapping
from metamer.train.recipe.fields import Natural, Positive, build, documented
from metamer.train.recipe.files import read

MODEL = "model.safetensors"
SPACE = "perceptnet"


@documented
@dataclass
class SweepRecipe:
    """A grid of trainings.

    base: the recipe of plain reconstruction. noise, blur, sparsity: the strengths of the other
    objectives, in the units of `PerceptNetOptions`. seeds: every point is trained with each, first
    all of them with the first. parametric: where given, what the recipe of one more reconstruction
    changes, from the parametric start.
    """

    base: dict[str, Any]
    noise: list[Positive] = field(default_factory=list)
    blur: list[Positive] = field(default_factory=list)
    sparsity: list[Positive] = field(default_factory=list)
    seeds: Annotated[list[Natural], Field(min_length=1)] = field(default_factory=lambda: [0])
    parametric: dict[str, Any] | None = None


def load_recipe(path: Path) -> dict[str, SpaceRecipe]:
    """Point → its recipe, checked. Raises `RecipeError`."""
    try:
        return points(build(SweepRecipe, read(path)))
    except RecipeError as problem:
        raise RecipeError(f"{path}: {str(problem).removeprefix(f'{path}: ')}") from None


def points(sweep: SweepRecipe) -> dict[str, SpaceRecipe]:
    """Point → its recipe: ``reconstruction``, ``noise-0.1``, ``parametric-seed1`` and so on. Raises
    `RecipeError`.
    """
    base = from_mapping({"space": SPACE, **sweep.base})
    if base.space != SPACE or base.options != PerceptNetOptions():
        raise RecipeError(f"base: the sweep sets space ({SPACE}) and options itself")
    grid = {"reconstruction": base}
    for name, objective in (
        ("noise", "denoising"),
        ("blur", "deblurring"),
        ("sparsity", "sparsity"),
    ):
        for strength in getattr(sweep, name):
            options = {"objective": objective, "strength": strength}
            grid[f"{name}-{strength:g}"] = from_mapping(
                {"space": SPACE, **sweep.base, "options": options}
            )
    if sweep.parametric is not None:
        options = {"initialisation": "parametric"}
        grid["parametric"] = from_mapping(
            {"space": SPACE, **sweep.base, **sweep.parametric, "options": options}
        )
    return {
        name + (f"-seed{seed}" if seed != sweep.seeds[0] else ""): replace(recipe, seed=seed)
        for seed in sweep.seeds
        for name, recipe in grid.items()
    }


def run(recipe: Path, folders: Sequence[Path], out: Path) -> dict[str, Path]:
    """Trains every point in its folder below ``out`` and returns where its encoder and decoder are,
    as safetensors.

    Points that are finished stay; one that was interrupted goes on. Raises `RecipeError`, also for
    a point in ``out`` that another recipe made, and `DivergedError`.
    """
    grid = load_recipe(recipe)
    return {name: trained(point, folders, Path(out) / name) for name, point in grid.items()}


def trained(recipe: SpaceRecipe, folders: Sequence[Path], out: Path) -> Path:
    """One point's weights, from what is in ``out`` as far as that goes."""
    state = load_run(out / CHECKPOINT) if (out / CHECKPOINT).exists() else None
    if state is not None:
        loop.check_resumable(recipe, state)
    if state is None or state["step"] < recipe.steps:
        loop.train(recipe, folders, out, resume=state is not None)
    if not (out / MODEL).exists():
        export(recipe, out)
    return out / MODEL


def export(recipe: SpaceRecipe, out: Path) -> None:
    """Writes encoder.* and decoder.*, float32, with the options they were trained with as
    metadata.
    """
    average = load(out / CHECKPOINT)["average"]
    tensors = {
        name.replace("space.", "encoder.", 1): value.float().contiguous()
        for name, value in average.items()
    }
    metadata = {
        name: str(value)
        for name, value in {
            **asdict(recipe.options),
            "seed": recipe.seed,
            "steps": recipe.steps,
        }.items()
    }
    files.write_file(
        str(out / MODEL), safetensors.torch.save(tensors, {"format": "pt", **metadata})
    )
