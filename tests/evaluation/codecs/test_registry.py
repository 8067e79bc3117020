"""Codecs by name, their settings in order of rate, and the search for a rate."""

import io

import numpy as np
import pytest
from PIL import Image

import metamer
from metamer.codec.errors import MetamerError
from metamer.codec.network.model import load_model
from metamer.evaluation.codecs import interface, registry
from metamer.train import start
from metamer.train.export.decoders import export_decoder


@pytest.fixture(scope="module")
def crop(otters) -> Image.Image:
    return otters.crop((200, 60, 360, 188))


@pytest.fixture(scope="module")
def decoder(tmp_path_factory) -> str:
    """A decoder of base's streams that knows realism and has weaker weights."""
    changed, path = (
        start.from_model(load_model("base")),
        tmp_path_factory.mktemp("decoder") / "weak.decoder",
    )
    for weight in changed.synthesis.parameters():
        weight.data *= 0.99
    export_decoder(changed, load_model("base"), {"name": "weak"}, path, realism=True)
    return str(path)


@pytest.mark.parametrize("name", [*registry.pillow_codecs(), "base"])
def test_ladders_rise_and_hold_the_usual_settings(name, crop):
    codec = registry.get_codec(name)
    ends = [
        len(codec.encode(crop, codec.ladder[place])) for place in (0, len(codec.ladder) // 2, -1)
    ]
    assert ends == sorted(ends) and ends[0] < ends[-1] / 4
    for setting in codec.settings:
        codec.check(setting)
    picture = codec.decode(codec.encode(crop, codec.settings[0]))
    assert picture.size == crop.size and picture.mode == "RGB"


def test_settings_a_codec_does_not_have_are_refused():
    for name, setting in (("jpeg", 101), ("jpeg", 10.5), ("base", -1), ("jpeg2000", 0.5)):
        with pytest.raises(MetamerError, match=rf"{name} has no setting {setting:g}"):
            registry.get_codec(name).check(setting)
    registry.get_codec("base").check(10.5)


def test_metamer_is_itself(crop):
    codec = registry.get_codec("base")
    data = codec.encode(crop, 30)
    assert data == metamer.encode(crop, 30) and codec.version == load_model("base").id.hex()
    assert np.array_equal(codec.decode(data), metamer.decode(data))


def test_a_decoder_shares_the_stream_and_has_its_own_version(crop, decoder):
    plain, full, half = (
        registry.get_codec(f"base{suffix}") for suffix in ("", f"+{decoder}", f"+{decoder}@0.5")
    )
    assert {codec.stream for codec in (plain, full, half)} == {"base"}
    assert len({codec.version for codec in (plain, full, half)}) == 3
    data = plain.encode(crop, 40)
    assert data == half.encode(crop, 40)
    assert np.array_equal(half.decode(data), metamer.decode(data, decoder=decoder, realism=0.5))
    at_zero, at_half, at_one = (
        np.asarray(codec.decode(data)).astype(float) for codec in (plain, half, full)
    )
    assert 0 < np.abs(at_half - at_zero).mean() < np.abs(at_one - at_zero).mean()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("jpgg", "jpgg"),
        ("base+absent", "no decoder 'absent'"),
        ("base+", "names no decoder"),
        ("base+@0.5", "names no decoder"),
        ("base+x@half", "names no decoder"),
        ("base+x@1.5", "from 0 to 1"),
        ("base+x@nan", "from 0 to 1"),
    ],
)
def test_unknown_codecs_are_refused(name, message):
    with pytest.raises(MetamerError, match=message):
        registry.get_codec(name)


@pytest.mark.parametrize("size", [0, 95, 104, 106, 500, 1231, 1e9])
def test_nearest_is_the_nearest(size):
    sizes = 100 + np.cumsum(np.random.default_rng(3).integers(0, 20, 200))
    encoded_at = []

    def encode(setting: int) -> bytes:
        encoded_at.append(setting)
        return bytes(int(sizes[setting]))

    nearest = interface.nearest_setting(encode, range(200), size)
    assert abs(sizes[nearest] - size) == np.abs(sizes - size).min() and len(encoded_at) <= 8


def test_options_take_the_place_of_usual_ones(crop):
    names = "jpeg", "jpeg:optimize=false,progressive=false", "jpeg:subsampling=4:4:4"
    plain, bare, full = map(registry.get_codec, names)
    buffer = io.BytesIO()
    crop.save(buffer, "JPEG", quality=40)
    assert bare.encode(crop, 40) == buffer.getvalue() != plain.encode(crop, 40)
    layers = [Image.open(io.BytesIO(codec.encode(crop, 40))).layer[0][1] for codec in (plain, full)]
    assert (
        layers == [2, 1] and full.name == "jpeg:subsampling=4:4:4" != full.stream.partition(":")[0]
    )
    assert len(registry.get_codec("webp:method=0").encode(crop, 40)) > len(
        registry.get_codec("webp").encode(crop, 40)
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("jpeg:quality=3", "no option 'quality=3'.*subsampling"),
        ("jpeg:optimize=2", "optimize takes true or false"),
        ("jpeg:", "no option ''"),
        ("webp:method=6,method=4", "given twice"),
        ("webp:method=best", "takes a whole number"),
        ("jpeg:subsampling=5:5:5", "jpeg:subsampling=5:5:5: "),
    ],
)
def test_options_that_a_codec_does_not_have_are_refused(name, message, crop):
    with pytest.raises(MetamerError, match=message):
        registry.get_codec(name).encode(crop, 50)
