"""Recipes: YAML files that say what to train. Checked whole before anything runs."""

import copy
import dataclasses
import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_origin

import yaml

from metamer.codec.errors import RecipeError
from metamer.perception import registry
from metamer.perception.backbones.imagenet import NETWORKS
from metamer.perception.errors import PerceptionError
from metamer.train.loss.critic import PIXELS, CriticOptions
from metamer.train.loss.critic_losses import LOSSES
from metamer.train.networks.codec import KEEPING, PARTS, NetworkOptions
from metamer.train.networks.lapped import BLOCK
from metamer.train.networks.proxies import PROXIES
from metamer.train.networks.transforms import STRIDES, DecoderOptions
from metamer.train.old_names import NEW_NAMES

PRECISIONS = ("auto", "32-true", "bf16-mixed")
BASIS = 3 * BLOCK * BLOCK  # a block has no more dimensions than that


@dataclass
class Stage:
    """One phase of training; Adam and the averaged weights carry on from one to the next.

    parts: `entropy` leaves both residual networks out (cheap: entropy model, steps, and slowly the
    linear transforms); `all` trains everything; `transforms` encoder and decoder, `decoder` the
    decoder alone, both for streams of the model that the run started from. batch: crops a step,
    over all processes together. level_exponent: quality levels are drawn as (K −
    1)·u^level_exponent, u uniform; above 1 favours low rates. learning_rate rises over
    ``warmup_steps`` steps and falls to ``final_learning_rate_share`` times itself along a cosine.
    rdoq_lambda: bits that a squared step of error is worth where residuals are rounded as the
    encoder rounds them, `codec.network.latents.choose_residuals`; 0 rounds to the nearest.
    rdoq_group_weights: how much more that is in each group of latents, by which later ones are
    predicted, times the square of its step; all alike if empty. integer_networks: round the entropy
    networks to integers, with straight-through gradients; where they stay as they are, always.
    texture_noise: noise that the decoder is given where latents were rounded to nothing, to make
    texture of: how much in each group of latents, 1 being as much as there may have been; none if
    empty.
    """

    name: str
    steps: int
    parts: str = "all"
    batch: int = 8
    crop: int = 192
    level_exponent: float = 1.0
    learning_rate: float = 1e-3
    warmup_steps: int = 200
    final_learning_rate_share: float = 0.05
    proxy: str = "mixed"
    proxy_temperature: float = 0.3
    rdoq_lambda: float = 0.0
    rdoq_group_weights: list[float] = field(default_factory=list)
    integer_networks: bool = False
    texture_noise: list[float] = field(default_factory=list)


@dataclass
class CacheOptions:
    """Latents that a decoder alone is trained on, computed once, of whole photographs
    (`train.latents`).

    qualities: how many, from the lowest to the highest; every: a photograph is coded at every so
    manyth of them, neighbours in turn at others; margin: latent positions around a crop that are
    decoded and not counted; folder: where files are kept, some 3 bytes a pixel and quality; by
    default in the run's.
    """

    qualities: int = 17
    every: int = 4
    margin: int = 1
    folder: str = ""


@dataclass
class Recipe:
    """stages run in order. linear_learning_rate_share: learning rate of the transforms' linear
    part, as a share.

    start: a shipped model, a model file or a checkpoint to begin from; "" is the Karhunen-Loève
    start. distortion: any distance of the registry, as `name` or `name:option=value,…`, and its
    weight in the mix; `train.loss.objective` balances them. critic: none, or the options of
    `train.loss.critic`. rate_control: `lambda` (λ is fixed), `start` (every level keeps the bits a
    pixel it takes at the start), or a list of bits a pixel, one for each level; rate_control_speed:
    how fast λ follows, in ln λ a step. balance_crops: crops that distances are balanced on.
    message: what to tell who starts the run. level_balance_exponent: sample weights
    λ^(−level_balance_exponent), so that every quality counts about equally. precision: `32-true` or
    `bf16-mixed`; `auto` is bf16 where the processor multiplies it natively. cached_latents: for a
    decoder alone, to train it without running encoder and entropy model at every step.
    """

    stages: list[Stage]
    network: NetworkOptions = field(default_factory=NetworkOptions)
    start: str = ""
    distortion: dict[str, float] = field(default_factory=lambda: {"mse": 1.0})
    critic: CriticOptions | None = None
    rate_control: Any = "lambda"
    rate_control_speed: float = 0.02
    balance_crops: int = 24
    message: str = ""
    seed: int = 0
    linear_learning_rate_share: float = 0.02
    level_balance_exponent: float = 0.5
    gradient_clip: float = 1.0
    weight_average_decay: float = 0.999
    precision: str = "auto"
    cached_latents: CacheOptions | None = None
    start_crops: int = 600
    save_every: int = 500
    validate_every: int = 1000
    log_every: int = 20


