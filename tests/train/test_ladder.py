"""Decoders of other sizes for a model's streams, from a recipe's run to pixels."""

import dataclasses
import json

import numpy as np
import pytest
import torch

import metamer
from metamer.codec import grid
from metamer.codec.errors import ModelError, RecipeError
from metamer.codec.network import decoders
from metamer.codec.network.model import Model, load_model
from metamer.codec.options import quality_index
from metamer.evaluation.codecs.registry import get_codec
from metamer.train import checkpoints, start
from metamer.train.export.decoders import export_decoder_run
from metamer.train.networks.codec import NetworkOptions
from metamer.train.networks.transforms.synthesis import DecoderOptions
from metamer.train.recipe.checks import from_mapping
from tests.conftest import inside

FAST, FINE = DecoderOptions(16, 12, 1), DecoderOptions(8, 20, 3)  # beside tiny's 8, 16, 1


def options_of(model: str, decoder: DecoderOptions | None) -> NetworkOptions:
    network = NetworkOptions(**load_model(model).card["recipe"]["network"])
    return dataclasses.replace(network, decoder=decoder)


def run_of(folder, model: str, decoder: DecoderOptions, change: float, critic=None):
    """The folder of a run that changed its decoder so much."""
    network = start.load(model, options_of(model, decoder))
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for weight in network.synthesis.parameters():
            noise = torch.randn(weight.shape, generator=generator)
            weight += change * (weight.abs().mean() + 1e-3) * noise
        if critic is None:  # what a slider lies between shares them
            network.synthesis.bands[0].companding.log_gain.uniform_(-0.3, 0.3, generator=generator)
    values = {
        "network": dataclasses.asdict(network.options),
        "start": model,
        "critic": critic,
        "stages": [{"name": "decoder", "parts": "decoder", "steps": 7}],
    }
    state = {
        "step": 7,
        "average": network.state_dict(),
        "recipe": dataclasses.asdict(from_mapping(values)),
    }
    folder.mkdir()
    checkpoints.save(folder / checkpoints.CHECKPOINT, state)
    return folder


@pytest.fixture(scope="module")
def decoder_files(tmp_path_factory, tiny_model):
    """Decoder files, by name, as the command exports them."""
    files = {}
    for name, sizes in (("fast", FAST), ("fine", FINE)):
        run = run_of(tmp_path_factory.mktemp(name) / "run", tiny_model, sizes, 0.1)
        completed = inside("export", run, "--name", name)
        assert completed.returncode == 0, completed.stderr.decode()
        files[name] = run / "synthesis.decoder"
    return files


@pytest.fixture(scope="module")
def stream(otters, tiny_model) -> bytes:
    return metamer.encode(otters.crop((200, 60, 487, 290)), 60, model=tiny_model)


@pytest.mark.parametrize("name, sizes", [("fast", FAST), ("fine", FINE)])
def test_files_decode_as_training_does(decoder_files, stream, tiny_model, name, sizes):
    """Latents the same, pixels those of the trained network, the receptive field its own."""
    decoder = decoders.read_decoder(decoder_files[name])
    run = checkpoints.load(decoder_files[name].parent / checkpoints.CHECKPOINT)
    network = start.load(
        str(decoder_files[name].parent / checkpoints.CHECKPOINT), options_of(tiny_model, sizes)
    )
    assert decoder.receptive_field == network.synthesis.receptive_field == 2
    assert run["recipe"]["network"]["decoder"] == dataclasses.asdict(sizes)
    model = Model(tiny_model)
    index = quality_index(60)
    decoded = metamer.decode_latents(stream, model=tiny_model).astype(np.float32)
    latent = decoded * (model.arrays["step"][index] / np.float32(16))
    weights = model.arrays["level_weights"][index : index + 1]
    session = decoders.load_synthesis(model, 0, decoder_files[name], None, 1).session
    (image,) = session.run(latent=latent[None], weights=weights)
    with torch.no_grad():
        expected = network.eval().synthesis(
            torch.from_numpy(latent).permute(2, 0, 1)[None], torch.from_numpy(weights)
        )
    np.testing.assert_allclose(image, expected.numpy(), atol=2e-3)  # weights in half precision
    assert np.abs(image - expected.numpy()).mean() < 2e-4


