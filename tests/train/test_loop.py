"""Real, tiny training through the command: it learns, resumes to the same bits, survives trouble."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.conftest import ROOT, TINY_RECIPE, metamer
from train import loop, recipe
from train.loop import spread_levels
from train.running import DivergedError, learning_rate


@pytest.fixture
def tiny(tmp_path) -> recipe.Recipe:
    (tmp_path / "recipe.yaml").write_text(TINY_RECIPE)
    return recipe.load(tmp_path / "recipe.yaml")


def rows(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def test_training_learns(tiny_run):
    scores = [row["validation"] for row in rows(tiny_run) if "validation" in row]
    losses = [sum(level["loss"] for level in score) for score in scores]
    assert len(losses) == 3 and losses[-1] < losses[0]
    steps = [row for row in rows(tiny_run) if "loss" in row]
    assert [row["step"] for row in steps] == list(range(4, 61, 4))
    assert {row["stage"] for row in steps} == {"entropy model", "joint", "integers"}
    assert all(row["images_per_second"] > 0 and row["bpp"] > 0 for row in steps)


def test_progress_line_tells_loss_rate_psnr_speed_and_time_left(photographs, tmp_path):
    (tmp_path / "recipe.yaml").write_text(TINY_RECIPE.replace("steps: 40", "steps: 4"))
    done = metamer("train", tmp_path / "recipe.yaml", "--data", photographs, "--out", tmp_path / "run")
    line = done.stderr.decode()
    for word in ("loss", "bpp", "PSNR", "images/s", "<"):
        assert word in line


def test_resuming_gives_the_same_weights_to_the_last_bit(tiny_run, tiny, photographs, tmp_path, monkeypatch):
    """Stopped between checkpoints in every stage: 28 → 25, 47 → 45, 52 → 52 (a stage's end), 58 → 55."""
    step = loop.Progress.step
    for interruption in (28, 47, 52, 58):

        def stop(self, done, images, interruption=interruption):
            if done == interruption:
                raise KeyboardInterrupt
            return step(self, done, images)

        monkeypatch.setattr(loop.Progress, "step", stop)
        with pytest.raises(KeyboardInterrupt):
            loop.train(tiny, [photographs], tmp_path / "run", resume=(tmp_path / "run" / "checkpoint.pt").exists())
        assert loop.load(tmp_path / "run" / "checkpoint.pt")["step"] < interruption
    monkeypatch.setattr(loop.Progress, "step", step)
    loop.train(tiny, [photographs], tmp_path / "run", resume=True)
    whole, resumed = loop.load(tiny_run / "checkpoint.pt"), loop.load(tmp_path / "run" / "checkpoint.pt")
    assert whole["step"] == resumed["step"] == 60
    for kind in ("model", "average"):
        for name, value in whole[kind].items():
            assert torch.equal(value, resumed[kind][name]), f"{kind}.{name}"
    steps = [row["step"] for row in rows(tmp_path / "run") if "loss" in row]
    assert steps == list(range(4, 61, 4))  # no row twice


def test_another_recipe_does_not_resume(tiny_run, tiny, photographs, tmp_path):
    shutil.copytree(tiny_run, tmp_path / "run")
    tiny.seed = 5
    with pytest.raises(loop.RecipeError, match="other seed"):
        loop.train(tiny, [photographs], tmp_path / "run", resume=True)
    tiny.seed = 0
    tiny.stages.append(recipe.Stage("more", steps=1, batch=2, crop=96))
    loop.train(tiny, [photographs], tmp_path / "run", resume=True)
    assert loop.load(tmp_path / "run" / "checkpoint.pt")["step"] == 61


def test_divergence_stops_and_keeps_the_last_good_checkpoint(tiny, photographs, tmp_path, monkeypatch):
    original = loop.rate_distortion

    def poisoned(codec, image, level, stage, model=None):
        result = original(codec, image, level, stage, model)
        if stage.name == "joint":
            result["loss"] = result["loss"] * float("nan")
        return result

    monkeypatch.setattr(loop, "rate_distortion", poisoned)
    with pytest.raises(DivergedError, match="step 40"):
        loop.train(tiny, [photographs], tmp_path / "run")
    state = loop.load(tmp_path / "run" / "checkpoint.pt")
    assert state["step"] == 40
    assert all(torch.isfinite(value).all() for value in state["model"].values())


def test_an_existing_run_is_not_overwritten(tiny_run, tiny, photographs):
    with pytest.raises(loop.RecipeError, match="--resume"):
        loop.train(tiny, [photographs], tiny_run)


def test_a_stage_can_start_from_another_run(tiny_run, tiny, photographs, tmp_path):
    tiny.stages = [recipe.Stage("tune", steps=2, batch=2, crop=96, learning_rate=1e-6, warmup=1)]
    loop.train(tiny, [photographs], tmp_path / "run", start=tiny_run / "checkpoint.pt")
    before, after = loop.restore_average(tiny_run / "checkpoint.pt")[0], loop.restore_average(tmp_path / "run/checkpoint.pt")[0]
    for mine, theirs in zip(before.parameters(), after.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-4)


def test_two_processes(photographs, tmp_path):
    (tmp_path / "recipe.yaml").write_text(TINY_RECIPE.replace("steps: 40", "steps: 6"))
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "codec.cli", "train",
         str(tmp_path / "recipe.yaml"), "--data", str(photographs), "--out", str(tmp_path / "run")],
        capture_output=True, timeout=300, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr.decode()
    state = loop.load(tmp_path / "run" / "checkpoint.pt")
    assert state["step"] == 26 and all(torch.isfinite(value).all() for value in state["average"].values())
    logged = [row for row in rows(tmp_path / "run") if "loss" in row]
    assert [row["step"] for row in logged] == list(range(4, 27, 4))  # one process writes
    alone = tmp_path / "alone"
    loop.train(recipe.load(tmp_path / "recipe.yaml"), [photographs], alone)
    alone_weights = loop.load(alone / "checkpoint.pt")["average"]
    assert any(not torch.equal(value, alone_weights[name]) for name, value in state["average"].items())  # both took part


def test_learning_rate_rises_then_falls():
    stage = recipe.Stage("s", steps=100, warmup=10, learning_rate=1.0, final=0.1)
    values = [learning_rate(stage, step) for step in range(100)]
    assert values[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert values[10:] == sorted(values[10:], reverse=True)
    assert values[10] == pytest.approx(1.0) and values[-1] == pytest.approx(0.1, abs=1e-3)


def test_levels_cover_the_range():
    levels = spread_levels(8, 9, torch.Generator().manual_seed(0))
    assert sorted((levels.sort().values).floor().tolist()) == list(range(8))