def suggested(word: str, known) -> str:
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean '{close[0]}'?" if close else ""


def as_float(value: Any) -> float | None:
    """A number, or text that means one: to YAML 1.1 `2e-4` is text, for want of a point."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def build(kind: type, values: Any, where: str) -> Any:
    """Fills a dataclass from a mapping; unknown keys and wrong types are errors that name the
    place.
    """
    if not isinstance(values, dict):
        raise RecipeError(f"{where}: expected a mapping, found {type(values).__name__}")
    fields = {f.name: f for f in dataclasses.fields(kind)}
    for key, value in values.items():
        if key not in fields:
            if key in (names := NEW_NAMES.get(kind.__name__, {})):
                raise RecipeError(f"{where}: '{key}' is called '{names[key]}' now")
            raise RecipeError(f"{where}: unknown key '{key}'" + suggested(str(key), fields))
        expected = fields[key].type
        if expected is float and (number := as_float(value)) is not None:
            values = {**values, key: number}
        elif get_origin(expected) is list and not isinstance(value, list):
            raise RecipeError(f"{where}.{key}: expected a list, found {value!r}")
        elif get_origin(expected) is dict and not isinstance(value, dict):
            raise RecipeError(f"{where}.{key}: expected a mapping, found {value!r}")
        elif expected in (int, float, str, bool) and type(value) is not expected:
            raise RecipeError(f"{where}.{key}: expected {expected.__name__}, found {value!r}")
    try:
        return kind(**values)
    except TypeError as problem:
        raise RecipeError(f"{where}: {str(problem).split('__init__() ')[-1]}") from None


def at_least(low: int, values: Any, where: str, *names: str) -> None:
    for name in names:
        if getattr(values, name) < low:
            raise RecipeError(f"{where}{name}: must be at least {low}")


def check_distortion(recipe: Recipe) -> None:
    """The mix: distances that exist, that can be trained on, and whose weights are positive."""
    if not recipe.distortion:
        raise RecipeError("distortion: at least one distance is needed")
    for spec, weight in recipe.distortion.items():
        if (
            isinstance(weight, bool)
            or not isinstance(weight, int | float)
            or not 0 < weight < float("inf")
        ):
            raise RecipeError(f"distortion.{spec}: expected a positive weight, found {weight!r}")
        try:
            metric = registry.find(str(spec).partition(":")[0])
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
    """`lambda`, `start`, or a target for each level."""
    rate = recipe.rate_control
    if isinstance(rate, list):
        if len(rate) != recipe.network.levels or not all(
            isinstance(bpp, int | float) and bpp > 0 for bpp in rate
        ):
            raise RecipeError(
                f"rate_control: {recipe.network.levels} positive bits a pixel are needed, one for "
                "each level"
            )
    elif rate not in ("lambda", "start"):
        raise RecipeError(
            f"rate_control: expected lambda, start or a list of bits a pixel, found {rate!r}"
            + suggested(str(rate), ("lambda", "start"))
        )
    if rate != "lambda" and all(stage.parts == "decoder" for stage in recipe.stages):
        raise RecipeError("rate_control: a decoder alone does not change the rate; leave it out")
    if not 0 < recipe.rate_control_speed < 1:
        raise RecipeError("0 < rate_control_speed < 1 is needed")


def check_critic(recipe: Recipe) -> None:
    """A critic that can work, beside stages that have something for it to look at."""
    critic = recipe.critic
    if critic.loss not in LOSSES:
        raise RecipeError(
            f"critic.loss: one of {', '.join(LOSSES)}, not '{critic.loss}'"
            + suggested(critic.loss, LOSSES)
        )
    if critic.input not in (PIXELS, *NETWORKS):
        known = (PIXELS, *NETWORKS)
        raise RecipeError(
            f"critic.input: one of {', '.join(known)}, not '{critic.input}'"
            + suggested(critic.input, known)
        )
    at_least(1, critic, "critic.", "width")
    at_least(0, critic, "critic.", "pretraining_steps")
    if not 0 < critic.weight < float("inf") or critic.learning_rate <= 0:
        raise RecipeError("critic: weight and learning_rate must be positive")
    for stage in recipe.stages:
        if stage.parts == "entropy":
            raise RecipeError(
                f"stage {stage.name}: parts 'entropy' leaves the networks out that a critic would "
                "teach"
            )


def check_texture(stage: Stage, network: NetworkOptions) -> None:
    """A number for each group of latents, for a decoder alone."""
    if stage.parts != "decoder":
        raise RecipeError(f"stage {stage.name}: texture_noise is for parts 'decoder'")
    groups = len(network.groups)
    if len(stage.texture_noise) != groups or not all(
        isinstance(x, int | float) and 0 <= x <= 1 for x in stage.texture_noise
    ):
        raise RecipeError(
            f"stage {stage.name}: texture_noise needs {groups} numbers from 0 to 1, one for "
            "each group of latents"
        )


def check_decoder(recipe: Recipe) -> None:
    """Sizes of another synthesis, cached latents: for stages that train the decoder alone."""
    sizes, cache = recipe.network.decoder, recipe.cached_latents
    where = "network.decoder" if sizes else "cached_latents"
    if any(stage.parts != "decoder" for stage in recipe.stages):
        raise RecipeError(f"{where}: every stage must have parts 'decoder'")
    if sizes:
        if sizes.stride not in STRIDES:
            raise RecipeError(f"network.decoder.stride: one of {', '.join(map(str, STRIDES))}")
        at_least(1, sizes, "network.decoder.", "width")
        at_least(0, sizes, "network.decoder.", "blocks")
    if cache:
        at_least(2, cache, "cached_latents.", "qualities")
        at_least(1, cache, "cached_latents.", "every")
        at_least(0, cache, "cached_latents.", "margin")
        if any(stage.texture_noise for stage in recipe.stages):
            raise RecipeError(
                "cached_latents: texture_noise depends on more than latents; leave one of them out"
            )


def check(recipe: Recipe) -> None:
    """Raises RecipeError for values that cannot work."""
    if not recipe.stages:
        raise RecipeError("stages: at least one is needed")
    network = recipe.network
    if (
        not all(isinstance(size, int) and size > 0 for size in network.groups)
        or not 0 < sum(network.groups) <= BASIS
    ):
        raise RecipeError(
            f"network.groups: positive channel counts with a sum of at most {BASIS} are needed"
        )
    if not 0 < network.lambda_low < network.lambda_high:
        raise RecipeError("network: 0 < lambda_low < lambda_high is needed")
    at_least(1, network, "network.", "width", "hyper_latents", "features", "context_width")
    at_least(0, network, "network.", "analysis_blocks", "synthesis_blocks")
    at_least(2, network, "network.", "levels")
    at_least(
        1, recipe, "", "start_crops", "balance_crops", "save_every", "validate_every", "log_every"
    )
    if (
        not 0 <= recipe.weight_average_decay < 1
        or recipe.gradient_clip <= 0
        or recipe.linear_learning_rate_share < 0
    ):
        raise RecipeError(
            "0 <= weight_average_decay < 1, gradient_clip > 0 and linear_learning_rate_share >= 0 "
            "are needed"
        )
    if recipe.precision not in PRECISIONS:
        raise RecipeError(f"precision is one of {', '.join(PRECISIONS)}")
    check_distortion(recipe)
    check_rate(recipe)
    if recipe.critic:
        check_critic(recipe)
    if network.decoder or recipe.cached_latents:
        check_decoder(recipe)
    for stage in recipe.stages:
        if stage.parts in KEEPING and not recipe.start:
            raise RecipeError(
                f"stage {stage.name}: parts '{stage.parts}' needs a model to start from; say "
                "start: base"
            )
        for name, allowed in (("parts", PARTS), ("proxy", tuple(PROXIES))):
            if getattr(stage, name) not in allowed:
                raise RecipeError(f"stage {stage.name}: {name} is one of {', '.join(allowed)}")
        if stage.crop % 16 or stage.crop < 64:
            raise RecipeError(f"stage {stage.name}: crop must be a multiple of 16, at least 64")
        if stage.texture_noise:
            check_texture(stage, network)
        if stage.warmup_steps < 0 or not 0 <= stage.final_learning_rate_share <= 1:
            raise RecipeError(
                f"stage {stage.name}: warmup_steps >= 0 and 0 <= final_learning_rate_share <= 1 "
                "are needed"
            )
        if not 0 <= stage.rdoq_lambda < float("inf"):
            raise RecipeError(f"stage {stage.name}: rdoq_lambda must not be negative")
        if stage.rdoq_group_weights and not (
            len(stage.rdoq_group_weights) == len(network.groups)
            and all(
                isinstance(each, int | float) and 0 < each < float("inf")
                for each in stage.rdoq_group_weights
            )
        ):
            raise RecipeError(
                f"stage {stage.name}: rdoq_group_weights needs {len(network.groups)} positive "
                "numbers, one for each group of latents"
            )
        if (
            min(
                stage.steps,
                stage.batch,
                stage.learning_rate,
                stage.proxy_temperature,
                stage.level_exponent,
            )
            <= 0
        ):
            raise RecipeError(
                f"stage {stage.name}: steps, batch, learning_rate, proxy_temperature and "
                "level_exponent must be positive"
            )


def from_mapping(values: Any) -> Recipe:
    """A checked Recipe from plain data, as YAML or a checkpoint holds it."""
    if not isinstance(values, dict):
        raise RecipeError("a recipe is a mapping with the key 'stages'")
    values = dict(values)
    if "network" in values:
        network = values["network"]
        if isinstance(network, dict) and network.get("decoder") is not None:
            decoder = build(DecoderOptions, network["decoder"], "network.decoder")
            network = {**network, "decoder": decoder}
        values["network"] = build(NetworkOptions, network, "network")
    if values.get("critic") is not None:
        values["critic"] = build(CriticOptions, values["critic"], "critic")
    if values.get("cached_latents") is not None:
        values["cached_latents"] = build(CacheOptions, values["cached_latents"], "cached_latents")
    stages = values.get("stages", [])
    if not isinstance(stages, list):
        raise RecipeError("stages: expected a list")
    values["stages"] = [
        build(Stage, stage, f"stages[{index}]") for index, stage in enumerate(stages)
    ]
    recipe = build(Recipe, values, "recipe")
    check(recipe)
    return recipe


def read(path: Path) -> Any:
    """What a recipe file holds, not yet checked."""
    try:
        return yaml.safe_load(Path(path).read_text())
    except OSError as problem:
        raise RecipeError(f"{path}: {problem.strerror}") from None
    except yaml.YAMLError as problem:
        raise RecipeError(f"{path}: {' '.join(str(problem).split())}") from None


def changed(values: Any, assignments: Iterable[str]) -> Any:
    """``values`` with ``key=value`` put in, value as YAML, key with dots into mappings and lists:
    `stages.0.steps=10`.
    """
    values = copy.deepcopy(values)
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        *parents, last = (int(part) if part.isdigit() else part for part in path.strip().split("."))
        try:
            place = values
            for parent in parents:
                place = place.setdefault(parent, {}) if isinstance(place, dict) else place[parent]
            value = yaml.safe_load(text)
            if not equals:
                raise RecipeError(f"--set {assignment}: write key=value")
            place[last] = value
        except (KeyError, IndexError, TypeError, AttributeError):
            raise RecipeError(f"--set {assignment}: the recipe has no place {path}") from None
        except yaml.YAMLError as problem:
            raise RecipeError(f"--set {assignment}: {' '.join(str(problem).split())}") from None
    return values


def load(path: Path, assignments: Iterable[str] = ()) -> Recipe:
    """Reads and checks a codec's recipe file, with ``assignments`` (`changed`) put in."""
    try:
        return from_mapping(changed(read(path), assignments))
    except RecipeError as problem:
        raise RecipeError(f"{path}: {str(problem).removeprefix(f'{path}: ')}") from None
