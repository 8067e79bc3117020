"""Labels and tiny real training of visibility."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from metamer.codec.errors import RecipeError
from metamer.perception import create
from metamer.perception.distances.visibility import Detector
from metamer.train import checkpoints
from metamer.train.data import find
from metamer.train.perceptual_spaces import loop, recipe
from metamer.train.perceptual_spaces.visibility import distortions, labels, task
from metamer.train.perceptual_spaces.visibility.distortions import KINDS, OTHERS, distorted
from metamer.train.perceptual_spaces.visibility.labels import SHARD, VERSIONS, Labels
from tests.conftest import run_metamer

SIDE, CROPS = 32, 6  # of the files of labels here
RECIPE = f"""
space: visibility
options: {{labels: {CROPS * VERSIONS}, held_out: 12, shown: 2}}
steps: 8
batch: 4
crop: {SIDE}
warmup_steps: 2
weight_average_decay: 0.9
precision: 32-true
save_every: 3
validate_every: 8
log_every: 1
"""


@pytest.fixture(scope="module")
def labelled(tmp_path_factory, photographs) -> Path:
    """A run's folder that holds small files of labels, and nothing else."""
    folder = tmp_path_factory.mktemp("visibility")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(labels, "SHARD", CROPS)
        training, held_out = find(photographs)
        for paths, count, name in (
            (training, CROPS * VERSIONS, "training"),
            (held_out, 12, "held-out"),
        ):
            Labels(paths, count, SIDE, 0, folder / task.FOLDER, name)
    assert CROPS <= SHARD  # or the runs below would look for more files
    return folder


@pytest.fixture
def run(labelled, tmp_path) -> Path:
    shutil.copytree(labelled, tmp_path / "run")
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    return tmp_path / "run"


def test_every_distortion_keeps_the_shape_and_grows_with_strength(rng, otters):
    image = np.asarray(otters.crop((100, 100, 164, 148)))
    for distortion in (distortions.jpeg, distortions.metamer, *OTHERS):
        weak, strong = (distortion(image, strength, rng) for strength in (0.0, 0.99))
        assert weak.shape == strong.shape == image.shape and strong.dtype == np.uint8
        if distortion is not distortions.patch:  # its rectangle may be empty
            errors = [np.square(version.astype(float) - image).mean() for version in (weak, strong)]
            assert errors[0] <= errors[1] and errors[1] > 0, distortion.__name__


def test_distortions_depend_only_on_the_generator(otters):
    image = np.asarray(otters.crop((0, 0, 32, 32)))
    version, version_again = (distorted(image, np.random.default_rng(4)) for _ in range(2))
    assert (
        np.array_equal(version[0], version_again[0])
        and version[1] == version_again[1]
        and 0 <= version[1] < len(KINDS)
    )


def test_labels_are_the_teachers_and_computed_once(labelled, photographs, monkeypatch):
    monkeypatch.setattr(labels, "SHARD", CROPS)
    paths = find(photographs)[0]
    label_files = sorted((labelled / task.FOLDER).iterdir())
    stamps = [path.stat().st_mtime_ns for path in label_files]
    data = Labels(paths, CROPS * VERSIONS, SIDE, 0, labelled / task.FOLDER, "training")
    assert [path.stat().st_mtime_ns for path in label_files] == stamps and len(
        data
    ) == CROPS * VERSIONS
    reference, image, distance, kind = data[VERSIONS]
    assert torch.equal(reference, data[VERSIONS + 1][0]) and reference.shape == image.shape == (
        3,
        SIDE,
        SIDE,
    )
    assert distance.item() == create("cvvdp").loss(reference[None], image[None]).item()
    assert kind == data.kind[VERSIONS] and (data.distance >= 0).all()
    (photo,) = labels.Crops(labels.Photographs(paths), SIDE, 0)[1][None]
    assert torch.equal(reference, photo)  # crop 1 is not a reduced one


def test_damaged_labels_are_refused(run, photographs, monkeypatch):
    path = next((run / task.FOLDER).glob("training*"))
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(RecipeError, match="damaged"):
        loop.train(recipe.load(run.parent / "recipe.yaml"), [photographs], run)


def test_training_through_the_command_learns_resumes_and_ships(run, photographs, monkeypatch):
    """The command's run equals, bit for bit, one that is interrupted and resumed."""
    parts = run.with_name("parts")
    shutil.copytree(run, parts)
    completed = run_metamer(
        "train", run.parent / "recipe.yaml", "--data", photographs, "--out", run
    )
    assert completed.returncode == 0, completed.stderr.decode()

    original = task.VisibilityTask.draw

    def stop(self, step):
        if step == 4:
            raise KeyboardInterrupt
        return original(self, step)

    monkeypatch.setattr(task.VisibilityTask, "draw", stop)
    small = recipe.load(run.parent / "recipe.yaml")
    with pytest.raises(KeyboardInterrupt):
        loop.train(small, [photographs], parts)
    monkeypatch.undo()
    loop.train(small, [photographs], parts, resume=True)
    resumed, uninterrupted = (
        checkpoints.load(folder / checkpoints.CHECKPOINT) for folder in (parts, run)
    )
    for kind in ("model", "average"):
        assert all(
            torch.equal(value, uninterrupted[kind][name]) for name, value in resumed[kind].items()
        )

    rows = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    losses = [row["loss"] for row in rows if "loss" in row]
    assert losses[-1] < losses[0]
    assert -1 <= rows[-1]["validation"]["spearman"] <= 1 and rows[-1]["validation"]["scatter"] > 0
    loop.export(run, run / "weights.safetensors")
    distance = create("visibility", weights=str(run / "weights.safetensors"))
    assert distance(torch.zeros(1, 3, 32, 32), torch.ones(1, 3, 32, 32)).item() > 0


def test_white_boxes_and_networks_have_one_shape():
    image = torch.rand(2, 3, 32, 48)
    for trained, shipped in zip(
        Detector().pathway(Detector().light(image)[0]), task.white_boxes(image), strict=True
    ):
        assert trained.shape == shipped.shape


def test_the_error_of_a_constant_is_one_and_of_the_target_none():
    target = torch.rand(4, 2, 8, 8)
    assert task.error(target, target).item() == 0
    constant = target.mean((0, 2, 3), keepdim=True).expand_as(target)
    assert task.error(constant, target).item() == pytest.approx(1)


def test_detection_errors_are_those_of_probability_and_of_the_logarithm():
    errors = task.detection_errors(torch.tensor([1.0]), torch.tensor([0.0]))
    assert errors["probability"].item() == pytest.approx(0.5, abs=1e-4)
    assert errors["distance"].item() == pytest.approx(np.log((1 + task.VISIBLE) / task.VISIBLE))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("crop: 32", "crop: 36"), "multiple of 8"),
        (("shown: 2", "shown: 0"), "shown: must be greater than 0"),
    ],
)
def test_bad_recipes_get_one_clear_line(run, photographs, change, message):
    (run.parent / "recipe.yaml").write_text(RECIPE.replace(*change))
    with pytest.raises(RecipeError, match=message):
        loop.train(recipe.load(run.parent / "recipe.yaml"), [photographs], run)


def test_photographs_to_validate_on_are_needed(run, tmp_path, otters):
    (tmp_path / "photographs").mkdir()
    otters.save(tmp_path / "photographs" / "otters.png")
    with pytest.raises(RecipeError, match=r"validation\.txt"):
        loop.train(recipe.load(run.parent / "recipe.yaml"), [tmp_path / "photographs"], run)
