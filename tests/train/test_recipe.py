"""Recipes are checked whole, with a helpful word."""

import dataclasses
import json

import jsonschema
import pytest
import yaml

from metamer.codec.errors import RecipeError
from metamer.codec.network.model import load_model
from metamer.train.loss.critic import CriticOptions
from metamer.train.networks.transforms.synthesis import DecoderOptions
from metamer.train.perceptual_spaces import recipe as spaces
from metamer.train.perceptual_spaces.perceptnet import sweep
from metamer.train.recipe import reference
from metamer.train.recipe.checks import from_mapping
from metamer.train.recipe.files import begun, changed, load
from metamer.train.recipe.old_names import translated
from metamer.train.recipe.options import CacheOptions, Recipe, Stage
from tests.conftest import ROOT, inside

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
        ({"stages": []}, "stages: must not be empty"),
        (
            {"stages": [{**STAGE, "proxy": "magic"}]},
            "stages.0.proxy: must be 'mixed', .*not 'magic'",
        ),
        ({"stages": [{**STAGE, "parts": "some"}]}, "parts is one of"),
        ({"stages": [{**STAGE, "crop": 100}]}, "stages.0.crop: must be a multiple of 16"),
        ({"stages": [{**STAGE, "steps": 0}]}, "stages.0.steps: must be greater than 0, not 0"),
        (
            {"stages": [{**STAGE, "steps": "many"}]},
            "stages.0.steps: must be a whole number, not 'many'",
        ),
        ({"stages": [{"steps": 3}]}, "stages.0: 'name' is missing"),
        (
            {"stages": [STAGE], "network": {"lambda_low": 1.0, "lambda_high": 0.5}},
            "lambda_low < lambda_high",
        ),
        ({"stages": 3}, "stages: must be a list"),
        ({"stages": [STAGE], "log_every": 0}, "log_every: must be greater than 0"),
        (
            {"stages": [STAGE], "weight_average_decay": 2.0},
            "weight_average_decay: must be less than 1",
        ),
        (
            {"stages": [STAGE], "precision": "fp16"},
            "precision: must be 'auto', .*'bf16-mixed', not 'fp16'",
        ),
        ({"stages": [STAGE], "network": {"groups": [400, 500]}}, "at most 768"),
        ({"stages": [STAGE], "network": {"groups": 4}}, "network.groups: must be a list"),
        (
            {"stages": [STAGE], "network": {"groups": ["a"]}},
            "network.groups.0: must be a whole number, not 'a'",
        ),
        (
            {"stages": [STAGE], "network": {"hyper_latents": 0}},
            "network.hyper_latents: must be greater than 0",
        ),
        (
            {"stages": [{**STAGE, "warmup_steps": -1}]},
            "stages.0.warmup_steps: must be greater than or equal to 0",
        ),
        ([], "mapping"),
        ({"stages": [STAGE], "distortion": "mse"}, "distortion: must be a mapping"),
        ({"stages": [STAGE], "distortion": {}}, "distortion: must not be empty"),
        (
            {"stages": [STAGE], "distortion": {"perceptnt": 1}},
            "no distance is called 'perceptnt'.*did you mean 'perceptnet'",
        ),
        ({"stages": [STAGE], "distortion": {7: 1}}, "distortion.7: must be text"),
        ({"stages": [STAGE], "distortion": {"psnr": 1}}, "psnr can only judge.*train on mse"),
        (
            {"stages": [STAGE], "distortion": {"mse": 1, "cvvdp": 1}},
            "cvvdp can only judge, it has no useful gradient$",
        ),
        ({"stages": [STAGE], "distortion": {"brisque": 1}}, "brisque can only judge"),
        *[
            (
                {"stages": [STAGE], "distortion": {"mse": 1, "ssim": weight}},
                "distortion.ssim: must be ",
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
                "stages.0.rdoq_lambda: must be ",
            )
            for value in (-1.0, float("inf"))
        ],
        *[
            (
                {"stages": [{**STAGE, "rdoq_group_weights": value}]},
                "rdoq_group_weights.*(3 numbers, one for each group|must be )",
            )
            for value in ([1.0, 1.0], [1.0, 0, 1.0], [1.0, 1.0, "much"], [float("nan"), 1, 1])
        ],
        ({"stages": [STAGE], "critic": True}, "critic: must be a mapping"),
        (
            {"stages": [STAGE], "critic": {"wieght": 1.0}},
            r"critic: unknown key 'wieght' \(did you mean 'weight'",
        ),
        (
            {"stages": [STAGE], "critic": {"loss": "jensen"}},
            r"critic.loss: must be .*kl.* \(did you mean 'jensen-shannon'",
        ),
        (
            {
                "stages": [DECODER],
                "start": "base",
                "network": {"decoder": {"stride": 16, "noise": 4}},
            },
            "noise: is for stride 8",
        ),
        (
            {"stages": [STAGE], "critic": {"input": "squeezent"}},
            r"critic.input: must be 'pixels', .* \(did you mean 'squeezenet'",
        ),
        ({"stages": [STAGE], "critic": {"weight": "1 e3"}}, "critic.weight: must be a number"),
        (
            {"stages": [STAGE], "critic": {"spectral_norm": "yes"}},
            "critic.spectral_norm: must be true or false",
        ),
        ({"stages": [STAGE], "critic": {"width": 0}}, "critic.width: must be greater than 0"),
        (
            {"stages": [STAGE], "critic": {"pretraining_steps": -1}},
            "critic.pretraining_steps: must be greater than or equal to 0",
        ),
        (
            {"stages": [STAGE], "critic": {"weight": 0}},
            "critic.[a-z_]*: must be greater than 0",
        ),
        (
            {"stages": [STAGE], "critic": {"learning_rate": 0}},
            "critic.[a-z_]*: must be greater than 0",
        ),
        (
            {"stages": [STAGE, {**STAGE, "name": "two", "parts": "entropy"}], "critic": {}},
            "stage two: parts 'entropy' leaves",
        ),
        (
            {"stages": [DECODER], "start": "base", **rung(stride=4)},
            "network.decoder.stride: must be 8 or 16, not 4",
        ),
        ({"stages": [DECODER], "start": "base", **rung(width=0)}, "decoder.width: must be greater"),
        ({"stages": [DECODER], "start": "base", **rung(widht=3)}, "network.decoder: unknown key"),
        ({"stages": [STAGE], **rung()}, "network.decoder: every stage must have parts 'decoder'"),
        (
            {"stages": [STAGE], "cached_latents": {}},
            "cached_latents: every stage must have parts 'decoder'",
        ),
        (
            {"stages": [DECODER], "start": "base", "cached_latents": {"qualities": 1}},
            "cached_latents.qualities: must be greater than or equal to 2",
        ),
        (
            {
                "stages": [DECODER],
                "start": "base",
                "cached_latents": {},
                "network": {"decoder": {"noise": 4}},
            },
            "cached_latents: they come without noise",
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
            r"rate_control: must be 'lambda' or 'start' or a list, not 'strat' \(did you mean 'start'",
        ),
        (
            {"stages": [STAGE], "rate_control": 0.5},
            "rate_control: must be 'lambda' or 'start' or a list",
        ),
        (
            {"stages": [STAGE], "rate_control": [0.1, 0.2, 0.4]},
            "rate_control: 9 bits a pixel are needed, .*, not 3",
        ),
        (
            {"stages": [STAGE], "rate_control": [0.0, *[0.5] * 8]},
            "rate_control.0: must be ",
        ),
        (
            {"stages": [STAGE], "rate_control": ["a", *[0.5] * 8]},
            "rate_control.0: must be ",
        ),
        (
            {"stages": [STAGE], "rate_control_speed": 0},
            "rate_control_speed: must be greater than 0",
        ),
        ({"stages": [STAGE], "balance_crops": 0}, "balance_crops: must be greater than 0"),
        ({"stages": [{**STAGE, "level_exponent": 0}]}, "level_exponent: must be greater than 0"),
        ({"stages": [STAGE], "start": 3}, "start: must be text"),
        ({"stages": [STAGE], "seed": -1}, "seed: must be greater than or equal to 0"),
        ({"stages": [STAGE], "gradient_clip": float("inf")}, "gradient_clip: must be a finite"),
        (
            {"stages": [{**STAGE, "learning_rate": float("nan")}]},
            "stages.0.learning_rate: must be a finite number, not nan",
        ),
        ({"stages": [STAGE], "network": {"levels": 1}}, "network.levels: must be greater than"),
        ({"stages": [STAGE], "network": 3}, "network: must be a mapping"),
        (
            {"stages": [STAGE], "network": {"architecture": "metamr"}},
            r"network.architecture: one of metamer, .*not 'metamr' \(did you mean 'metamer'",
        ),
        ({"stages": [STAGE], "clip": 1.0}, "recipe: 'clip' is called 'gradient_clip' now"),
        ({"stages": [{**STAGE, "final": 1.0}]}, "'final' is called 'final_learning_rate_share'"),
        ({"stages": [STAGE], "critic": {"sees": "pixels"}}, "critic: 'sees' is called 'input' now"),
    ],
)
def test_errors_of_recipes_name_the_key(recipe, complaint, tmp_path):
    (tmp_path / "wrong.yaml").write_text(yaml.safe_dump(recipe))
    with pytest.raises(RecipeError, match="wrong.yaml.*" + complaint):
        load(tmp_path / "wrong.yaml")


