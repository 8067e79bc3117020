"""CompressAI's architectures in Metamer's training: every one trains, resumes, exports to what
CompressAI itself loads, and is measured with real bytes. All as small as they can be, on 64² crops.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from metamer.codec.errors import MetamerError, RecipeError
from metamer.evaluation.codecs.registry import get_codec
from metamer.train import checkpoints, command
from metamer.train.networks import compressai_package, registry
from metamer.train.networks.compressai import CompressAINetwork, seeded_generators
from metamer.train.recipe.checks import from_mapping
from metamer.train.recipe.options import Stage
from metamer.train.run import log, training
from tests.conftest import ROOT

SIZES = {
    "bmshj2018-factorized": [8, 12],
    "bmshj2018-hyperprior": [8, 12],
    "mbt2018-mean": [8, 12],
    "mbt2018": [8, 12],
    "cheng2020-anchor": [8],
    "cheng2020-attn": [8],
    "elic2022": [8, 320],  # M is fixed in its from_state_dict
}


@pytest.fixture(autouse=True)
def _installed(request):
    if "without_the_package" not in request.node.name and not importlib.util.find_spec(
        "compressai"
    ):
        pytest.skip("CompressAI is not installed")


def values(name: str, steps: int = 2, **fields) -> dict:
    """A recipe of a small network."""
    stage = {"name": "joint", "steps": steps, "batch": 2, "crop": 64, "warmup_steps": 1}
    return {
        "network": {"architecture": f"compressai:{name}", "channels": SIZES[name]},
        "stages": [stage],
        "weight_average_decay": 0.5,
        "save_every": 3,
        "validate_every": 4,
        "log_every": 1,
        **fields,
    }


def trained(recipe: dict, photographs: Path, out: Path, **options) -> dict:
    training.train(from_mapping(recipe), [photographs], out, **options)
    return checkpoints.load(out / checkpoints.CHECKPOINT)


def network(name: str, **fields) -> CompressAINetwork:
    torch.manual_seed(0)
    return registry.create(from_mapping(values(name, **fields)).network)


def assert_same(state: dict, other_state: dict) -> None:
    for kind in ("model", "average"):
        for key, value in state[kind].items():
            assert torch.equal(value, other_state[kind][key]), f"{kind}.{key}"


@pytest.mark.parametrize("name", SIZES)
def test_each_trains_and_exports_what_compressai_loads(name, photographs, tmp_path, otters):
    state = trained(values(name), photographs, tmp_path / "run")
    initial = network(name).state_dict()
    moved = {key for key, value in state["model"].items() if not torch.equal(value, initial[key])}
    assert any(key.startswith("model.g_a") for key in moved)
    assert any(key.endswith("quantiles") for key in moved)

    path = tmp_path / "network.pth"
    assert command.kind(tmp_path / "run") == "network"
    printed = command.export(tmp_path / "run", [], path, "mine", 8)
    assert f"compressai:{name}@{path}" in printed
    saved = torch.load(path, weights_only=True)
    model = compressai_package.architecture_class(name).from_state_dict(saved["state_dict"]).eval()
    picture = otters.crop((100, 100, 164, 228))
    image = torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():
        coded = model.compress(image)
        expected = model.decompress(coded["strings"], coded["shape"])["x_hat"]
    codec = get_codec(f"compressai:{name}@{path}")
    data = codec.encode(picture, codec.settings[0])
    assert len(data) > sum(len(part[0]) for part in coded["strings"])
    decoded = torch.from_numpy(np.asarray(codec.decode(data)).copy()).permute(2, 0, 1)
    assert (decoded - 255 * expected[0].clamp(0, 1)).abs().max() <= 0.51


def test_ten_steps_resume_to_the_last_bit(photographs, tmp_path, monkeypatch):
    """cheng2020-attn, with its auxiliary loss: stopped after 7 steps, it goes on from the 6th."""
    recipe, original_step = values("cheng2020-attn", 10), log.Log.step
    uninterrupted = trained(recipe, photographs, tmp_path / "whole")

    def stop(self, step, *arguments, **options):
        if step == 7:
            raise KeyboardInterrupt
        return original_step(self, step, *arguments, **options)

    monkeypatch.setattr(log.Log, "step", stop)
    with pytest.raises(KeyboardInterrupt):
        trained(recipe, photographs, tmp_path / "run")
    monkeypatch.setattr(log.Log, "step", original_step)
    assert checkpoints.load(tmp_path / "run" / checkpoints.CHECKPOINT)["step"] < 7
    resumed = trained(recipe, photographs, tmp_path / "run", resume=True)
    assert uninterrupted["step"] == resumed["step"] == 10
    assert_same(uninterrupted, resumed)
    assert resumed["auxiliary"]["state"][0]["step"] == 10


EVERYTHING = {
    "distortion": {"mse": 1, "perceptnet": 1},
    "critic": {"width": 4},
    "rate_control": [0.3],
    "rate_control_speed": 0.1,
    "balance_crops": 2,
}


def test_everything_at_once_on_one_process_and_on_two(photographs, tmp_path):
    """A mix, a critic that sees latents, a rate to keep. Processes draw noise of their own."""
    recipe = values("bmshj2018-hyperprior", **EVERYTHING)
    one_process = trained(recipe, photographs, tmp_path / "alone")
    assert one_process["log_factor"].abs().item() > 0.01
    conditions = one_process["critic"]["model"]["condition.parametrizations.weight.original"]
    assert conditions.shape[1] == SIZES["bmshj2018-hyperprior"][1] + 1  # and one quality
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    completed = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
            *("--nproc-per-node", "2", "-m", "metamer.cli", "train", tmp_path / "recipe.yaml"),
            *("--data", photographs, "--out", tmp_path / "two"),
        ],
        capture_output=True,
        timeout=300,
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert completed.returncode == 0, completed.stderr.decode()
    two_processes = checkpoints.load(tmp_path / "two" / checkpoints.CHECKPOINT)
    assert two_processes["step"] == 2
    deviations = [
        (value - two_processes["model"][key]).abs().max().item()
        for key, value in one_process["model"].items()
        if value.numel()
    ]
    assert 0 < max(deviations) < 0.01  # no more than two steps of Adam move


def test_training_only_the_decoder_leaves_the_streams(photographs, tmp_path):
    start = trained(values("mbt2018-mean"), photographs, tmp_path / "joint")
    stage = {**values("mbt2018-mean")["stages"][0], "parts": "decoder"}
    recipe = values(
        "mbt2018-mean", stages=[stage], start=str(tmp_path / "joint" / checkpoints.CHECKPOINT)
    )
    checkpoint = trained(recipe, photographs, tmp_path / "run")
    changed = {
        key
        for key, value in checkpoint["model"].items()
        if not torch.equal(value, start["average"][key])
    }
    quantiles = {"model.entropy_bottleneck.quantiles"}
    assert changed - quantiles == {
        key
        for key in checkpoint["model"]
        if key.startswith("model.g_s.") and "pedestal" not in key and "lower_bound" not in key
    }


def test_a_run_starts_from_weights_of_compressais_own(photographs, tmp_path):
    trained_network = network("bmshj2018-factorized")
    with torch.no_grad():
        for parameter in trained_network.parameters():
            parameter.add_(0.01)
    trained_network.model.update()
    torch.save({"state_dict": trained_network.model.state_dict()}, tmp_path / "theirs.pth")
    options = trained_network.options
    loaded = registry.load(str(tmp_path / "theirs.pth"), options)
    for weight, loaded_weight in zip(
        trained_network.parameters(), loaded.parameters(), strict=True
    ):
        assert torch.equal(weight, loaded_weight)
    options.channels = [8, 16]
    with pytest.raises(RecipeError, match=r"theirs.pth holds no bmshj2018-factorized of the size"):
        registry.load(str(tmp_path / "theirs.pth"), options)


def test_rounding_is_that_of_a_file(otters):
    """Rounded, bits and picture are those of CompressAI's own evaluation; noise follows a seed."""
    codec = network("mbt2018-mean")
    image = torch.from_numpy(np.asarray(otters.crop((0, 0, 64, 64))).copy())
    image = image.permute(2, 0, 1)[None].float() / 255
    level, seeds = torch.zeros(1), codec.noise(1, 64, torch.Generator().manual_seed(3))
    with torch.no_grad():
        rounded = codec(image, level, Stage("s", 1, proxy="straight_through"))
        dithered, repeated, other_seeds = (
            codec(image, level, Stage("s", 1), noise, file_bits=True)
            for noise in (seeds, seeds, (seeds[0] + 1,))
        )
        output = codec.model.eval()(image)
    bits = -sum(part.log2().sum() for part in output["likelihoods"].values())
    torch.testing.assert_close(rounded.bits[0], bits)
    torch.testing.assert_close(rounded.image, output["x_hat"])
    assert torch.equal(dithered.bits, repeated.bits) and not torch.equal(
        dithered.bits, other_seeds.bits
    )
    torch.testing.assert_close(dithered.file_bits[0], bits)


