"""Recipes are checked whole, with a helpful word."""

import dataclasses

import pytest
import yaml

from metamer.codec.errors import RecipeError
from metamer.train.loss.critic import CriticOptions
from metamer.train.old_names import translated
from metamer.train.recipe import changed, from_mapping, load
from metamer.train.spaces import recipe as spaces
from metamer.train.spaces import sweep
from tests.conftest import ROOT

STAGE = {"name": "one", "steps": 5}
DECODER = {**STAGE, "parts": "decoder"}


def rung(**sizes) -> dict:
    """A decoder of the ladder."""
    return {"network": {"decoder": {"stride": 16, "width": 8, "blocks": 1, **sizes}}}


@pytest.mark.parametrize(
    "path", sorted((ROOT / "train" / "recipes").glob("*.yaml")), ids=lambda path: path.stem
)
def test_shipped_recipes_load_and_open_with_their_command(path):
    text = path.read_text()
    read = sweep.load_recipe if "\nbase:" in text else spaces.load if "\nspace:" in text else load
    assert read(path)
    command = "sweep" if read is sweep.load_recipe else "train"
    assert text.startswith(f"# metamer {command} train/recipes/{path.name} --data ")


@pytest.mark.parametrize(
    "recipe, complaint",
    [
        ({"stages": [{**STAGE, "learnig_rate": 1e-3}]}, "did you mean 'learning_rate'"),
        ({"stages": [STAGE], "sed": 3}, "did you mean 'seed'"),
        ({"stages": [STAGE], "network": {"widht": 3}}, "did you mean 'width'"),
        ({"stages": []}, "at least one"),
        ({"stages": [{**STAGE, "proxy": "magic"}]}, "proxy is one of"),
        ({"stages": [{**STAGE, "parts": "some"}]}, "parts is one of"),
        ({"stages": [{**STAGE, "crop": 100}]}, "multiple of 16"),
        ({"stages": [{**STAGE, "steps": 0}]}, "must be positive"),
        ({"stages": [{**STAGE, "steps": "many"}]}, "expected int"),
        ({"stages": [{"steps": 3}]}, "missing"),
        (
            {"stages": [STAGE], "network": {"lambda_low": 1.0, "lambda_high": 0.5}},
            "lambda_low < lambda_high",
        ),
        ({"stages": 3}, "expected a list"),
        ({"stages": [STAGE], "log_every": 0}, "log_every: must be at least 1"),
        ({"stages": [STAGE], "weight_average_decay": 2.0}, "average_decay < 1"),
        ({"stages": [STAGE], "precision": "fp16"}, "precision is one of"),
        ({"stages": [STAGE], "network": {"groups": [400, 500]}}, "at most 768"),
        ({"stages": [STAGE], "network": {"groups": 4}}, "expected a list"),
        ({"stages": [STAGE], "network": {"groups": ["a"]}}, "positive channel counts"),
        ({"stages": [STAGE], "network": {"hyper_latents": 0}}, "hyper_latents: must be"),
        ({"stages": [{**STAGE, "warmup_steps": -1}]}, "warmup_steps >= 0"),
        ([], "mapping"),
        ({"stages": [STAGE], "distortion": "mse"}, "distortion: expected a mapping"),
        ({"stages": [STAGE], "distortion": {}}, "distortion: at least one"),
        (
            {"stages": [STAGE], "distortion": {"perceptnt": 1}},
            "no distance is called 'perceptnt'.*did you mean 'perceptnet'",
        ),
        ({"stages": [STAGE], "distortion": {7: 1}}, "no distance is called '7'"),
        ({"stages": [STAGE], "distortion": {"psnr": 1}}, "psnr can only judge.*train on mse"),
        (
            {"stages": [STAGE], "distortion": {"mse": 1, "cvvdp": 1}},
            "cvvdp can only judge, it has no useful gradient$",
        ),
        *[
            (
                {"stages": [STAGE], "distortion": {"mse": 1, "ssim": weight}},
                "distortion.ssim: expected a positive weight",
            )
            for weight in (0, -1.0, float("inf"), float("nan"), True, "1", None)
        ],
        (
            {"stages": [{**STAGE, "crop": 144}], "distortion": {"ms-ssim:luma=true": 1}},
            "stage one: crop 144 is too small for ms-ssim, which needs 161",
        ),
        *[
            (
                {"stages": [{**STAGE, "rdoq_lambda": value}]},
                "stage one: rdoq_lambda must not be negative",
            )
            for value in (-1.0, float("inf"))
        ],
        *[
            (
                {"stages": [{**STAGE, "rdoq_group_weights": value}]},
                "stage one: rdoq_group_weights needs 3 positive numbers, one for each group of latents",
            )
            for value in ([1.0, 1.0], [1.0, 0, 1.0], [1.0, 1.0, "much"], [float("nan"), 1, 1])
        ],
        ({"stages": [STAGE], "critic": True}, "critic: expected a mapping"),
        (
            {"stages": [STAGE], "critic": {"wieght": 1.0}},
            "critic: unknown key 'wieght'; did you mean 'weight'",
        ),
        (
            {"stages": [STAGE], "critic": {"loss": "jensen"}},
            "critic.loss: one of .*kl.*; did you mean 'jensen-shannon'",
        ),
        (
            {"stages": [{**STAGE, "texture_noise": [0, 0, 1]}]},
            "stage one: texture_noise is for parts 'decoder'",
        ),
        (
            {"stages": [{**STAGE, "texture_noise": [1], "parts": "decoder"}], "start": "base"},
            "texture_noise needs 3 numbers from 0 to 1",
        ),
        (
            {"stages": [STAGE], "critic": {"input": "squeezent"}},
            "critic.input: one of pixels, .*; did you mean 'squeezenet'",
        ),
        ({"stages": [STAGE], "critic": {"weight": "1 e3"}}, "critic.weight: expected float"),
        (
            {"stages": [STAGE], "critic": {"spectral_norm": "yes"}},
            "critic.spectral_norm: expected bool",
        ),
        ({"stages": [STAGE], "critic": {"width": 0}}, "critic.width: must be at least 1"),
        (
            {"stages": [STAGE], "critic": {"pretraining_steps": -1}},
            "critic.pretraining_steps: must be at least 0",
        ),
        (
            {"stages": [STAGE], "critic": {"weight": 0}},
            "critic: weight and learning_rate must be positive",
        ),
        (
            {"stages": [STAGE], "critic": {"learning_rate": 0}},
            "critic: weight and learning_rate must be positive",
        ),
        (
            {"stages": [STAGE, {**STAGE, "name": "two", "parts": "entropy"}], "critic": {}},
            "stage two: parts 'entropy' leaves",
        ),
        ({"stages": [DECODER], "start": "base", **rung(stride=4)}, "decoder.stride: one of 8, 16"),
        ({"stages": [DECODER], "start": "base", **rung(width=0)}, "decoder.width: must be at"),
        ({"stages": [DECODER], "start": "base", **rung(widht=3)}, "network.decoder: unknown key"),
        ({"stages": [STAGE], **rung()}, "network.decoder: every stage must have parts 'decoder'"),
        (
            {"stages": [STAGE], "cached_latents": {}},
            "cached_latents: every stage must have parts 'decoder'",
        ),
        (
            {"stages": [DECODER], "start": "base", "cached_latents": {"qualities": 1}},
            "cached_latents.qualities: must be at least 2",
        ),
        (
            {
                "stages": [{**DECODER, "texture_noise": [0, 0, 1]}],
                "start": "base",
                "cached_latents": {},
            },
            "cached_latents: texture_noise depends on more",
        ),
        (
            {"stages": [{**STAGE, "parts": "decoder"}]},
            "stage one: parts 'decoder' needs a model to start from",
        ),
        (
            {"stages": [{**STAGE, "parts": "transforms"}]},
            "stage one: parts 'transforms' needs a model",
        ),
        (
            {"stages": [{**STAGE, "parts": "decoder"}], "start": "base", "rate_control": "start"},
            "rate_control: a decoder alone",
        ),
        (
            {"stages": [STAGE], "rate_control": "strat"},
            "rate_control: expected lambda, start or a list.*did you mean 'start'",
        ),
        (
            {"stages": [STAGE], "rate_control": 0.5},
            "rate_control: expected lambda, start or a list",
        ),
        (
            {"stages": [STAGE], "rate_control": [0.1, 0.2, 0.4]},
            "rate_control: 9 positive bits a pixel",
        ),
        (
            {"stages": [STAGE], "rate_control": [0.0, *[0.5] * 8]},
            "rate_control: 9 positive bits a pixel",
        ),
        (
            {"stages": [STAGE], "rate_control": ["a", *[0.5] * 8]},
            "rate_control: 9 positive bits a pixel",
        ),
        ({"stages": [STAGE], "rate_control_speed": 0}, "0 < rate_control_speed < 1"),
        ({"stages": [STAGE], "balance_crops": 0}, "balance_crops: must be at least 1"),
        ({"stages": [{**STAGE, "level_exponent": 0}]}, "level_exponent must be positive"),
        ({"stages": [STAGE], "start": 3}, "start: expected str"),
        ({"stages": [STAGE], "clip": 1.0}, "recipe: 'clip' is called 'gradient_clip' now"),
        ({"stages": [{**STAGE, "final": 1.0}]}, "'final' is called 'final_learning_rate_share'"),
        ({"stages": [STAGE], "critic": {"sees": "pixels"}}, "critic: 'sees' is called 'input' now"),
    ],
)
def test_wrong_recipes_say_what_is_wrong(recipe, complaint, tmp_path):
    (tmp_path / "wrong.yaml").write_text(yaml.safe_dump(recipe))
    with pytest.raises(RecipeError, match="wrong.yaml.*" + complaint):
        load(tmp_path / "wrong.yaml")


