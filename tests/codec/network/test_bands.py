"""Models and decoders with a synthesis for each band of qualities."""

import dataclasses
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

import metamer
from metamer.codec.errors import ModelError
from metamer.codec.network import decoders
from metamer.codec.network.files.bands import band_of
from metamer.codec.network.model import Model
from metamer.evaluation.codecs import macs
from metamer.train import start
from metamer.train.export.decoders import export_decoder
from metamer.train.export.models import keep_streams
from metamer.train.networks.codec import Codec
from metamer.train.networks.levels import level_weights
from metamer.train.networks.transforms import bands
from metamer.train.networks.transforms.bands import resized

BANDS = 3
QUALITIES = (0, 30, 60, 100)  # of bands 0, 0, 1, 2


def banded_codec(tiny_model: str) -> Codec:
    """The tiny model's networks, with three syntheses that differ."""
    codec, generator = start.from_model(Model(tiny_model)), torch.Generator().manual_seed(3)
    options = dataclasses.replace(codec.options, synthesis_bands=BANDS)
    codec.synthesis = resized(codec.synthesis, options.synthesis)
    codec.options = options
    with torch.no_grad():
        for weight in codec.synthesis.parameters():
            weight += 0.1 * weight.abs().mean() * torch.randn(weight.shape, generator=generator)
    return codec


@pytest.fixture(scope="module")
def banded(tiny_model, tmp_path_factory) -> Path:
    """Its model file, for the tiny model's streams."""
    path, codec = tmp_path_factory.mktemp("banded") / "banded.metamer", banded_codec(tiny_model)
    recipe = {"network": dataclasses.asdict(codec.options), "stages": [{"parts": "transforms"}]}
    keep_streams(codec, Model(tiny_model), {"name": "banded", "recipe": recipe}, path)
    return path


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def changed(source: Path, target: Path, leave_out: str = "", **card) -> Path:
    """``source`` with other values in its card, or without a member."""
    parts = members(source)
    parts["model.json"] = json.dumps(json.loads(parts["model.json"]) | card).encode()
    with zipfile.ZipFile(target, "w") as archive:
        for name, data in parts.items():
            if name != leave_out:
                archive.writestr(name, data)
    return target


def test_the_runtime_chooses_the_band_that_training_does():
    for level in np.linspace(0, 8, 97):
        weights = level_weights(torch.tensor([level], dtype=torch.float32), 9)
        for count in (1, 2, 3, 9):
            expected = int(bands.band_of(weights, count))
            assert band_of(weights[0].numpy(), count) == expected


@pytest.mark.parametrize("weights", [[1.0], [0, np.nan], [0, np.inf], [0, -9.0], [9.0, 9e30]])
def test_weights_that_no_model_has_give_a_band_all_the_same(weights):
    assert 0 <= band_of(np.array(weights, np.float32), BANDS) < BANDS


def test_a_file_with_bands_says_so(banded, tiny_model):
    names, own = members(banded), members(Path(tiny_model))
    assert {f"synthesis{band}.onnx" for band in range(BANDS)} < set(names)
    assert "synthesis.onnx" not in names
    card, own_card = (json.loads(parts["model.json"]) for parts in (names, own))
    assert (card["format"], card["synthesis_bands"]) == (3, BANDS)
    assert own_card["format"] == 2 and "synthesis_bands" not in own_card
    assert Model(banded).id == Model(Path(tiny_model)).id


@pytest.mark.parametrize("quality", QUALITIES)
def test_a_picture_is_decoded_by_the_synthesis_of_its_quality(
    banded, tiny_model, otters, tmp_path, quality
):
    """As by a model of that synthesis alone."""
    data = metamer.encode(otters.crop((200, 60, 343, 160)), quality, model=str(banded))
    decoded = [metamer.decode(data, model=tiny_model, decoder=str(banded))]
    model = Model(banded)
    for graph in model.synthesis_graphs:
        parts = members(Path(tiny_model)) | {"synthesis.onnx": members(banded)[f"{graph}.onnx"]}
        with zipfile.ZipFile(tmp_path / f"{graph}.metamer", "w") as archive:
            for name, part in parts.items():
                archive.writestr(name, part)
        alone = str(tmp_path / f"{graph}.metamer")
        decoded.append(metamer.decode(data, model=tiny_model, decoder=alone))
    picture, *by_band = (np.asarray(image) for image in decoded)
    agrees = [np.array_equal(picture, other) for other in by_band]
    assert agrees == [
        band == model.band(round(quality / 100 * 255), BANDS) for band in range(BANDS)
    ]


