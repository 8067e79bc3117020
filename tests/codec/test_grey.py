"""Grey pictures are coded as grey."""

import zipfile

import numpy as np
import pytest
from PIL import Image

import metamer
from metamer.codec.errors import ModelError
from metamer.codec.format import container
from metamer.codec.format.container import Header, Section
from metamer.codec.network.files.arrays import GREY
from metamer.codec.network.model import WEIGHTS, load_model, shipped_models


def test_grey_is_decoded_as_grey_and_costs_less(otters):
    # of a smaller picture, what sections take is more than colour does
    crop = otters.convert("L")
    for quality in (0, 10, 50, 90):
        data, thrice = metamer.encode(crop, quality), metamer.encode(crop.convert("RGB"), quality)
        assert (
            metamer.info(data).grey
            and metamer.decode(data).mode == "L"
            and metamer.decode(data).size == crop.size
        )
        assert len(data) < len(thrice)

        def error(data, crop=crop):
            return np.square(
                np.asarray(metamer.decode(data).convert("L"), float) - np.asarray(crop)
            ).mean()

        assert error(data) < error(thrice) * 1.02


@pytest.mark.parametrize("path", shipped_models(), ids=lambda path: path.stem)
def test_latents_of_colour_are_predicted_and_not_coded(otters, path):
    model = load_model(path.stem)
    variant = model.grey_variant
    assert (
        variant.grey
        and not model.grey
        and variant.id != model.id
        and variant.decoder_id == model.id
    )
    assert 0.6 < variant.coded_channels.mean() < 0.97
    data = metamer.encode(otters.crop((0, 0, 64, 64)).convert("L"), 80, model=path.stem)
    header, sections = container.unpack(data)
    assert header.grey and header.model_id == variant.id and len(sections) == 1


def test_decoders_and_realism_know_grey(otters):
    data = metamer.encode(otters.crop((100, 100, 180, 160)).convert("L"), 20)
    plain, realistic = metamer.decode(data), metamer.decode(data, realism=1)
    assert plain.mode == realistic.mode == "L" and realistic != plain
    assert (
        metamer.info(data).decoders
        == metamer.info(metamer.encode(otters.crop((0, 0, 16, 16)))).decoders
    )


def test_the_flag_and_the_model_must_agree():
    model = load_model("base")
    for model_id, grey in ((model.id, True), (model.grey_variant.id, False)):
        data = container.pack(Header(model_id, 50, 8, 8, grey=grey), [Section(1, b"")])
        with pytest.raises(ModelError, match="not installed"):
            metamer.decode(data)


def test_preview_region_and_tiles_of_grey(otters):
    crop = otters.convert("L").crop((0, 0, 100, 80))
    crop.putalpha(Image.linear_gradient("L").resize(crop.size))
    data = metamer.encode(crop, 60, tile=True)
    decoded = metamer.decode(data)
    assert decoded.mode == metamer.decode(data, preview=True).mode == "LA"
    assert metamer.decode(data, region=(10, 20, 30, 40)) == decoded.crop((10, 20, 40, 60))


def test_models_without_a_list_code_everything(otters, tmp_path):
    with (
        zipfile.ZipFile(WEIGHTS / "base.metamer") as whole,
        zipfile.ZipFile(tmp_path / "old.metamer", "w") as old,
    ):
        for name in whole.namelist():
            if name != GREY:
                old.writestr(name, whole.read(name))
    path = str(tmp_path / "old.metamer")
    assert (
        load_model(path).id == load_model("base").id
        and load_model(path).grey_variant.coded_channels is None
    )
    crop = otters.crop((0, 0, 48, 48)).convert("L")
    data = metamer.encode(crop, model=path)
    assert metamer.decode(data, model=path).mode == "L"
    with pytest.raises(ModelError, match="not installed"):  # the shipped one decodes other latents
        metamer.decode(data)
