"""The loop that all perceptual spaces share, on the smallest task there is."""

import json
from dataclasses import dataclass

import pytest
import safetensors.torch
import torch
from torch import nn

from metamer.codec.errors import RecipeError
from metamer.train import checkpoints, command
from metamer.train.perceptual_spaces import loop, recipe
from metamer.train.perceptual_spaces.task import Task
from metamer.train.recipe.fields import documented
from metamer.train.run import log
from tests.conftest import ROOT, inside, run_metamer


@documented
@dataclass
class Slope:
    """What the line's slope is, and how noisy its samples are."""

    slope: float = 2.0
    noise: float = 0.1

    def __post_init__(self):
        if self.noise < 0:
            raise RecipeError("options.noise: must not be negative")


class Line(nn.Module):
    def __init__(self):
        super().__init__()
        self.space = nn.Linear(1, 1)
        self.head = nn.Linear(1, 1)


class Positive(nn.Linear):
    def project(self):
        self.weight.data.clamp_(min=0)


class LineTask(Task):
    """Fits a line to noisy samples of one."""

    Options = Slope

    def __init__(self, options, folders, out, batch, crop, seed):
        self.options, self.batch, self.seed = options, batch, seed
        self.model = Line()

    def draw(self, step):
        return torch.rand(self.batch, 1, generator=torch.Generator().manual_seed(self.seed + step))

    def losses(self, model, data):
        target = self.options.slope * data + self.options.noise * torch.randn_like(data)
        error = (model.head(model.space(data)) - target).square().mean()
        return {"loss": error, "twice": 2 * error}

    def validate(self, model):
        return {
            "error": (model.head(model.space(torch.ones(1, 1))) - self.options.slope).abs().item()
        }


RECIPE = """
space: line
options: {slope: 3}
steps: 60
batch: 16
crop: 8
learning_rate: 0.03
warmup_steps: 5
weight_average_decay: 0.8
precision: 32-true
save_every: 25
validate_every: 30
log_every: 10
"""


@pytest.fixture(autouse=True)
def line(monkeypatch):
    monkeypatch.setitem(recipe.TASKS, "line", "tests.train.perceptual_spaces.test_loop:LineTask")


@pytest.fixture
def path(tmp_path):
    (tmp_path / "line.yaml").write_text(RECIPE)
    return tmp_path / "line.yaml"


def state(run):
    return checkpoints.load(run / "checkpoint.pt")


def test_it_learns_logs_and_exports_what_ships(path, tmp_path):
    command.train(path, [], tmp_path / "run")
    rows = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    errors = [row["validation"]["error"] for row in rows if "validation" in row]
    assert len(errors) == 2 and errors[1] < errors[0]
    assert [row["step"] for row in rows if "loss" in row] == [10, 20, 30, 40, 50, 60]
    assert all(
        row["twice"] == pytest.approx(2 * row["loss"], rel=1e-6) for row in rows if "loss" in row
    )
    assert command.export(tmp_path / "run", (), tmp_path / "line.safetensors", "", 0).endswith("MB")
    tensors = safetensors.torch.load_file(tmp_path / "line.safetensors")
    assert set(tensors) == {"weight", "bias"}
    assert torch.equal(tensors["weight"], state(tmp_path / "run")["average"]["space.weight"])


def test_resuming_gives_the_same_weights_to_the_last_bit(path, tmp_path, monkeypatch):
    settings = recipe.load(path)
    loop.train(settings, [], tmp_path / "whole")
    original = LineTask.draw
    for interruption in (10, 40):

        def stop(self, step, interruption=interruption):
            if step == interruption:
                raise KeyboardInterrupt
            return original(self, step)

        monkeypatch.setattr(LineTask, "draw", stop)
        with pytest.raises(KeyboardInterrupt):
            loop.train(
                settings,
                [],
                tmp_path / "parts",
                resume=(tmp_path / "parts" / "checkpoint.pt").exists(),
            )
    monkeypatch.setattr(LineTask, "draw", original)
    loop.train(settings, [], tmp_path / "parts", resume=True)
    resumed, uninterrupted = state(tmp_path / "parts"), state(tmp_path / "whole")
    for kind in ("model", "average"):
        assert all(
            torch.equal(value, uninterrupted[kind][name]) for name, value in resumed[kind].items()
        )
    steps = [
        json.loads(line)["step"]
        for line in (tmp_path / "parts" / "log.jsonl").read_text().splitlines()
        if "loss" in line
    ]
    assert steps == [10, 20, 30, 40, 50, 60]


