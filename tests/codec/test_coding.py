"""The shipped model, end to end in process."""

import contextlib
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import metamer
from metamer.codec.errors import FileError, ImageError, ModelError, StreamError
from metamer.codec.format import container
from metamer.codec.format.container import Kind, Section
from metamer.codec.network.model import WEIGHTS, load_model, shipped_models


def psnr(image: Image.Image, reference: Image.Image) -> float:
    error = np.square(np.asarray(image, float) - np.asarray(reference, float)).mean()
    return -10 * np.log10(max(error, 1e-9) / 255**2)


def test_quality_orders_size_and_fidelity(otters):
    streams = [metamer.encode(otters, quality) for quality in (0, 25, 50, 75, 100)]
    sizes = [len(data) for data in streams]
    fidelity = [psnr(metamer.decode(data), otters) for data in streams]
    assert sizes == sorted(sizes) and fidelity == sorted(fidelity)
    assert sizes[0] * 8 / (736 * 414) < 0.2 and fidelity[-1] > 38


def test_every_quality_in_between(otters):
    crop = otters.crop((200, 60, 360, 180))
    sizes = [len(metamer.encode(crop, quality)) for quality in np.linspace(0, 100, 41)]
    rising = np.diff(sizes) > -0.01 * np.array(sizes[1:])
    assert rising.all() and len(set(sizes)) > 38


@settings(max_examples=25)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(0, 100))
def test_any_size(width, height, quality):
    rng = np.random.default_rng(width + 97 * height)
    picture = Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
    data = metamer.encode(picture, quality)
    assert metamer.decode(data).size == (width, height)
    assert metamer.info(data).width == width and metamer.info(data).height == height


def test_file_is_the_cross_entropy(otters, rng):
    """Within 0.5 % + 24 bytes, for photographs, tiny pictures, flat colour and noise."""
    noise = Image.fromarray(rng.integers(0, 256, (90, 70, 3), dtype=np.uint8))
    for picture in (
        otters,
        otters.crop((0, 0, 64, 64)),
        otters.crop((5, 5, 6, 6)),
        Image.new("RGB", (300, 200)),
        noise,
    ):
        for quality in (0, 50, 100):
            size, ideal = (
                len(metamer.encode(picture, quality, lossless=False)),
                metamer.cross_entropy(picture, quality) / 8,
            )
            assert ideal <= size <= ideal * 1.005 + 24, (picture.size, quality)


def test_overhead_over_the_payload(otters):
    data = metamer.encode(otters.crop((0, 0, 64, 64)))
    assert len(data) - len(container.unpack(data)[1][0].body) <= 24


@pytest.mark.parametrize("bpp", [0.1, 0.4, 1.5])
def test_targets_are_met_from_below_and_closely(otters, bpp):
    limit = int(bpp * 736 * 414 / 8)
    assert 0.96 * limit <= len(metamer.encode(otters, bpp=bpp)) <= limit
    assert len(metamer.encode(otters, max_bytes=limit)) == len(metamer.encode(otters, bpp=bpp))


def test_impossible_targets(otters):
    with pytest.raises(ImageError, match="needs at least"):
        metamer.encode(otters, max_bytes=40)
    with pytest.raises(ValueError, match="give one of"):
        metamer.encode(otters, max_bytes=40, bpp=1)
    for quality in (-1, 101, float("nan")):
        with pytest.raises(ValueError, match="between 0 and 100"):
            metamer.encode(otters, quality)


@pytest.mark.parametrize(
    "options, reason",
    [
        ({"icc": "drop"}, "icc must be convert or keep, not 'drop'"),
        ({"metadata": ""}, "metadata must be keep or strip, not ''"),
        ({"alpha_quality": 101}, "alpha_quality must be between 0 and 100, not 101"),
        ({"quality": -1}, "quality must be between"),
        ({"bpp": 0}, "bpp must be positive and finite, not 0"),
        ({"bpp": float("inf")}, "bpp must be positive and finite, not inf"),
    ],
)
def test_options_out_of_range(otters, options, reason):
    with pytest.raises(ValueError, match=reason):
        metamer.encode(otters, **options)