def test_unreadable_recipes(tmp_path):
    (tmp_path / "broken.yaml").write_text("stages: [")
    for name in ("broken.yaml", "absent.yaml"):
        with pytest.raises(RecipeError, match=name):
            load(tmp_path / name)


@pytest.mark.parametrize(
    "more",
    [
        {"network": {"groups": [4, 8]}},
        {
            "critic": {"loss": "kl", "width": 8},
            "rate_control": [0.1 * bpp for bpp in range(1, 10)],
            "distortion": {"mse": 1, "ssim": 2},
        },
        {"critic": None, "rate_control": "start", "start": "base", "message": "better"},
    ],
)
def test_recipes_survive_a_checkpoint(more):
    recipe = from_mapping({"stages": [STAGE], **more})
    assert from_mapping(dataclasses.asdict(recipe)) == recipe


def test_old_names_in_checkpoints_become_those_of_today():
    stage = {**STAGE, "tradeoff": 22.0, "worth": [1.5, 1.0, 0.7], "final": 1.0, "warmup": 9}
    stage |= {"quantised": True, "temperature": 0.2, "level_power": 1.4, "texture": []}
    old = {"stages": [stage], "critic": {"sees": "pixels", "alone": 3}, "clip": 0.5, "expect": "it"}
    old |= {"average": 0.9, "rate": "start", "rate_speed": 0.1, "rate_balance": 0.4}
    found = from_mapping(translated({**old, "linear_rate": 0.1}))
    (one,) = found.stages
    assert (one.rdoq_lambda, one.rdoq_group_weights) == (22.0, [1.5, 1.0, 0.7])
    assert (one.final_learning_rate_share, one.warmup_steps, one.integer_networks) == (1.0, 9, True)
    assert (one.proxy_temperature, one.level_exponent, one.texture_noise) == (0.2, 1.4, [])
    assert found.critic == CriticOptions(input="pixels", pretraining_steps=3)
    assert (found.gradient_clip, found.message, found.weight_average_decay) == (0.5, "it", 0.9)
    assert (found.rate_control, found.rate_control_speed) == ("start", 0.1)
    assert (found.level_balance_exponent, found.linear_learning_rate_share) == (0.4, 0.1)
    assert translated(dataclasses.asdict(found)) == dataclasses.asdict(found)