def test_weights_are_called_back_to_where_they_may_lie(path, tmp_path, monkeypatch):
    original = LineTask.__init__

    def start(self, *arguments):
        original(self, *arguments)
        self.model.space = Positive(1, 1)
        nn.init.constant_(self.model.space.weight, 0.01)
        nn.init.constant_(self.model.head.weight, -3.0)  # the way to a rising line leads below zero

    monkeypatch.setattr(LineTask, "__init__", start)
    lowest = []
    project = Positive.project
    monkeypatch.setattr(
        Positive, "project", lambda self: (lowest.append(self.weight.item()), project(self))
    )
    command.train(path, [], tmp_path / "run")
    assert min(lowest) < 0 and state(tmp_path / "run")["model"]["space.weight"].item() >= 0


def test_divergence_stops_and_keeps_the_last_good_checkpoint(path, tmp_path, monkeypatch):
    original = LineTask.losses

    def poisoned(self, model, data):
        losses = original(self, model, data)
        if torch.equal(data, LineTask.draw(self, 30)):
            losses["loss"] = losses["loss"] * float("nan")
        return losses

    monkeypatch.setattr(LineTask, "losses", poisoned)
    with pytest.raises(log.DivergedError, match="step 30"):
        command.train(path, [], tmp_path / "run")
    assert state(tmp_path / "run")["step"] == 25


def test_another_recipe_does_not_resume_and_a_run_is_not_overwritten(path, tmp_path):
    command.train(path, [], tmp_path / "run")
    with pytest.raises(RecipeError, match="--resume"):
        command.train(path, [], tmp_path / "run")
    path.write_text(RECIPE.replace("slope: 3", "slope: 4"))
    with pytest.raises(RecipeError, match=r"options\.slope was 3\S* and is 4"):
        command.train(path, [], tmp_path / "run", resume=True)
    path.write_text(RECIPE.replace("log_every: 10", "log_every: 1"))
    command.train(path, [], tmp_path / "run", resume=True)


@pytest.mark.parametrize(("change", "message"), [
    (("space: line", "space: perceptnte"), "did you mean 'perceptnet'"),
    (("steps: 60", "stepz: 60"), "did you mean 'steps'"),
    (("slope: 3", "slop: 3"), "did you mean 'slope'"),
    (("slope: 3", "noise: -1.0"), "options.noise"),
    (("slope: 3", "slope: steep"), "must be a valid number"),
    (("batch: 16", "batch: 0"), "batch: must be greater than 0"),
    (("learning_rate: 0.03", "learning_rate: 0.0"), "learning_rate: must be greater than 0"),
    (("precision: 32-true", "precision: half"), "precision: must be 'auto'"),
    (("weight_average_decay: 0.8", "weight_average_decay: 1.0"), "average_decay: must be less than 1"),
])  # fmt: skip
def test_bad_recipes_get_one_clear_line(path, tmp_path, change, message):
    path.write_text(RECIPE.replace(*change))
    with pytest.raises(RecipeError, match=message):
        command.train(path, [], tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_space_takes_no_start(path, tmp_path):
    with pytest.raises(RecipeError, match="--start"):
        command.train(path, [], tmp_path / "run", start=tmp_path / "other.pt")


def test_the_command_line_reports_mistakes(tmp_path):
    (tmp_path / "bad.yaml").write_text(RECIPE.replace("space: line", "space: pimm"))
    completed = run_metamer(
        "train", tmp_path / "bad.yaml", "--data", tmp_path, "--out", tmp_path / "run"
    )
    assert (
        completed.returncode == 1
        and completed.stderr.decode().count("\n") == 1
        and "did you mean 'pim'" in completed.stderr.decode()
    )
    completed = run_metamer("export", tmp_path / "absent")
    assert completed.returncode == 1 and completed.stderr.decode().count("\n") == 1


def test_a_space_takes_no_shards(tmp_path):
    completed = inside(
        "train", ROOT / "train/recipes/perceptnet.yaml", "--data", "hf:x", "--out", tmp_path
    )
    assert (
        completed.returncode == 1
        and b"is trained on folders of pictures, not on shards" in completed.stderr
    )


def test_a_space_is_trained_by_one_process(photographs, tmp_path, monkeypatch):
    """Two would train it twice, into one log."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    recipe = ROOT / "train/recipes/perceptnet.yaml"
    completed = inside("train", recipe, "--data", photographs, "--out", tmp_path / "run")
    assert completed.returncode == 1 and b"start it without torchrun" in completed.stderr
    assert len(completed.stderr.splitlines()) == 1 and not (tmp_path / "run").exists()
