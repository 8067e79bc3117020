"""Real, tiny training through the command: it learns, resumes to the same bits, survives trouble."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.conftest import ROOT, TINY_RECIPE, metamer
from train import loop, recipe
from train.loop import learning_rate, spread_levels


@pytest.fixture
def tiny(tmp_path) -> recipe.Recipe:
    (tmp_path / "recipe.yaml").write_text(TINY_RECIPE)
    return recipe.load(tmp_path / "recipe.yaml")


def rows(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def test_training_learns(tiny_run):
    scores = [row["validation"] for row in rows(tiny_run) if "validation" in row]
    losses = [sum(level["loss"] for level in score) for score in scores]
    assert len(losses) == 2 and losses[-1] < losses[0]
    steps = [row for row in rows(tiny_run) if "loss" in row]
    assert [row["step"] for row in steps] == list(range(4, 57, 4))
    assert {row["stage"] for row in steps} == {"entropy model", "joint", "integers"}
    assert all(row["images_per_second"] > 0 and row["bpp"] > 0 for row in steps)


def test_progress_line_tells_loss_rate_psnr_speed_and_time_left(photographs, tmp_path):
    (tmp_path / "recipe.yaml").write_text(TINY_RECIPE.replace("steps: 40", "steps: 4"))
    done = metamer("train", tmp_path / "recipe.yaml", "--data", photographs, "--out", tmp_path / "run")
    line = done.stderr.decode()
    for word in ("loss", "bpp", "PSNR", "images/s", "<"):
        assert word in line


def test_resuming_gives_the_same_weights_to_the_last_bit(tiny_run, tiny, photographs, tmp_path, monkeypatch):
    """Interrupted inside two different stages, and once right after a checkpoint."""
    original = loop.save
    for interruption in (20, 50, 54):

        def save_then_stop(path, state, interruption=interruption):
            original(path, state)
            if state["step"] >= interruption:
                raise KeyboardInterrupt

        monkeypatch.setattr(loop, "save", save_then_stop)
        with pytest.raises(KeyboardInterrupt):
            loop.train(tiny, photographs, tmp_path / "run", resume=(tmp_path / "run" / "checkpoint.pt").exists())
    monkeypatch.setattr(loop, "save", original)
    loop.train(tiny, photographs, tmp_path / "run", resume=True)
    whole, resumed = loop.load(tiny_run / "checkpoint.pt"), loop.load(tmp_path / "run" / "checkpoint.pt")
    assert whole["step"] == resumed["step"] == 56
    for kind in ("model", "average"):
        for name, value in whole[kind].items():
            assert torch.equal(value, resumed[kind][name]), f"{kind}.{name}"


def test_divergence_stops_and_keeps_the_last_good_checkpoint(tiny, photographs, tmp_path, monkeypatch):
    original = loop.rate_distortion

    def poisoned(codec, image, level, stage, model=None):
        result = original(codec, image, level, stage, model)
        if stage.name == "joint":
            result["loss"] = result["loss"] * float("nan")
        return result

    monkeypatch.setattr(loop, "rate_distortion", poisoned)
    with pytest.raises(loop.DivergedError, match="step 40"):
        loop.train(tiny, photographs, tmp_path / "run")
    state = loop.load(tmp_path / "run" / "checkpoint.pt")
    assert state["step"] == 40
    assert all(torch.isfinite(value).all() for value in state["model"].values())


def test_an_existing_run_is_not_overwritten(tiny_run, tiny, photographs):
    with pytest.raises(loop.RecipeError, match="--resume"):
        loop.train(tiny, photographs, tiny_run)


def test_a_stage_can_start_from_another_run(tiny_run, tiny, photographs, tmp_path):
    tiny.stages = [recipe.Stage("tune", steps=2, batch=2, crop=96, learning_rate=1e-6, warmup=1)]
    loop.train(tiny, photographs, tmp_path / "run", start=tiny_run / "checkpoint.pt")
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
    assert state["step"] == 22 and all(torch.isfinite(value).all() for value in state["average"].values())


def test_learning_rate_rises_then_falls():
    stage = recipe.Stage("s", steps=100, warmup=10, learning_rate=1.0, final=0.1)
    values = [learning_rate(stage, step) for step in range(100)]
    assert values[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert values[10:] == sorted(values[10:], reverse=True)
    assert values[10] == pytest.approx(1.0) and values[-1] == pytest.approx(0.1, abs=1e-3)


def test_levels_cover_the_range():
    levels = spread_levels(8, 9, torch.Generator().manual_seed(0))
    assert sorted((levels.sort().values / 8 * 8).floor().tolist()) == list(range(8))
