"""The package of examples/own_network, installed, brings a network and a distance to train with."""

import json
import os
import shutil
import subprocess
import sys

import pytest
import torch
import yaml

from metamer.codec.errors import RecipeError
from metamer.train.networks import registry
from tests.conftest import ROOT

RECIPE = {
    "network": {"architecture": "own", "width": 8, "latents": 8, "levels": 3},
    "distortion": {"mse": 0.5, "charbonnier": 0.5},
    "critic": {"width": 4},
    "rate_control": [0.2, 0.4, 0.8],
    "stages": [{"name": "joint", "steps": 2, "batch": 2, "crop": 64, "warmup_steps": 1}],
    "balance_crops": 2,
    "log_every": 1,
    "validate_every": 2,
}


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with the package in it; built from a copy, as building writes into the sources."""
    folder = tmp_path_factory.mktemp("installed")
    shutil.copytree(ROOT / "examples" / "own_network", folder / "source")
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"),
            *("--no-build-isolation", "--target", folder / "site", folder / "source"),
        ],
        check=True,
        capture_output=True,
    )
    return folder / "site"


def run(installed, *arguments) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "metamer.cli", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(installed)},
    )


def test_it_trains_resumes_and_exports(installed, photographs, tmp_path):
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(RECIPE))
    command = ("train", tmp_path / "recipe.yaml", "--data", photographs, "--out", tmp_path / "run")
    for options in ((), ("--resume", "--set", "stages.0.final_learning_rate_share=0.05")):
        completed = run(installed, *command, *options)
        assert completed.returncode == 0, completed.stderr
    rows = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    steps = [row for row in rows if "loss" in row]
    assert [row["step"] for row in steps] == [1, 2]
    assert all(row["distances"]["charbonnier"] > 0 and row["critic"] > 0 for row in steps)
    (levels,) = (row["validation"] for row in rows if "validation" in row)
    assert [level["level"] for level in levels] == [0, 1, 2] and levels[0]["bpp"] > 0
    completed = run(
        installed, "export", tmp_path / "run", "-o", tmp_path / "own.pth", "--name", "mine"
    )
    assert completed.returncode == 0, completed.stderr
    saved = torch.load(tmp_path / "own.pth", weights_only=True)
    assert saved["card"]["name"] == "mine" and saved["card"]["steps"] == 2
    assert saved["state_dict"]["log_step"].shape == (3, 8)


def test_editors_complete_what_it_takes(installed):
    schema = json.loads(run(installed, "train", "--schema").stdout)
    places = [
        place["$ref"] for place in schema["$defs"]["Recipe"]["properties"]["network"]["anyOf"]
    ]
    assert places[-1] == "#/$defs/Options" and schema["$defs"]["Options"]["properties"]["latents"]


def test_without_it_the_recipe_is_refused(tmp_path, photographs):
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(RECIPE))
    completed = run(
        "", "train", tmp_path / "recipe.yaml", "--data", photographs, "--out", tmp_path / "r"
    )
    assert completed.returncode == 1 and "network.architecture: one of metamer" in completed.stderr
    assert len(completed.stderr.splitlines()) == 1 and not (tmp_path / "r").exists()


class Point:
    """An entry point as `importlib.metadata` has them. loaded: what it loads, or raises."""

    def __init__(self, name: str, loaded):
        self.name, self.value, self._loaded = name, f"{name}:Network", loaded

    def load(self):
        if isinstance(self._loaded, Exception):
            raise self._loaded
        return self._loaded


@pytest.mark.parametrize(
    "loaded, complaint",
    [
        (ImportError("no module"), "the network 'broken' of broken:Network does not load: no mod"),
        (dict, "entry point 'broken' is no train.networks.interface.Network"),
    ],
)
def test_bad_entry_points_are_reported(loaded, complaint, monkeypatch):
    monkeypatch.setattr(registry, "entry_points", lambda group: [Point("broken", loaded)])
    with pytest.raises(RecipeError, match=complaint):
        registry.network_class.__wrapped__("broken")