def test_unreadable_recipes(tmp_path):
    (tmp_path / "broken.yaml").write_text("stages: [")
    for name in ("broken.yaml", "absent.yaml"):
        with pytest.raises(RecipeError, match=name):
            load(tmp_path / name)


@pytest.mark.parametrize(
    "fields",
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
def test_recipes_survive_a_checkpoint(fields):
    recipe = from_mapping({"stages": [STAGE], **fields})
    assert from_mapping(dataclasses.asdict(recipe)) == recipe


def test_a_run_from_a_model_has_its_encoder_unless_it_says_otherwise():
    values = {"start": "perceptual", "stages": [DECODER], "encoder": {"masking": 0.2}}
    encoder, card = begun(values).encoder, load_model("perceptual").card
    assert (encoder.masking, encoder.rdoq_lambda) == (0.2, card["rdoq_lambda"])
    assert encoder.rdoq_group_weights == card["rdoq_group_weights"] != []
    assert from_mapping(values).encoder.rdoq_lambda == [22.0]


def test_old_names_in_checkpoints_become_those_of_today():
    stage = {**STAGE, "tradeoff": 22.0, "worth": [1.5, 1.0, 0.7], "final": 1.0, "warmup": 9}
    stage |= {"quantised": True, "temperature": 0.2, "level_power": 1.4, "texture_noise": []}
    old = {"stages": [stage], "critic": {"sees": "pixels", "alone": 3}, "clip": 0.5, "expect": "it"}
    old |= {"average": 0.9, "rate": "start", "rate_speed": 0.1, "rate_balance": 0.4}
    recipe = from_mapping(translated({**old, "linear_rate": 0.1}))
    (translated_stage,) = recipe.stages
    assert (translated_stage.rdoq_lambda, translated_stage.rdoq_group_weights) == (
        22.0,
        [1.5, 1.0, 0.7],
    )
    assert (
        translated_stage.final_learning_rate_share,
        translated_stage.warmup_steps,
        translated_stage.integer_networks,
    ) == (1.0, 9, True)
    assert (translated_stage.proxy_temperature, translated_stage.level_exponent) == (0.2, 1.4)
    assert recipe.critic == CriticOptions(input="pixels", pretraining_steps=3)
    assert (recipe.gradient_clip, recipe.message, recipe.weight_average_decay) == (0.5, "it", 0.9)
    assert (recipe.rate_control, recipe.rate_control_speed) == ("start", 0.1)
    assert (recipe.level_balance_exponent, recipe.linear_learning_rate_share) == (0.4, 0.1)
    assert translated(dataclasses.asdict(recipe)) == dataclasses.asdict(recipe)


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
    changed_values = changed(
        values,
        [
            "stages.0.steps=7",
            "distortion={dists: 1, mse: 0.5}",
            "critic.weight=0.5",
            "rate_control = start",
        ],
    )
    assert changed_values == {
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


def test_a_recipe_extends_another(tmp_path):
    """Mappings key by key, stages as a whole; the file that it names lies beside it."""
    (tmp_path / "more").mkdir()
    base = {"stages": [STAGE, STAGE], "network": {"width": 8, "levels": 3}, "seed": 4}
    (tmp_path / "base.yaml").write_text(yaml.safe_dump(base))
    extending = {
        "extends": "../base.yaml",
        "network": {"levels": 5},
        "stages": [{**STAGE, "steps": 9}],
    }
    (tmp_path / "more" / "own.yaml").write_text(yaml.safe_dump(extending))
    recipe = load(tmp_path / "more" / "own.yaml", ["seed=6"])
    assert (recipe.network.width, recipe.network.levels, recipe.seed) == (8, 5, 6)
    assert [stage.steps for stage in recipe.stages] == [9]


@pytest.mark.parametrize(
    "base, complaint",
    [
        ("own.yaml", "extends: own.yaml extends this recipe"),
        ("absent.yaml", "absent.yaml: no such file"),
        (3, "extends: must be the name of a file, not 3"),
    ],
)
def test_recipes_that_cannot_be_extended(base, complaint, tmp_path):
    (tmp_path / "own.yaml").write_text(yaml.safe_dump({"extends": base, "stages": [STAGE]}))
    with pytest.raises(RecipeError, match=complaint):
        load(tmp_path / "own.yaml")


def test_a_key_of_stages_is_set_in_all(tmp_path):
    (tmp_path / "two.yaml").write_text(yaml.safe_dump({"stages": [STAGE, STAGE]}))
    recipe = load(tmp_path / "two.yaml", ["stages.*.learning_rate=2e-4"])
    assert [stage.learning_rate for stage in recipe.stages] == [2e-4, 2e-4]
    with pytest.raises(RecipeError, match=r"stages\.\*\.learning_rate sets it in all"):
        load(tmp_path / "two.yaml", ["learning_rate=2e-4"])


def test_the_schema_for_editors_is_that_of_the_dataclasses():
    """metamer train --schema > train/recipes/recipe.schema.json writes it anew."""
    schema = reference.schema()
    assert json.loads(reference.SCHEMA.read_text()) == schema
    steps = schema["$defs"]["Stage"]["properties"]["steps"]
    assert steps == {
        "title": "Steps",
        "type": "integer",
        "exclusiveMinimum": 0,
        "description": "Steps of the stage.",
    }
    network = schema["$defs"]["Recipe"]["properties"]["network"]
    networks = {place["$ref"] for place in network["anyOf"]}
    assert networks == {"#/$defs/NetworkOptions", "#/$defs/CompressAIOptions"}


def test_the_schema_takes_every_shipped_recipe_and_no_wrong_key():
    validator = jsonschema.Draft202012Validator(json.loads(reference.SCHEMA.read_text()))
    for path in reference.SCHEMA.parent.glob("*.yaml"):
        values = yaml.safe_load(path.read_text())
        if "base" in values:  # of `metamer sweep`
            continue
        validator.validate(values)
        for wrong in ({"learning-rate": 1.0}, {"seed": -1}, {"gradient_clip": "much"}):
            assert list(validator.iter_errors({**values, **wrong})), (path, wrong)


def test_the_command_prints_the_schema():
    completed = inside("train", "--schema")
    assert completed.returncode == 0 and json.loads(completed.stdout) == reference.schema()


def test_the_reference_has_every_key_with_its_range_default_and_meaning():
    page = reference.markdown()
    for kind in (
        Recipe,
        Stage,
        CriticOptions,
        CacheOptions,
        DecoderOptions,
        *reference.network_options().values(),
    ):
        for field in dataclasses.fields(kind):
            (row,) = {
                line
                for line in page.splitlines()
                if line.startswith(f"| `{field.name}` |") and line in section_of(page, kind)
            }
            key, value, _, meaning = (cell.strip() for cell in row.strip("|").split(" | "))
            assert key and value and len(meaning) > 3, row
    assert "| `gradient_clip` | number > 0 | `1.0` | Largest norm" in page
    assert "| `crop` | whole number ≥ 64, in steps of 16 | `192` | Side" in page
    assert "| `steps` | whole number > 0 | required |" in page


def section_of(page: str, kind: type) -> str:
    """The part of the reference that a dataclass has."""
    meaning = " ".join(kind.__doc__.split())
    return next(part for part in page.split("\n## ") if meaning in part)
