"""What is drawn is kept without loss by the encoder in the browser, as Python does it."""

import base64

import numpy as np
import pytest
from PIL import Image, ImageDraw

import metamer
from metamer.codec.format import container
from metamer.codec.stream import overlays
from metamer.codec.stream.coded_picture import parse_tiles
from tests.web.test_pages import quiet, run

ENCODE = """
const [pixels, width, height, options] = given;
const data = Uint8ClampedArray.from(atob(pixels), (letter) => letter.charCodeAt(0));
const { Store, encode } = await import("/metamer/src/codec.js");
const bytes = await encode({ width, height, data }, new Store(new URL("/models/", location)), options);
return btoa(String.fromCharCode(...bytes));"""


@pytest.fixture
def page(chromium, server):
    chromium.get(server.address + "element.html")
    yield chromium
    quiet(chromium)


def encoded(page, picture: Image.Image, before: str = "", **options) -> bytes:
    """before: what is done to the page first."""
    pixels = base64.b64encode(picture.convert("RGBA").tobytes()).decode()
    return base64.b64decode(run(page, before + ENCODE, [pixels, *picture.size, options]))


def text(width: int, height: int, mode: str = "RGB") -> Image.Image:
    """A page of it."""
    picture = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(picture)
    for row in range(4, height - 11, 13):
        draw.text((4, row), "The quick brown fox jumps over the lazy dog. " * 9, "midnightblue")
    return picture.convert(mode)


def text_beside_photograph(otters: Image.Image, width: int = 260) -> Image.Image:
    """Text with a photograph on the right."""
    picture = text(width, 120)
    picture.paste(otters.crop((200, 100, 330, 220)), (width - 130, 0))
    return picture


def levels(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture.convert("RGB"), int)


@pytest.mark.parametrize("quality", [30, 90])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_text(page, mode, quality):
    picture = text(150, 70, mode)
    data = encoded(page, picture, quality=quality)
    assert metamer.info(data).lossless and metamer.info(data).grey == (mode == "L")
    decoded = metamer.decode(data)
    assert decoded.mode == mode and decoded.tobytes() == picture.tobytes()
    assert len(data) < len(metamer.encode(picture, quality, lossless=False))
    assert len(data) < 1.5 * len(metamer.encode(picture, lossless=True))


def test_text_beside_a_photograph(page, otters):
    """The blocks of it that Python takes; the rest is as far from the original as there."""
    picture = text_beside_photograph(otters)
    data, by_python = encoded(page, picture, quality=40), metamer.encode(picture, 40)
    blocks, expected = (
        parse_tiles(*container.unpack(stream)).overlays[0].blocks for stream in (data, by_python)
    )
    assert np.array_equal(blocks, expected) and 0 < blocks.mean() < 1
    drawn_mask = np.asarray(overlays.block_mask(blocks, *picture.size)) > 0
    errors = [
        np.square(levels(metamer.decode(stream)) - levels(picture)).sum(-1)
        for stream in (data, by_python)
    ]
    assert not errors[0][drawn_mask].any()
    assert errors[0][~drawn_mask].mean() == pytest.approx(errors[1][~drawn_mask].mean(), rel=0.05)


def test_tiles_are_distinguished(page, otters):
    """One of text, one of a photograph."""
    picture = text(1100, 40)
    picture.paste(otters.crop((100, 100, 176, 140)), (1024, 0))
    data = encoded(page, picture, quality=40, tile=True)
    assert metamer.info(data).forms == {"lossless": 1, "networks": 1}
    assert np.array_equal(levels(metamer.decode(data))[:, :1024], levels(picture)[:, :1024])


def test_transparent_drawings(page):
    picture = text(150, 70)
    picture.putalpha(Image.radial_gradient("L").resize(picture.size))
    data = encoded(page, picture, quality=40)
    assert metamer.info(data).lossless
    visible = np.asarray(picture)[..., 3] > 0
    assert np.array_equal(np.asarray(metamer.decode(data))[visible], np.asarray(picture)[visible])


def test_without_loss_and_without_keeping(page, otters):
    picture = otters.crop((100, 60, 200, 140))
    data = encoded(page, picture, lossless=True)
    assert metamer.info(data).lossless and metamer.info(data).tiles == 0
    assert metamer.decode(data).tobytes() == picture.tobytes()
    assert len(data) < 1.5 * len(metamer.encode(picture, lossless=True))
    written = text(150, 70)
    assert encoded(page, written, quality=40, lossless=False) == metamer.encode(
        written, 40, lossless=False
    )


# browsers that write no lossless WebP, or not quite
INEXACT = {
    "none": "OffscreenCanvas = undefined;",
    "another format": """const write = OffscreenCanvas.prototype.convertToBlob;
        OffscreenCanvas.prototype.convertToBlob = function () { return write.call(this, { type: "image/png" }); };""",
    "lossy": """const write = OffscreenCanvas.prototype.convertToBlob;
        OffscreenCanvas.prototype.convertToBlob = function () {
            return write.call(this, { type: "image/webp", quality: 0.9 });
        };""",
    "pixels that are disturbed": """const put = OffscreenCanvasRenderingContext2D.prototype.putImageData;
        OffscreenCanvasRenderingContext2D.prototype.putImageData = function (image, ...where) {
            const data = image.data.slice();
            data[0] ^= data.length > 99 ? 1 : 0;
            return put.call(this, new ImageData(data, image.width), ...where);
        };""",
}


@pytest.mark.parametrize("kind", INEXACT)
def test_only_exact_encoders_are_used(page, kind):
    """Or else all is left to the networks, and what asks for more is refused."""
    written = text(150, 70)
    plain = metamer.encode(written, 40, lossless=False)
    assert encoded(page, written, INEXACT[kind], quality=40) == plain
    with pytest.raises(AssertionError, match=r"ImageError.*without loss"):
        encoded(page, written, lossless=True)