def test_only_the_transforms_run_in_bfloat16():
    codec = network("mbt2018-mean")
    names, precisions = [*codec.state_dict()], {}
    for part in ("g_a", "g_s", "h_a", "h_s"):
        layer = next(m for m in getattr(codec.model, part).modules() if hasattr(m, "in_channels"))
        layer.register_forward_hook(
            lambda *call, part=part: precisions.setdefault(part, set()).add(call[2].dtype)
        )
    with torch.autocast("cpu", torch.bfloat16):
        reconstruction = codec(
            torch.rand(1, 3, 64, 64), torch.zeros(1), Stage("s", 1), file_bits=True
        )
    assert precisions.pop("g_a") == precisions.pop("g_s") == {torch.bfloat16}
    assert precisions == {"h_a": {torch.float32}, "h_s": {torch.float32}}
    assert {
        reconstruction.image.dtype,
        reconstruction.bits.dtype,
        reconstruction.file_bits.dtype,
    } == {torch.float32}
    reconstruction.bits.sum().backward()
    assert next(codec.model.g_a.parameters()).grad.abs().sum() > 0
    assert [*codec.state_dict()] == names


def test_seeded_generators_restore_their_states():
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    with seeded_generators(7, torch.device("cpu")):
        inside = torch.rand(3)
    assert torch.equal(torch.rand(3), expected) and not torch.equal(inside, expected)


