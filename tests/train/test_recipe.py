"""Recipes are checked whole, with a helpful word."""

import dataclasses

import pytest
import yaml

from codec.errors import RecipeError
from tests.conftest import ROOT
from train.recipe import from_mapping, load
from train.spaces import recipe as spaces
from train.spaces import sweep

STAGE = {"name": "one", "steps": 5}


@pytest.mark.parametrize("path", sorted((ROOT / "train" / "recipes").glob("*.yaml")), ids=lambda path: path.stem)
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
        ({"stages": [STAGE], "network": {"lambda_low": 1.0, "lambda_high": 0.5}}, "lambda_low < lambda_high"),
        ({"stages": 3}, "expected a list"),
        ({"stages": [STAGE], "log_every": 0}, "log_every: must be at least 1"),
        ({"stages": [STAGE], "average": 2.0}, "average < 1"),
        ({"stages": [STAGE], "precision": "fp16"}, "precision is one of"),
        ({"stages": [STAGE], "network": {"groups": [400, 500]}}, "at most 768"),
        ({"stages": [STAGE], "network": {"groups": 4}}, "expected a list"),
        ({"stages": [STAGE], "network": {"groups": ["a"]}}, "positive channel counts"),
        ({"stages": [STAGE], "network": {"hyper_latents": 0}}, "hyper_latents: must be"),
        ({"stages": [{**STAGE, "warmup": -1}]}, "warmup >= 0"),
        ([], "mapping"),
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


def test_recipes_survive_a_checkpoint():
    recipe = from_mapping({"stages": [STAGE], "network": {"groups": [4, 8]}})
    assert from_mapping(dataclasses.asdict(recipe)) == recipe