def test_inputs_of_every_kind(otters, tmp_path):
    crop = otters.crop((0, 0, 50, 40))
    crop.save(tmp_path / "crop.png")
    expected = metamer.encode(crop)
    for source in (
        np.asarray(crop),
        tmp_path / "crop.png",
        str(tmp_path / "crop.png"),
        (tmp_path / "crop.png").read_bytes(),
    ):
        assert metamer.encode(source) == expected
    with pytest.raises(ImageError, match="uint8"):
        metamer.encode(np.zeros((4, 4, 3)))
    for shape in ((0, 4, 3), (4, 4, 5), (4,), (2, 4, 4, 3)):
        with pytest.raises(ImageError, match="arrays must be"):
            metamer.encode(np.zeros(shape, np.uint8))
    (tmp_path / "crop.mtm").write_bytes(expected)
    assert metamer.decode(tmp_path / "crop.mtm") == metamer.decode(expected)


class OwnPath(os.PathLike):
    """A path that says nothing of itself as text."""

    def __init__(self, path: str):
        self._path = path

    def __fspath__(self) -> str:
        return self._path


def test_paths_of_every_kind(otters, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = metamer.encode(otters.crop((0, 0, 64, 48)))
    for path in ("-", "a.mtm"):  # "-" is a file, too: standard input is the command line's
        (tmp_path / path).write_bytes(data)
        assert metamer.info(path) == metamer.info(OwnPath(path)) == metamer.info(data)
    for function in (metamer.decode, metamer.rescue, metamer.decode_latents, metamer.info):
        with pytest.raises(FileError, match=r"^absent\.mtm: no such file"):
            function("absent.mtm")


def test_damage_is_always_reported(otters):
    """Cut at every length; every byte changed in turn."""
    data = metamer.encode(otters.crop((100, 100, 148, 132)), 30)
    for length in range(len(data)):
        with pytest.raises(StreamError):
            metamer.decode(data[:length])
    for place in range(len(data)):
        for change in (0x01, 0x80, 0xFF):
            with pytest.raises(StreamError):
                metamer.decode(data[:place] + bytes([data[place] ^ change]) + data[place + 1 :])


@settings(max_examples=60)
@given(st.binary(max_size=300), st.integers(0, 255), st.integers(1, 64), st.integers(1, 64))
def test_hostile_payloads_with_a_right_checksum(payload, quality, width, height):
    """They decode to some picture or are refused; they never crash or hang."""
    data = container.pack(
        container.Header(load_model("base").id, quality, width, height),
        [Section(Kind.PICTURE, payload)],
    )
    with contextlib.suppress(StreamError):
        assert metamer.decode(data).size == (width, height)


def test_declared_sizes_are_checked_before_memory_is_allocated():
    data = container.pack(
        container.Header(load_model("base").id, 50, 65536, 65536), [Section(Kind.PICTURE, b"")]
    )
    with pytest.raises(StreamError, match="65536x65536"):
        metamer.decode(data)


def test_unknown_models(otters):
    data = container.pack(container.Header(b"none", 50, 8, 8), [Section(Kind.PICTURE, b"")])
    with pytest.raises(ModelError, match="6e6f6e65"):
        metamer.decode(data)
    assert metamer.info(data).model is None
    with pytest.raises(ModelError, match="shipped are base"):
        metamer.encode(otters, model="bse")


def test_models_are_small_and_carry_a_card():
    assert load_model("base").name == "base"
    for path in shipped_models():
        assert path.stat().st_size <= 12_000_000
        assert path.with_suffix(".md").exists()
        assert load_model(path.stem).card["name"] == path.stem


@pytest.mark.parametrize("damage", ["empty", "text", "truncated"])
def test_broken_model_files(tmp_path, damage):
    model_bytes = (WEIGHTS / "base.metamer").read_bytes()
    (tmp_path / "broken.metamer").write_bytes(
        {"empty": b"", "text": b"hello", "truncated": model_bytes[:5000]}[damage]
    )
    with pytest.raises(ModelError, match="not a Metamer model"):
        load_model(str(tmp_path / "broken.metamer"))


def test_threads_change_nothing(otters):
    data = metamer.encode(otters, 60)
    single_thread, two_threads = (
        metamer.decode_latents(data, threads=threads) for threads in (1, 2)
    )
    np.testing.assert_array_equal(single_thread, two_threads)


def test_kernels_that_give_wrong_convolutions_are_off():
    """On Arm with SME; bitstreams/FORMAT.md, section 6."""
    options = load_model("base").session("features")._session.get_session_options()
    assert options.get_session_config_entry("mlas.disable_kleidiai") == "1"