def test_defaults_are_those_of_plain_squared_error():
    recipe = from_mapping({"stages": [STAGE]})
    assert (recipe.distortion, recipe.critic, recipe.rate_control, recipe.start) == (
        {"mse": 1.0},
        None,
        "lambda",
        "",
    )
    assert recipe.stages[0].level_exponent == 1 and recipe.stages[0].parts == "all"


def test_a_number_without_a_point_is_a_number(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("stages:\n  - {name: one, steps: 5, learning_rate: 2e-4}\n")  # text to YAML 1.1
    assert load(path, ["linear_learning_rate_share=3e-3"]).linear_learning_rate_share == 0.003
    assert load(path).stages[0].learning_rate == 0.0002


def test_a_critic_of_defaults_is_a_critic():
    assert from_mapping({"stages": [STAGE], "critic": {}}).critic == CriticOptions()


def test_a_decoder_may_follow_other_stages_with_a_rate():
    stages = [STAGE, {**STAGE, "name": "two", "parts": "decoder"}]
    assert (
        from_mapping({"stages": stages, "start": "base", "rate_control": "start"}).rate_control
        == "start"
    )


def test_keys_are_changed_in_a_copy():
    values = {"stages": [dict(STAGE)], "network": {"width": 8}}
    found = changed(
        values,
        [
            "stages.0.steps=7",
            "distortion={dists: 1, mse: 0.5}",
            "critic.weight=0.5",
            "rate_control = start",
        ],
    )
    assert found == {
        "stages": [{"name": "one", "steps": 7}],
        "network": {"width": 8},
        "distortion": {"dists": 1, "mse": 0.5},
        "critic": {"weight": 0.5},
        "rate_control": "start",
    }
    assert values == {"stages": [STAGE], "network": {"width": 8}}


@pytest.mark.parametrize(
    "assignment, complaint",
    [
        ("stages.3.steps=1", "no place stages.3.steps"),
        ("stages.first.steps=1", "no place"),
        ("seed.deep.er=1", "no place"),
        ("seed", "write key=value"),
        ("distortion={", "--set"),
    ],
)
def test_places_that_are_not_there(assignment, complaint):
    with pytest.raises(RecipeError, match=complaint):
        changed({"stages": [dict(STAGE)], "seed": 1}, [assignment])
