"""What no single value of a recipe can say: whether they go together."""

import dataclasses
from typing import Any

from metamer.codec.errors import RecipeError
from metamer.perception import registry
from metamer.perception.errors import PerceptionError
from metamer.perception.registry import suggestion
from metamer.train.networks.interface import Network
from metamer.train.networks.registry import DEFAULT, checked_options, network_class
from metamer.train.recipe.fields import build
from metamer.train.recipe.old_names import NEW_NAMES
from metamer.train.recipe.options import Recipe, Stage

COMMON = frozenset(  # what every network goes by
    {
        "name",
        "steps",
        "parts",
        "batch",
        "gradient_accumulation",
        "crop",
        "learning_rate",
        "warmup_steps",
        "final_learning_rate_share",
        "weight_average_decay",
        "level_exponent",
    }
)


def from_mapping(values: Any) -> Recipe:
    """A checked recipe from plain data, as YAML or a checkpoint holds it. Raises RecipeError."""
    if not isinstance(values, dict):
        raise RecipeError("a recipe is a mapping with the key 'stages'")
    recipe = build(Recipe, values, renamed=NEW_NAMES)
    recipe.network = checked_options(recipe.network)
    check_distortion(recipe)
    check_rate(recipe)
    check_decoder(recipe)
    kind = network_class(recipe.network.architecture)
    for stage in recipe.stages:
        check_stage(recipe, kind, stage)
    return recipe


def check_distortion(recipe: Recipe) -> None:
    """Distances exist, can be trained on, and fit into every stage's crops."""
    for spec in recipe.distortion:
        try:
            metric = registry.metric_of(spec)
        except PerceptionError as problem:
            raise RecipeError(f"distortion: {problem}") from None
        if not metric.trainable:
            raise RecipeError(
                f"distortion: {metric.name} can only judge, it has no useful gradient"
                + ("; train on mse" if metric.name == "psnr" else "")
            )
        for stage in recipe.stages:
            if stage.crop < metric.min_side:
                raise RecipeError(
                    f"stage {stage.name}: crop {stage.crop} is too small for {metric.name}, "
                    f"which needs {metric.min_side} pixels"
                )


def check_rate(recipe: Recipe) -> None:
    """A target for each level, if any; and something that changes the rate."""
    targets, levels = recipe.rate_control, recipe.network.levels
    if isinstance(targets, list) and len(targets) != levels:
        raise RecipeError(
            f"rate_control: {levels} bits a pixel are needed, one for each level, not "
            f"{len(targets)}"
        )
    if targets != "lambda" and all(stage.parts == "decoder" for stage in recipe.stages):
        raise RecipeError("rate_control: a decoder alone does not change the rate; leave it out")


def check_decoder(recipe: Recipe) -> None:
    """Sizes of another synthesis, cached latents: for stages that train the decoder alone."""
    sizes, cache = getattr(recipe.network, "decoder", None), recipe.cached_latents
    where = "network.decoder" if sizes else "cached_latents"
    if (sizes or cache) and any(stage.parts != "decoder" for stage in recipe.stages):
        raise RecipeError(f"{where}: every stage must have parts 'decoder'")
    if cache and recipe.network.architecture != DEFAULT:
        raise RecipeError("cached_latents: they are those of Metamer's own network")
    if cache and sizes and sizes.noise:
        raise RecipeError("cached_latents: they come without noise; leave one of them out")


def check_stage(recipe: Recipe, kind: type[Network], stage: Stage) -> None:
    """The stage asks for what the network has."""
    where, name = f"stage {stage.name}", recipe.network.architecture
    if stage.parts not in kind.parts:
        raise RecipeError(
            f"{where}: parts is one of {', '.join(kind.parts)}, not '{stage.parts}'"
            + suggestion(stage.parts, kind.parts)
        )
    if stage.parts in kind.keeps_streams and not recipe.start:
        raise RecipeError(
            f"{where}: parts '{stage.parts}' needs a model to start from; say start: "
            + ("base" if name == DEFAULT else "CHECKPOINT")
        )
    if stage.crop % kind.multiple:
        raise RecipeError(f"{where}: crop must be a multiple of {kind.multiple} for {name}")
    if recipe.critic and stage.parts == "entropy":
        raise RecipeError(
            f"{where}: parts 'entropy' leaves the networks out that a critic would teach"
        )
    usual = Stage(stage.name, stage.steps)
    for field in dataclasses.fields(Stage):
        other = getattr(stage, field.name) != getattr(usual, field.name)
        if other and field.name not in COMMON | kind.settings:
            raise RecipeError(f"{where}: {name} knows no {field.name}")
    try:
        kind.check_stage(recipe.network, stage)
    except ValueError as problem:
        raise RecipeError(f"{where}: {problem}") from None