def test_training_goes_on_from_its_file(banded, tiny_model):
    written, restored = banded_codec(tiny_model), start.from_model(Model(banded))
    for weight, expected in zip(
        restored.synthesis.parameters(), written.synthesis.parameters(), strict=True
    ):
        torch.testing.assert_close(weight, expected, rtol=2**-10, atol=2**-24)


def test_effort_looks_at_what_its_band_decodes_to(banded, otters):
    crop = otters.crop((200, 60, 343, 160))
    plain, refined = (
        metamer.encode(crop, 20, model=str(banded), effort=effort) for effort in (0, 2)
    )
    assert plain != refined


def test_every_synthesis_counts_as_parameters_and_one_as_work(banded, tiny_model, otters):
    crop = otters.crop((200, 60, 328, 156))
    cost, own = (macs.network_cost(str(model), None, crop, 50) for model in (banded, tiny_model))
    assert cost.decoder == own.decoder
    assert cost.parameters > own.parameters


@pytest.mark.parametrize("realism", [True, False])
def test_decoders_have_bands_too(banded, tiny_model, otters, tmp_path, realism):
    model, codec = Model(banded), banded_codec(tiny_model)
    with torch.no_grad():
        for weight in codec.synthesis.parameters():
            weight *= 1.05
    path = tmp_path / "made.decoder"
    card = export_decoder(codec, model, {"name": "made"}, path, realism)
    assert (card["format"], card["synthesis_bands"]) == (decoders.FORMAT, BANDS)
    file = decoders.read_decoder(path)
    assert file.graphs == model.synthesis_graphs and file.slider == realism
    latent = np.zeros((1, 4, 6, 32), np.float32)
    for quality in (0, 120, 255):
        weights = model.arrays["level_weights"][quality : quality + 1]
        synthesis = decoders.load_synthesis(model, quality, path, None, 1)
        expected = codec.synthesis.eval()(
            torch.from_numpy(latent).permute(0, 3, 1, 2), torch.from_numpy(weights)
        )
        decoded = synthesis.session.run(latent=latent, weights=weights)[0]
        np.testing.assert_allclose(decoded, expected.detach().numpy(), atol=2e-3)
        if realism:  # from the model's own synthesis for the same quality
            own = decoders.own_synthesis(model, quality).session
            least = decoders.load_synthesis(model, quality, path, 1e-6, 1)
            np.testing.assert_allclose(
                least.session.run(latent=latent, weights=weights)[0],
                own.run(latent=latent, weights=weights)[0],
                atol=1e-4,
            )


def test_a_slider_has_the_bands_of_its_model(banded, tiny_model, tmp_path):
    codec = start.from_model(Model(tiny_model))
    with pytest.raises(ModelError, match="not built as the trained one"):
        export_decoder(codec, Model(banded), {"name": "made"}, tmp_path / "made.decoder", True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("count", [0, 17, -1, 1.5, "3", True, None])
def test_counts_that_cannot_be_are_refused(banded, tmp_path, count):
    path = changed(banded, tmp_path / "changed.metamer", synthesis_bands=count)
    with pytest.raises(ModelError, match="synthesis_bands is out of range"):
        Model(path)
    with pytest.raises(ModelError, match="synthesis_bands is out of range"):
        decoders.read_decoder(path)


def test_a_synthesis_that_is_not_there(banded, otters, tmp_path):
    path = changed(banded, tmp_path / "changed.metamer", leave_out="synthesis2.onnx")
    with pytest.raises(ModelError, match="synthesis2"):
        decoders.read_decoder(path)
    data = metamer.encode(otters.crop((200, 60, 300, 160)), 100, model=str(banded))
    with pytest.raises(ModelError, match="holds no graph synthesis2"):
        Model(path).session(Model(path).synthesis_graph(255))
    with pytest.raises(ModelError, match="synthesis2"):
        metamer.decode(data, model=str(path))