@pytest.mark.parametrize("name", ["fast", "fine"])
def test_windows_and_tiles_have_no_seams(decoder_files, otters, tiny_model, name, monkeypatch):
    picture = otters.resize((300, 260))
    stream = metamer.encode(picture, 60, model=tiny_model)
    pixels = {}
    for side in (64, 5):
        monkeypatch.setattr(grid.split_windows, "__defaults__", (side,))
        pixels[side] = np.asarray(
            metamer.decode(stream, model=tiny_model, decoder=decoder_files[name]), int
        )
    assert np.abs(pixels[64] - pixels[5]).max() <= 1
    region = np.asarray(
        metamer.decode(
            stream, model=tiny_model, decoder=decoder_files[name], region=(90, 70, 100, 61)
        ),
        int,
    )
    assert np.abs(region - pixels[64][70:131, 90:190]).max() <= 1
    by_model = np.asarray(metamer.decode(stream, model=tiny_model), int)
    assert np.abs(by_model - pixels[64]).max() > 1


def test_the_command_and_the_evaluation_take_them(
    decoder_files, stream, otters, tiny_model, tmp_path
):
    (tmp_path / "a.mtm").write_bytes(stream)
    completed = inside(
        "decode", tmp_path / "a.mtm", "--model", tiny_model, "--decoder", decoder_files["fast"]
    )
    assert completed.returncode == 0, completed.stderr.decode()
    assert (tmp_path / "a.png").exists()
    crop = otters.crop((200, 60, 264, 124))
    costs = {}
    for name in (None, "fast", "fine"):
        codec = get_codec(tiny_model if name is None else f"{tiny_model}+{decoder_files[name]}", 1)
        costs[name] = codec.count(crop, 50)
        decoded = codec.decode(codec.encode(crop, 50))
        assert decoded.size == (64, 64)
    assert costs["fast"].decoder < costs[None].decoder < costs["fine"].decoder
    assert costs["fast"].encoder == costs[None].encoder


def test_realism_between_networks_of_other_sizes_is_refused(tiny_model, tmp_path):
    run = run_of(tmp_path / "run", tiny_model, FAST, 0.1, critic={})
    card = export_decoder_run(run, tmp_path / "fast.decoder", "fast")
    assert not card["realism"]
    with pytest.raises(ModelError, match="not built as the trained one"):
        export_decoder_run(run, tmp_path / "slider.decoder", "slider", True)
    assert not (tmp_path / "slider.decoder").exists()


def test_runs_begin_from_models_from_decoders_and_from_nothing_else(tiny_model, tmp_path):
    options = options_of(tiny_model, FAST)
    checkpoint = run_of(tmp_path / "run", tiny_model, FAST, 0.1) / checkpoints.CHECKPOINT
    reloaded, trained = (
        start.load(str(checkpoint), options),
        checkpoints.load(checkpoint)["average"],
    )
    assert reloaded.options == options
    for name, weight in reloaded.state_dict().items():
        assert torch.equal(weight, trained[name])
    # another decoder does not begin from a decoder: its linear transform is no longer the model's
    with pytest.raises(RecipeError, match="holds no network"):
        start.load(str(checkpoint), options_of(tiny_model, FINE))
    loaded = start.load(tiny_model, options_of(tiny_model, None))
    checkpoints.save(tmp_path / "own.pt", {"average": loaded.state_dict()})
    grown = start.load(str(tmp_path / "own.pt"), options_of(tiny_model, FINE))
    latent, weights = torch.randn(1, 32, 5, 5), torch.tensor([[0, 1.0, 0, 0]])
    with torch.no_grad():
        torch.testing.assert_close(
            grown.synthesis(latent, weights), loaded.synthesis(latent, weights), atol=1e-5, rtol=0
        )


def test_the_card_of_a_model_does_not_choose_its_decoder(tiny_model):
    """Its synthesis is its own: another in its card is not believed."""
    model = Model(tiny_model)
    model.card["recipe"]["network"]["decoder"] = json.loads('{"stride": [16]}')
    assert start.from_model(model).options.decoder is None
