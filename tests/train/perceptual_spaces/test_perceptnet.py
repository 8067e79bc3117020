"""PerceptNet in training: what it is shown and asked, a real tiny run through the command, and a
tiny sweep.
"""

import json
from pathlib import Path
from typing import get_args

import pytest
import safetensors.torch
import torch
import yaml
from scipy.ndimage import gaussian_filter

from metamer.codec.errors import RecipeError
from metamer.perception import create
from metamer.perception.distances.perceptnet import LAYERS
from metamer.perception.vision import receptive_fields
from metamer.train.checkpoints import CHECKPOINT, load
from metamer.train.perceptual_spaces import loop, recipe
from metamer.train.perceptual_spaces.perceptnet import sweep
from metamer.train.perceptual_spaces.perceptnet.task import (
    Autoencoder,
    Objective,
    PerceptNetOptions,
    PerceptNetTask,
    blurred,
)
from metamer.train.recipe.fields import build
from tests.conftest import ROOT, run_metamer

OBJECTIVES = get_args(Objective)


TINY = {"steps": 6, "batch": 2, "crop": 32, "warmup_steps": 1, "weight_average_decay": 0.5, "learning_rate": 0.01,
        "save_every": 4, "validate_every": 3, "log_every": 2}  # fmt: skip


def task(photographs: Path, seed: int = 0, **options) -> PerceptNetTask:
    torch.manual_seed(seed)
    return PerceptNetTask(PerceptNetOptions(**options), [photographs], Path("unused"), 3, 48, seed)


@pytest.fixture
def written(tmp_path):
    """Writes a recipe and returns its path."""

    def write(values: dict, name: str = "recipe.yaml") -> Path:
        (tmp_path / name).write_text(yaml.safe_dump(values))
        return tmp_path / name

    return write


def test_draws_depend_only_on_seed_and_step(photographs):
    data, same, other_seed = (
        task(photographs),
        task(photographs, objective="sparsity", strength=0.1),
        task(photographs, seed=1),
    )
    assert data.draw(5).shape == (3, 3, 48, 48) and data.draw(5).dtype == torch.uint8
    assert torch.equal(data.draw(5), same.draw(5)) and not torch.equal(data.draw(5), data.draw(6))
    assert not torch.equal(data.draw(5), other_seed.draw(5))


def test_blur_is_gaussian_with_replicated_edges(photographs):
    image = task(photographs).draw(0).float() / 255
    for deviation in (0.5, 1, 2.5):
        expected = torch.tensor(
            gaussian_filter(image.numpy(), (0, 0, deviation, deviation), mode="nearest", truncate=5)
        )
        assert (blurred(image, deviation) - expected).abs().max() < 0.01
    assert torch.allclose(blurred(torch.full((1, 3, 9, 9), 0.3), 4), torch.full((1, 3, 9, 9), 0.3))


def test_noise_has_the_strength_asked_for_and_the_rest_is_clean(photographs):
    image = torch.full((2, 3, 100, 100), 0.5)
    noisy = task(photographs, objective="denoising", strength=0.2).corrupted(image)
    assert (noisy - image).std().item() == pytest.approx(0.2, rel=0.03) and abs(
        (noisy - image).mean()
    ) < 0.005
    for options in ({}, {"objective": "sparsity", "strength": 0.1}):
        assert torch.equal(task(photographs, **options).corrupted(image), image)
    data = task(photographs).draw(0)
    corrupted = task(photographs, objective="deblurring", strength=1.0).corrupted(
        data.float() / 255
    )
    assert torch.equal(corrupted, blurred(data.float() / 255, 1.0))


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_loss_compares_with_the_clean_image(photographs, objective):
    strength = 0.0 if objective == "reconstruction" else 0.3
    trainee = task(photographs, objective=objective, strength=strength)
    # noise comes in order of memory
    image = (trainee.draw(0).float() / 255).contiguous(memory_format=torch.channels_last)
    torch.manual_seed(7)
    losses = trainee.losses(trainee.model, trainee.draw(0))
    torch.manual_seed(7)
    output, activity = trainee.model(trainee.corrupted(image))
    error = (output - image).square().mean()
    expected = error + (0.3 * activity.abs().mean() if objective == "sparsity" else 0)
    assert losses["loss"].item() == pytest.approx(expected.item(), rel=1e-4)
    assert losses["mse"].item() == pytest.approx(error.item(), rel=1e-4)
    losses["loss"].backward()
    assert all(torch.isfinite(p.grad).all() for p in trainee.model.parameters())