@pytest.mark.parametrize(
    "network, stage, complaint",
    [
        ({"architecture": "compressai:mbt2018-men"}, {}, r"not 'mbt2018-men' \(did you mean 'mbt"),
        ({"architecture": "compressai:cheng2020-attn", "quality": 7}, {}, "there are 1 to 6"),
        ({"quality": 9}, {}, "network.quality: must be less than or equal to 8"),
        ({"channels": [1, 2, 3]}, {}, "channels: N, or N and M"),
        ({"groups": [4]}, {}, "network: unknown key 'groups'"),
        ({}, {"crop": 96}, "crop must be a multiple of 64 for compressai:mbt2018"),
        ({}, {"rdoq_lambda": 22.0}, "compressai:mbt2018 knows no rdoq_lambda"),
        ({}, {"parts": "entropy"}, "parts is one of all, decoder, not 'entropy'"),
        ({}, {"parts": "decoder"}, "needs a model to start from; say start: CHECKPOINT"),
    ],
)
def test_mistakes_without_the_package(network, stage, complaint):
    recipe = values("mbt2018")
    recipe["network"] = {"architecture": "compressai:mbt2018", **network}
    recipe["stages"][0] |= stage
    with pytest.raises(RecipeError, match=complaint):
        from_mapping(recipe)


def test_a_missing_package_is_reported(monkeypatch):
    def missing():
        raise ImportError("No module named 'compressai'")

    monkeypatch.setattr(compressai_package, "import_compressai", missing)
    with pytest.raises(MetamerError, match="compressai:mbt2018 needs CompressAI, pip install"):
        registry.create(from_mapping(values("mbt2018")).network)


def test_channels_that_do_not_fit():
    options = from_mapping(values("cheng2020-anchor")).network
    options.channels = [8, 12]
    with pytest.raises(RecipeError, match=r"cheng2020-anchor cannot be built of \[8, 12\]"):
        registry.create(options)
