"""PIM's pairs, its objective, and tiny real training."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from metamer.codec.errors import RecipeError
from metamer.perception import create
from metamer.perception.distances.pim import PimSpace
from metamer.train.perceptual_spaces import loop, recipe
from metamer.train.perceptual_spaces.pim import pairs
from metamer.train.perceptual_spaces.pim import task as pim_task
from metamer.train.perceptual_spaces.pim.bound import ixyz, windows
from metamer.train.perceptual_spaces.pim.options import Options
from metamer.train.perceptual_spaces.pim.task import PimTask
from metamer.train.recipe.fields import build
from tests.conftest import run_metamer

RECIPE = """
space: pim
options: {width: 4, hidden: 4, window: 4, warps: 0.5, noise: 0.01, held_out: [walk_b]}
steps: 8
batch: 6
crop: 40
warmup_steps: 2
weight_average_decay: 0.9
precision: 32-true
save_every: 3
validate_every: 8
log_every: 1
"""


@pytest.fixture(scope="module")
def clips(tmp_path_factory, otters) -> Path:
    """Two clips of a camera that wanders over the shipped photograph."""
    folder = tmp_path_factory.mktemp("clips")
    for name, top in (("walk_a", 40), ("walk_b", 250)):
        (folder / name).mkdir()
        for frame in range(5):
            otters.crop((60 + 3 * frame, top, 260 + 3 * frame, top + 90)).save(
                folder / name / f"{frame:02}.png"
            )
    return folder


@pytest.fixture
def task(clips, photographs, tmp_path) -> PimTask:
    return PimTask(
        Options(width=4, hidden=4, warps=0.5, held_out=["walk_b"]),
        [clips, photographs],
        tmp_path,
        6,
        40,
        0,
    )


def encodings(count: int, spread: float) -> torch.Tensor:
    return spread * torch.randn(count, 1, 24, 24, generator=torch.Generator().manual_seed(1))


def draw_samples(means: torch.Tensor) -> torch.Tensor:
    return means + torch.randn(means.shape, generator=torch.Generator().manual_seed(2))


def bound(means: torch.Tensor, left: torch.Tensor, right: torch.Tensor) -> float:
    z = draw_samples(means)
    return ixyz(
        z, means, *(-0.5 * (z - encoded).square().sum(1) for encoded in (left, right))
    ).item()


def test_all_that_a_step_logs_lies_where_the_bounds_do(task, monkeypatch):
    """The log stacks it: on a GPU, a number of the CPU among it would end the run."""
    on_device = torch.zeros(3, device="meta")
    monkeypatch.setattr(pim_task, "bounds", lambda *_: (on_device, on_device))
    losses = task.losses(task.model, None)
    assert {name: value.device.type for name, value in losses.items()} == dict.fromkeys(
        losses, "meta"
    )


def test_the_bound_is_the_mutual_information_where_that_is_known():
    """z is the common message, N(0, 3), in noise N(0, 1): ½ log(1 + 3) nats."""
    means = encodings(256, math.sqrt(3))
    assert bound(means, means, means) == pytest.approx(0.5 * math.log(4), abs=0.02)


def test_the_bound_ends_at_the_logarithm_of_the_batch():
    means = 20 * torch.arange(16.0)[:, None, None, None].expand(16, 1, 8, 8)
    assert bound(means, means, means) == pytest.approx(math.log(16), abs=0.01)


def test_independent_pairs_share_nothing():
    encodings_a, encodings_b = encodings(128, 1.0), encodings(128, 1.0).flip(0)
    assert bound((encodings_a + encodings_b) / 2, encodings_a, encodings_b) < 0
    silent = torch.zeros_like(encodings_a)
    assert bound(silent, silent, silent) == pytest.approx(0, abs=1e-6)


def test_windows_are_excerpts_of_the_bands():
    torch.manual_seed(0)
    space = PimSpace(4, 4)
    image = torch.rand(2, 3, 72, 72)
    bands = space.bands(image)
    for band, part in zip(bands, windows(space.pyramid, image, 8), strict=True):
        assert part.shape[-2:] == (24, 24)
        places = band[0, 0].unfold(0, 24, 1).unfold(1, 24, 1) - part[0, 0]
        top, left = divmod(places.abs().amax((2, 3)).argmin().item(), places.shape[1])
        torch.testing.assert_close(
            part, band[..., top : top + 24, left : left + 24], atol=1e-5, rtol=1e-4
        )


def test_clips_are_distinguished_from_photographs(clips, photographs):
    by_clip, training, held_out = pairs.sort_out([clips, photographs])
    assert [clip.name for clip in by_clip] == ["walk_a", "walk_b"] and [
        len(frames) for frames in by_clip.values()
    ] == [5, 5]
    assert len(training) == 5 and [path.name for path in held_out] == ["crop5.png"]
    assert not pairs.is_clip(photographs, [photographs / name for name in ("01.png", "03.png")])


def test_draws_depend_only_on_the_step_and_pairs_are_neighbours(task):
    pairs = task.draw(3)
    assert pairs.first.shape == pairs.second.shape == (6, 3, 40, 40)
    assert all(map(torch.equal, pairs, task.draw(3))) and not torch.equal(
        pairs.first, task.draw(4).first
    )
    differences = (pairs.first - pairs.second).abs().mean((1, 2, 3))
    assert (differences > 0).all() and differences.mean() < 0.5 * (
        pairs.first - pairs.first.roll(1, 0)
    ).abs().mean()


def test_a_warp_that_does_nothing_gives_the_same_picture(task):
    still = pairs.Warps(task.warps.photographs.files, 40, Options(shift=0, scale=0, rotation=0))
    frames, warped = still.pairs(4, np.random.default_rng(0))
    torch.testing.assert_close(frames, warped, atol=1e-5, rtol=0)


def test_encodings_start_with_unit_variance(task):
    space = task.model.space
    features = space.features(task.draw(-1).first)
    for encoder, band in zip(space.encoders, features, strict=True):
        assert band.std((0, 2, 3)).mean().item() == pytest.approx(1, abs=0.02)
        assert encoder.gaussian(band).std((0, 2, 3)).mean().item() == pytest.approx(1, abs=0.02)


def test_impossible_trainings_are_reported(clips, photographs, tmp_path):
    for folders, options, message in (
        ([photographs], Options(), "no clips"),
        ([clips], Options(warps=1), "no photographs"),
        ([clips], Options(held_out=["run"]), "'run'"),
        ([clips, photographs], Options(held_out=["walk"]), "no clips"),
    ):
        with pytest.raises(RecipeError, match=message):
            PimTask(options, folders, tmp_path, 4, 40, 0)
    for wrong in ({"width": 0}, {"warps": 2}, {"noise": -1}):
        with pytest.raises(RecipeError, match="options"):
            build(Options, wrong, "options")


def test_training_resumes_and_ships(clips, photographs, tmp_path):
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    data = ("--data", clips, "--data", photographs)
    uninterrupted = run_metamer(
        "train", tmp_path / "recipe.yaml", *data, "--out", tmp_path / "whole"
    )
    assert uninterrupted.returncode == 0, uninterrupted.stderr.decode()
    rows = [
        json.loads(line) for line in (tmp_path / "whole" / "log.jsonl").read_text().splitlines()
    ]
    losses = [row["loss"] for row in rows if "loss" in row]
    assert len(losses) == 8 and all(
        row["bound"] <= row["ceiling"] for row in rows if "bound" in row
    )
    last = rows[-1]["validation"]
    assert {"frames_bound", "frames_bound_mixture", "warps_bound", "warps_bound_band7"} <= set(last)
    assert last["ceiling"] == pytest.approx(math.log(6))

    def interrupted(self, step: int) -> pairs.Pairs:
        if step == 5:
            raise KeyboardInterrupt
        return draw(self, step)

    settings, draw = recipe.load(tmp_path / "recipe.yaml"), PimTask.draw
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PimTask, "draw", interrupted)
        with pytest.raises(KeyboardInterrupt):
            loop.train(settings, [clips, photographs], tmp_path / "cut")
    loop.train(settings, [clips, photographs], tmp_path / "cut", resume=True)
    weights, resumed_weights = (loop.weights_of(tmp_path / name) for name in ("whole", "cut"))
    assert all(torch.equal(weights[name], resumed_weights[name]) for name in weights)

    loop.export(tmp_path / "cut", tmp_path / "pim.safetensors")
    image = torch.rand(1, 3, 40, 40)
    for name in ("pim-1", "pim"):
        assert create(name, weights=str(tmp_path / "pim.safetensors"))(image, image.flip(2)) > 0
