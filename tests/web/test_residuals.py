"""The encoder for browsers adds what the networks lack where they do badly, as Python does it: to
noise, from quality 60 up.
"""

import re

import numpy as np
import pytest
from PIL import Image

import metamer
from metamer.codec.encoder.mode_decision import fidelity
from metamer.codec.encoder.mode_decision.screening import Screening
from metamer.codec.format import container
from metamer.codec.options import quality_index
from metamer.codec.picture import vp8l
from metamer.codec.stream.coded_picture import CodedPicture, parse_tiles
from metamer.codec.stream.overlays import Form
from tests.conftest import ROOT
from tests.web.test_codec import decode_pixels, encoded, levels
from tests.web.test_drawings import encoded as encoded_by_browser
from tests.web.test_drawings import page  # noqa: F401


def noise(width: int, height: int, mode: str = "RGB") -> Image.Image:
    """Normal in RGB. In L evenly distributed: less is kept by the networks."""
    generator = np.random.default_rng(3)
    shape = (height, width, 3)
    drawn = generator.normal(128, 25, shape) if mode == "RGB" else generator.uniform(0, 256, shape)
    return Image.fromarray(drawn.clip(0, 255).astype(np.uint8)).convert(mode)


def grainy(photograph: Image.Image) -> Image.Image:
    """With noise of 15 levels."""
    grain = np.random.default_rng(1).normal(0, 15, np.shape(photograph))
    return Image.fromarray((np.asarray(photograph) + grain).clip(0, 255).astype(np.uint8))


def error(picture: Image.Image, decoded: Image.Image) -> float:
    return float(np.square(np.asarray(decoded, float) - np.asarray(picture)).mean())


def parsed(data: bytes) -> CodedPicture:
    return parse_tiles(*container.unpack(data))


def expect_the_same(data: bytes, by_python: bytes, size: tuple[int, int]) -> None:
    """The same words, and levels that differ where pixels do, by rounding."""
    ours, expected = parsed(data), parsed(by_python)
    assert ours.payloads == expected.payloads
    (overlay,), (reference,) = ours.overlays, expected.overlays
    assert overlay.form == reference.form == Form.RESIDUAL and overlay.step == reference.step
    residuals = [
        vp8l.decode_vp8l(one.data, *size)[..., 1].astype(int) for one in (overlay, reference)
    ]
    apart = np.abs(residuals[0] - residuals[1])
    assert apart.max() <= 1 and apart.mean() < 0.01


def test_what_qualities_promise_is_the_same():
    source = (ROOT / "web" / "src" / "encoder" / "fidelity.js").read_text()
    tables = [
        tuple(float(value) for value in re.search(rf"{name} = \[(.*?)\]", source)[1].split(","))
        for name in ("RATES", "PSNRS")
    ]
    assert tuple(tables) == fidelity.MEASURED["base"]


@pytest.mark.parametrize(
    ("mode", "quality"), [("RGB", 60), ("RGB", 70), ("RGB", 90), ("RGB", 100), ("L", 60)]
)
def test_noise(node, mode, quality):
    """In Node too, which writes no other overlays."""
    picture = noise(96, 80, mode)
    data, by_python = encoded(node, picture, quality=quality), metamer.encode(picture, quality)
    assert metamer.info(data).forms == {"residual": 1} and metamer.info(data).grey == (mode == "L")
    expect_the_same(data, by_python, picture.size)
    assert len(data) < 1.1 * len(by_python)
    decoded, limit = metamer.decode(data), fidelity.allowed_error("base", quality_index(quality))
    # errors were measured on pixels that are within one level of Python's
    assert 0.5 * limit < error(picture, decoded) < 1.02 * limit
    assert levels(decode_pixels(node, data), decoded) <= 1


@pytest.mark.parametrize("options", [{"quality": 59}, {"quality": 90, "lossless": False}])
def test_nothing_is_added_where_nothing_is_promised(node, options):
    picture = noise(96, 80)
    data = encoded(node, picture, **options)
    assert data == metamer.encode(picture, **options)
    assert metamer.info(data).forms == {"networks": 1}


def test_tiles_are_distinguished(node, otters):
    """One of noise, one of a photograph."""
    picture = Image.new("RGB", (1100, 40))
    picture.paste(noise(1024, 40))
    picture.paste(otters.crop((100, 100, 176, 140)), (1024, 0))
    data, networks = (
        encoded(node, picture, quality=70, tile=True, **options)
        for options in ({}, {"lossless": False})
    )
    assert metamer.info(data).forms == {"residual": 1, "networks": 1}
    assert parsed(data).payloads == parsed(networks).payloads
    assert parsed(data).payloads[1] == parsed(metamer.encode(picture, 70, tile=True)).payloads[1]
    assert levels(decode_pixels(node, data), metamer.decode(data)) <= 1


def test_few_colours_in_chromium(page, otters):  # noqa: F811
    """Its palettes are smaller than one code a channel."""
    picture = grainy(otters.crop((100, 60, 260, 160)))
    data, by_python = encoded_by_browser(page, picture, quality=100), metamer.encode(picture, 100)
    expect_the_same(data, by_python, picture.size)
    assert len(data) < 1.02 * len(by_python)


def test_many_colours_in_chromium(page):  # noqa: F811
    """One code a channel is smaller than what it writes."""
    picture = noise(96, 80)
    data, by_python = encoded_by_browser(page, picture, quality=90), metamer.encode(picture, 90)
    expect_the_same(data, by_python, picture.size)
    assert len(data) < 1.1 * len(by_python)


def test_grain_is_measured_as_in_python(node, otters, rng):
    squares = rng.choice([40, 200], (6, 20, 3)).astype(np.uint8).repeat(8, 0).repeat(8, 1)
    for picture in (
        otters,
        otters.convert("L").crop((200, 90, 351, 201)),
        noise(131, 77),
        Image.fromarray(squares),
        noise(1, 50),
        noise(50, 1),
        noise(5, 7),
        noise(1, 1),
    ):
        screening = Screening(lambda picture=picture: np.asarray(picture))
        measured = node.ask(
            "grain",
            picture.convert("RGBA").tobytes(),
            width=picture.width,
            height=picture.height,
        )
        expected = {"finest": screening.finest, "patchy": screening.patchy}
        assert measured == pytest.approx(expected, rel=1e-4, abs=1e-3), picture.size