def test_validation_is_of_the_held_out_photograph(photographs, monkeypatch):
    trainee = task(photographs, objective="denoising", strength=0.1)
    assert trainee.validation.shape == (1, 3, 128, 128)
    with torch.no_grad():
        validation = trainee.validate(trainee.model)
        assert validation == trainee.validate(trainee.model)  # the same noise every time
    assert 0 < validation["psnr"] < 60 and validation["activity"] > 0
    clean = trainee.validation.float() / 255
    monkeypatch.setattr(Autoencoder, "forward", lambda self, noisy: (clean + 0.1, noisy))
    assert trainee.validate(trainee.model)["psnr"] == pytest.approx(20, abs=1e-3)


def test_deviations_are_those_of_features_over_photographs(photographs):
    trainee = task(photographs)
    with torch.no_grad():
        trainee.validate(trainee.model)
        image = torch.stack([trainee.crops[place] for place in range(256)]).float() / 255
        encoded = trainee.model.space(image)
        decoded = trainee.model.decoder(encoded["v1"], (48, 48))
    for network, features in ((trainee.model.space, encoded), (trainee.model.decoder, decoded)):
        for name, stage in network.items():
            expected = features[name].double().numpy().std((0, 2, 3))
            assert stage.deviation.numpy() == pytest.approx(expected.clip(1e-3), rel=1e-3)


def test_options_that_cannot_work_are_refused():
    for options in ({"objective": "denoise"}, {"strength": 0.1}, {"objective": "denoising"}, {"initialisation": "gabor"},
                    {"objective": "sparsity", "strength": -0.1}):  # fmt: skip
        with pytest.raises(RecipeError):
            build(PerceptNetOptions, options)


def test_parametric_start(photographs):
    model = task(photographs, initialisation="parametric").model
    encoder = model.space
    assert torch.equal(encoder["orientation"].weight, receptive_fields.gabors())
    assert torch.equal(encoder["centre-surround"].weight, receptive_fields.centre_surround())
    assert torch.allclose(encoder["v1"].gamma, 0.1 * receptive_fields.pooling())
    image = torch.rand(1, 3, 1, 1)
    opponent = encoder["opponency"](image)[0, :, 0, 0]
    assert torch.allclose(opponent, image[0, :, 0, 0] @ receptive_fields.OPPONENT, atol=1e-6)
    assert all(p.requires_grad for p in model.parameters())
    assert model(torch.rand(1, 3, 40, 33))[0].shape == (1, 3, 40, 33)


def test_training_learns_and_keeps_the_normalisations_allowed(photographs, written, tmp_path):
    values = {
        "space": "perceptnet",
        **TINY,
        "steps": 60,
        "batch": 4,
        "validate_every": 30,
        "save_every": 60,
    }
    loop.train(recipe.load(written(values)), [photographs], tmp_path / "run")
    rows = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    losses = [row["mse"] for row in rows if "mse" in row]
    assert losses[-1] < losses[0] / 4
    scores = [row["validation"]["psnr"] for row in rows if "validation" in row]
    assert len(scores) == 2 and scores[1] > scores[0] > 0
    average = load(tmp_path / "run" / CHECKPOINT)["average"]
    gammas = {name: value for name, value in average.items() if name.endswith("gamma")}
    assert len(gammas) == 8 and all((value >= 0).all() for value in gammas.values())
    # channels divide each other
    assert any((value - value.diagonal().diag()).max() > 0 for value in gammas.values())


def test_command_resumes_to_the_same_weights_and_they_export(
    photographs, written, tmp_path, monkeypatch
):
    values = {"space": "perceptnet", "options": {"objective": "denoising", "strength": 0.1}, **TINY}
    path = written(values)
    loop.train(recipe.load(path), [photographs], tmp_path / "whole")
    draw = PerceptNetTask.draw

    def interrupted(self, step):
        if step == 5:
            raise KeyboardInterrupt
        return draw(self, step)

    monkeypatch.setattr(PerceptNetTask, "draw", interrupted)
    with pytest.raises(KeyboardInterrupt):
        loop.train(recipe.load(path), [photographs], tmp_path / "broken")
    assert load(tmp_path / "broken" / CHECKPOINT)["step"] == 4
    completed = run_metamer(
        "train", path, "--data", photographs, "--out", tmp_path / "broken", "--resume"
    )
    assert completed.returncode == 0, completed.stderr.decode()
    weights = [load(tmp_path / run / CHECKPOINT) for run in ("whole", "broken")]
    for kind in ("model", "average"):
        assert all(
            torch.equal(weights[0][kind][name], value) for name, value in weights[1][kind].items()
        )

    loop.export(tmp_path / "whole", tmp_path / "weights.safetensors")
    tensors = safetensors.torch.load_file(tmp_path / "weights.safetensors")
    assert (
        sum(tensor.numel() for name, tensor in tensors.items() if not name.endswith("deviation"))
        == 36_368
    )
    assert all((tensors[f"{layer}.deviation"] != 1).all() for layer in LAYERS)
    distance = create("perceptnet", weights=str(tmp_path / "weights.safetensors"))
    assert distance(torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32)) > 0


