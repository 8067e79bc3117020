"""What a run keeps, how it stops and goes on, and its Python interface."""

import importlib
import json
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import yaml

from metamer.codec.errors import RecipeError
from metamer.perception import WeightsError
from metamer.train import Run, checkpoints
from metamer.train.recipe.checks import from_mapping
from metamer.train.run import dry_run, log
from metamer.train.step.bands import by_band
from tests.conftest import ROOT, TINY_RECIPE, inside


@pytest.fixture
def values() -> dict:
    """A run of ten steps in two stages."""
    tiny = yaml.safe_load(TINY_RECIPE)
    first_stage, second_stage = tiny["stages"][:2]
    return tiny | {
        "stages": [first_stage | {"steps": 4}, second_stage | {"steps": 6}],
        "start_crops": 4,
        "validate_every": 3,
        "log_every": 1,
    }


@pytest.fixture
def path(values, tmp_path) -> Path:
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(values))
    return tmp_path / "recipe.yaml"


def rows(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def command(*arguments):
    completed = inside("train", *arguments)
    return completed.returncode, completed.stderr.decode()


def test_a_run_in_a_loop_of_ones_own(values, photographs, tmp_path):
    """Steps, validation and checkpoint by hand; then iterated to the end."""
    with Run(values, photographs, tmp_path / "run") as run:
        assert run.stage.name == "entropy model" and run.steps_taken == 0
        losses = [float(run.step()["loss"]) for _ in range(5)]
        assert all(loss > 0 for loss in losses) and run.stage.name == "joint"
        assert [row["level"] for row in run.validate()] == [0, 1, 2, 3]
        assert checkpoints.load(run.save())["step"] == 5
        assert [run.steps_taken for _ in run] == [6, 7, 8, 9, 10] and run.finished
        with pytest.raises(ValueError, match="all its steps"):
            run.step()
    assert checkpoints.load(tmp_path / "run" / "checkpoint.pt")["step"] == 10
    assert [row["step"] for row in rows(tmp_path / "run") if "validation" in row] == [5, 6, 9]


def test_a_step_of_ones_own_is_that_of_the_command(values, photographs, tmp_path):
    with Run(values, photographs, tmp_path / "one") as run:
        for _ in run:
            pass
    with Run(from_mapping(values), [photographs], tmp_path / "other") as run:
        while not run.finished:
            run.step()
        run.save()
    by_command, own_loop = (
        checkpoints.load(tmp_path / name / "checkpoint.pt") for name in ("one", "other")
    )
    assert all(
        torch.equal(value, own_loop["model"][name]) for name, value in by_command["model"].items()
    )


def test_a_run_goes_on_by_its_own_recipe(path, photographs, tmp_path):
    """Begun with --set; continued without recipe, data or --set, and with others refused by
    value.
    """
    out = tmp_path / "run"
    overrides = "--set", "stages.0.learning_rate=2.0e-3", "--set", "stages.1.steps=2"
    assert command(path, "--data", photographs, "--out", out, *overrides)[0] == 0
    stored = yaml.safe_load((out / "recipe.yaml").read_text())
    assert [stage["learning_rate"] for stage in stored["stages"]] == [2e-3, 1e-3]
    assert stored["gradient_clip"] == 1.0  # every key is there
    assert (out / "recipe.yaml").read_text().startswith("# metamer train --resume --out ")
    status, stderr = command(path, "--data", photographs, "--out", out, "--resume")
    assert status == 1 and "stages.0.learning_rate was 0.002 and is 0.005" in stderr
    stages = yaml.safe_dump([{"name": "more", "steps": 3, "batch": 2, "crop": 96}])
    (out / "recipe.yaml").write_text(
        yaml.safe_dump(stored | {"stages": stored["stages"] + yaml.safe_load(stages)})
    )
    assert command("--resume", "--out", out)[0] == 0
    assert checkpoints.load(out / "checkpoint.pt")["step"] == 9


def test_what_a_run_cannot_go_on_without(values, photographs, tmp_path):
    """A checkpoint of before has no folders, and no recipe.yaml."""
    out = tmp_path / "run"
    with Run(values, photographs, out) as run:
        run.step()
        run.save()
    state = checkpoints.load(out / "checkpoint.pt")
    checkpoints.save(
        out / "checkpoint.pt", {key: state[key] for key in state if key not in ("data", "best")}
    )
    (out / "recipe.yaml").unlink()
    with pytest.raises(RecipeError, match="give --data"):
        Run(None, None, out, resume=True)
    with Run(None, photographs, out, resume=True) as run:
        assert run.steps_taken == 1 and [run.steps_taken for _ in run][-1] == 10
    assert inside("train", "--out", tmp_path / "new").returncode == 2


SLOW = """
import sys, time
from metamer.train.run import log
step = log.Log.step
def slow(self, done, *others, **more):
    print(done, flush=True)
    time.sleep(0.2)
    return step(self, done, *others, **more)
log.Log.step = slow
from metamer.cli import main
main()
"""


@pytest.mark.parametrize("number, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_run_with_a_checkpoint(path, photographs, tmp_path, number, status):
    out = tmp_path / "run"
    arguments = "train", path, "--data", photographs, "--out", out
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "1\n"
    process.send_signal(number)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == status and "Traceback" not in stderr, stderr
    last_step = checkpoints.load(out / "checkpoint.pt")["step"]
    assert (
        1 <= last_step < 10 and [row["step"] for row in rows(out) if "loss" in row][-1] == last_step
    )
    with Run(None, None, out, resume=True) as run:
        assert [run.steps_taken for _ in run][-1] == 10


def test_the_best_of_a_stage_is_kept(values, photographs, tmp_path, monkeypatch):
    """With the last, and over a resumption."""
    losses = iter([5.0, 3.0, 4.0, 2.0, 1.0])
    monkeypatch.setattr(
        "metamer.train.run.training.validate", lambda *_: [{"level": 0, "loss": next(losses)}]
    )
    best = tmp_path / "run" / "best.pt"
    with Run(values, photographs, tmp_path / "run") as run:
        for expected in (1, 2, 2):
            run.step()
            run.validate()
            assert checkpoints.load(best)["step"] == expected
        run.step()
        run.save()
        run.step()
        run.validate()  # of the next stage
        assert checkpoints.load(best)["step"] == 5
    with Run(None, None, tmp_path / "run", resume=True) as run:
        run.step()
        run.validate()
        assert checkpoints.load(best)["step"] == 5 and checkpoints.load(best)["best"]["loss"] == 1.0
    assert checkpoints.load(tmp_path / "run" / "checkpoint.pt")["step"] == 4


def test_events_equal_the_log(values, photographs, tmp_path):
    """And a strip of what is made of held-out crops."""
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with Run(values, photographs, tmp_path / "run") as run:
        for _ in run:
            pass
    events = EventAccumulator(str(tmp_path / "run")).Reload()
    tags = events.Tags()
    logged = {row["step"]: row for row in rows(tmp_path / "run") if "loss" in row}
    for tag, value_of in (
        ("loss", lambda row: row["loss"]),
        ("distances/mse", lambda row: row["distances"]["mse"]),
        ("bands/low/psnr", lambda row: row["bands"]["low"]["psnr"]),
    ):
        scalars = {event.step: event.value for event in events.Scalars(tag)}
        assert scalars == pytest.approx(
            {step: value_of(row) for step, row in logged.items()}, rel=1e-5
        )
    assert {f"validation/{key}/level {level}" for key in ("bpp", "psnr") for level in range(4)} <= {
        *tags["scalars"]
    }
    (event, *_) = events.Images("validation")
    assert (event.step, event.width, event.height) == (3, 256, 1024)


def test_bands_of_quality():
    level = torch.tensor([0.0, 2.9, 3.1, 6.0, 8.0, 7.0])
    means = by_band(level, 10, {"loss": torch.arange(6.0)})
    assert [means[f"bands.{name}.loss"].item() for name in ("low", "middle", "high")] == [
        0.5,
        2,
        4,
    ]
    low_only = by_band(torch.zeros(2), 10, {"loss": torch.ones(2)})
    assert low_only["bands.low.loss"] == 1 and low_only["bands.high.loss"].isnan()


def test_rows_are_means_of_the_steps_between(tmp_path):
    """What a band lacks in one step, another has."""
    rows: list[dict] = []
    written = log.Log(tmp_path / "log.jsonl", tmp_path / "x", 2, 4, 0, also=rows.append)
    for step, (loss, low) in enumerate([(1.0, 3.0), (3.0, float("nan"))], 1):
        written.step(
            step, 1, {"loss": torch.tensor(loss), "bands.low.bpp": torch.tensor(low)}, stage="s"
        )
    written.close()
    (row,) = rows
    assert row["loss"] == 2 and row["bands"] == {"low": {"bpp": 3.0}} and row["step"] == 2


def test_a_dry_run_prints_what_a_run_needs_and_writes_nothing(path, photographs, tmp_path):
    completed = inside("train", path, "--data", photographs, "--out", tmp_path / "run", "--dry-run")
    stdout = completed.stdout.decode()
    assert completed.returncode == 0 and not (tmp_path / "run").exists()
    for words in (
        "CPU, ",
        "float32",
        "5 photographs, 1 held out",
        "million parameters",
        "kMAC/px forward",
        "stage entropy model: 4 steps of 4 × 96²",
        "stage joint: 6 steps",
        "s a step",
        "validation: 3 times",
        "memory: ",
        "MiB",
        "nothing was written",
    ):
        assert words in stdout, stdout


def test_a_dry_run_needs_nothing_of_unix(monkeypatch):
    monkeypatch.setitem(sys.modules, "resource", None)  # importing it raises ImportError
    importlib.reload(dry_run)
    on_cpu = SimpleNamespace(fabric=SimpleNamespace(device=torch.device("cpu")))
    assert dry_run.peak_memory(on_cpu) == ""


def test_a_dry_run_finds_what_is_wrong(path, photographs, tmp_path):
    completed = inside(
        "train", path, "--data", tmp_path / "absent", "--out", tmp_path / "run", "--dry-run"
    )
    assert completed.returncode == 1 and b"no such folder" in completed.stderr


@pytest.mark.parametrize(
    "required", [{"distortion": {"lpips-alex": 1.0}}, {"critic": {"input": "vgg16"}}]
)
def test_weights_that_are_not_here_are_named_first(values, tmp_path, monkeypatch, required):
    """Before data are looked for, let alone decoded."""
    monkeypatch.setenv("METAMER_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("METAMER_CACHE", str(tmp_path))
    values["stages"] = values["stages"][1:]
    with pytest.raises(WeightsError, match="metamer weights fetch"):
        Run(values | required, tmp_path / "absent", tmp_path / "run")


def test_a_run_on_a_stream_goes_on_with_the_same_sample(values, photographs, tmp_path, monkeypatch):
    """To the same weights, from the place that its checkpoint tells."""
    pytest.importorskip("webdataset")
    monkeypatch.setattr("metamer.train.data.opening.SMALL", 0)
    monkeypatch.setattr(
        "metamer.train.data.streams.Stream.__init__.__defaults__", (0, "cpu", 1, 30_000)
    )
    completed = inside("data", "pack", photographs, "--out", tmp_path / "shards", "--side", 128)
    assert completed.returncode == 0
    values["validate_every"] = 100
    for name in ("whole", "parts"):
        with Run(values, tmp_path / "shards", tmp_path / name) as run:
            while run.steps_taken < (10 if name == "whole" else 7):
                run.step()
            run.save()
    state = checkpoints.load(tmp_path / "parts" / "checkpoint.pt")
    assert state["data"]["stream"]["first"] > 0
    with Run(None, None, tmp_path / "parts", resume=True) as run:
        for _ in run:
            pass
    uninterrupted, resumed = (
        checkpoints.load(tmp_path / name / "checkpoint.pt") for name in ("whole", "parts")
    )
    assert all(
        torch.equal(value, resumed["model"][name]) for name, value in uninterrupted["model"].items()
    )


def test_bands_and_slow_momentum_resume_to_the_same_weights(values, photographs, tmp_path):
    values |= {"slow_momentum": 5.0, "validate_every": 100}
    values["network"]["synthesis_bands"] = 2
    for name in ("whole", "parts"):
        with Run(values, photographs, tmp_path / name) as run:
            while run.steps_taken < (10 if name == "whole" else 7):
                run.step()
            run.save()
    with Run(None, None, tmp_path / "parts", resume=True) as run:
        for _ in run:
            pass
    uninterrupted, resumed = (
        checkpoints.load(tmp_path / name / "checkpoint.pt") for name in ("whole", "parts")
    )
    for name, value in uninterrupted["model"].items():
        assert torch.equal(value, resumed["model"][name]), name