def test_a_sweep_trains_its_grid_once(photographs, written, tmp_path, monkeypatch):
    path = written({"base": {**TINY, "steps": 2}, "noise": [0.1], "blur": [1], "sparsity": [0.01, 0.1], "seeds": [0, 3],
                    "parametric": {"steps": 1}})  # fmt: skip
    names = ["reconstruction", "noise-0.1", "blur-1", "sparsity-0.01", "sparsity-0.1", "parametric"]
    assert list(sweep.load_recipe(path)) == [*names, *(f"{name}-seed3" for name in names)]
    grid = sweep.load_recipe(path)
    assert (
        grid["blur-1-seed3"].options == PerceptNetOptions("deblurring", 1.0)
        and grid["blur-1-seed3"].seed == 3
    )
    assert (
        grid["parametric"].options.initialisation == "parametric" and grid["parametric"].steps == 1
    )

    path = written({"base": {**TINY, "steps": 5}, "noise": [0.1]}, "small.yaml")
    draw = PerceptNetTask.draw

    def interrupted(self, step):
        if self.options.objective == "denoising" and step == 4:
            raise KeyboardInterrupt
        return draw(self, step)

    monkeypatch.setattr(PerceptNetTask, "draw", interrupted)
    with pytest.raises(KeyboardInterrupt):
        sweep.run(path, [photographs], tmp_path / "out")
    steps = []
    monkeypatch.setattr(
        PerceptNetTask, "draw", lambda self, step: steps.append(step) or draw(self, step)
    )
    exported = sweep.run(path, [photographs], tmp_path / "out")
    assert steps == [4]  # of the second point, from its checkpoint
    assert list(exported) == ["reconstruction", "noise-0.1"]
    with safetensors.safe_open(exported["noise-0.1"], "pt") as file:
        assert file.metadata()["objective"] == "denoising" and file.metadata()["strength"] == "0.1"
        names = set(file.keys())
    average = load(tmp_path / "out" / "noise-0.1" / CHECKPOINT)["average"]
    assert {name.replace("space.", "encoder.") for name in average} == names
    assert any(name.startswith("decoder.") for name in names)
    assert create("perceptnet", weights=str(exported["noise-0.1"])).min_side == 16
    assert sweep.run(path, [photographs], tmp_path / "out") == exported and steps == [4]

    with pytest.raises(RecipeError, match="steps was 5 and is 7"):
        sweep.run(written({"base": {**TINY, "steps": 7}}), [photographs], tmp_path / "out")


def test_sweeps_that_cannot_work_are_refused(written):
    options = {"objective": "denoising", "strength": 1}
    for values in (
        {"base": {**TINY, "options": options}},
        {"base": {**TINY, "space": "pim"}},
        {"base": TINY, "noise": [0]},
        {"base": TINY, "noise": 0.1},
        {"base": TINY, "blur": ["wide"]},
        {"base": TINY, "seeds": []},
        {"base": TINY, "seeds": ["a"]},
        {"base": [TINY]},
        {"noise": [0.1]},
        {"base": TINY, "parametric": 3},
    ):
        with pytest.raises(RecipeError, match=r"recipe\.yaml"):
            sweep.load_recipe(written(values))


def test_shipped_recipes_are_sound_and_open_with_their_command():
    paths = sorted((ROOT / "train" / "recipes").glob("perceptnet*.yaml"))
    names = {path.stem for path in paths}
    assert names == {
        "perceptnet",
        "perceptnet-sweep",
        *(f"perceptnet-{objective}" for objective in OBJECTIVES[1:]),
    }
    for path in paths:
        command = "sweep" if path.stem == "perceptnet-sweep" else "train"
        assert path.read_text().startswith(f"# metamer {command} train/recipes/{path.name} --data ")
        if command == "train":
            assert (
                recipe.load(path).options.objective == path.stem.partition("-")[2]
                or path.stem == "perceptnet"
            )
    grid = sweep.load_recipe(ROOT / "train" / "recipes" / "perceptnet-sweep.yaml")
    seeds = {point.seed for point in grid.values()}
    for objective in OBJECTIVES[1:]:
        assert sum(point.options.objective == objective for point in grid.values()) >= 5 * len(
            seeds
        )
