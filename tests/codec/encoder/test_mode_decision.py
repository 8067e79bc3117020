"""Drawings, text and noise: kept without loss where that is the better trade, never absurd, and
photographs as ever.
"""

import importlib.util
import io
import json
import math
import zlib

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

import metamer
from metamer.codec.encoder.mode_decision import choice, fidelity
from metamer.codec.encoder.mode_decision.screening import Screening
from metamer.codec.encoder.tiled_picture import Tile
from metamer.codec.errors import ImageError, StreamError
from metamer.codec.format import container, limits
from metamer.codec.format.container import Kind, Section
from metamer.codec.grid import Box
from metamer.codec.options import quality_index
from metamer.codec.stream import overlays
from metamer.codec.stream.overlays import Form, Overlay
from tests.conftest import ROOT, inside, run_metamer

HEADER = 18 + 12  # bytes: of the file, and of a section with form, length and checksum


def webp(picture: Image.Image) -> int:
    """Bytes of a lossless WebP file, as Pillow saves it."""
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", lossless=True)
    return len(buffer.getvalue())


def psnr(original: Image.Image, decoded: Image.Image) -> float:
    error = np.square(np.asarray(original, float) - np.asarray(decoded, float)).mean()
    return -10 * math.log10(error / 255**2) if error else math.inf


def text(width: int, height: int, aliased: bool = False) -> Image.Image:
    page = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(page)
    draw.fontmode = "1" if aliased else "L"
    line = "A page of text, as screenshots and scans have it. " * (1 + width // 300)
    for top in range(4, height - 14, 17):
        draw.text((5 - top % 7, top), line, "black", ImageFont.load_default(13))
    return page


def checkerboard() -> Image.Image:
    rows, columns = np.mgrid[0:128, 0:128]
    return Image.fromarray(((rows + columns) % 2 * 255).astype(np.uint8)).convert("RGB")


def noise(height: int, width: int) -> Image.Image:
    return Image.fromarray(
        np.random.default_rng(3).normal(128, 25, (height, width, 3)).clip(0, 255).astype(np.uint8)
    )


def page_with(photograph: Image.Image) -> Image.Image:
    page = text(320, 240)
    page.paste(photograph.resize((184, 104), Image.Resampling.LANCZOS), (120, 60))
    return page


@pytest.fixture(scope="module")
def two_tiles(otters) -> Image.Image:
    """A tile of text, and one of a photograph beside it."""
    picture = text(1200, 96)
    picture.paste(otters.crop((230, 110, 406, 206)), (1024, 0))
    return picture


@pytest.mark.parametrize("tile", [False, True])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_lossless_keeps_every_visible_pixel_and_needs_no_model(otters, mode, tile, monkeypatch):
    picture = otters.crop((100, 50, 220, 130)).convert(mode)
    if mode == "RGBA":
        picture.putalpha(
            Image.linear_gradient("L")
            .resize(picture.size)
            .point(lambda level: max(0, 2 * level - 200))
        )
    data = metamer.encode(picture, lossless=True, tile=tile)
    monkeypatch.setattr("metamer.codec.decode.model_of", None)
    decoded = metamer.decode(data)
    assert decoded.mode == mode and container.read_header(data).model_id == container.NO_MODEL
    visible = np.asarray(picture.getchannel("A")) > 0 if mode == "RGBA" else ...
    assert (np.asarray(decoded)[visible] == np.asarray(picture)[visible]).all()
    if mode == "RGBA":
        assert (np.asarray(decoded)[..., 3] == np.asarray(picture)[..., 3]).all()
    info = metamer.info(data)
    assert (
        info.lossless
        and info.forms == {"lossless": 1}
        and info.quality == 100
        and info.model is None
    )
    assert len(data) <= webp(picture) + HEADER


def test_lossless_beyond_the_sides_of_webp():
    strip = Image.fromarray(np.random.default_rng(4).integers(0, 256, (1, 16400), dtype=np.uint8))
    data = metamer.encode(strip, lossless=True)
    assert metamer.decode(data) == strip and metamer.info(data).tiles == 17
    assert metamer.decode(data, region=(16380, 0, 20, 1)) == strip.crop((16380, 0, 16400, 1))


def test_one_colour_is_no_trap():
    """Few bytes may declare many pixels where they need no network."""
    data = metamer.encode(Image.new("RGB", (2048, 2048), (34, 120, 200)), lossless=True)
    assert 2**22 / limits.PIXELS_A_BYTE_OVERLAID < len(data) < 2**22 / limits.PIXELS_A_BYTE
    assert metamer.decode(data).getcolors() == [(2**22, (34, 120, 200))]


def test_lossless_excludes_limits():
    for options in ({"bpp": 1.0}, {"max_bytes": 1000}):
        with pytest.raises(ValueError, match="give one of"):
            metamer.encode(Image.new("RGB", (9, 9)), lossless=True, **options)


@pytest.mark.parametrize("quality", [10, 50, 100])
@pytest.mark.parametrize("kind", ["checkerboard", "aliased text", "gradient", "strip of noise"])
def test_nothing_is_larger_than_lossless_webp(kind, quality):
    picture = {
        "checkerboard": checkerboard,
        "aliased text": lambda: text(200, 100, True),
        "gradient": lambda: Image.linear_gradient("L").convert("RGB"),
        "strip of noise": lambda: noise(500, 2),
    }[kind]()
    data = metamer.encode(picture, quality)
    assert len(data) <= webp(picture) + HEADER
    if len(metamer.encode(picture, quality, lossless=False)) >= len(
        metamer.encode(picture, lossless=True)
    ):
        assert metamer.decode(data) == picture


@pytest.mark.parametrize("quality", [60, 90, 100])
def test_a_floor_under_quality(quality):
    picture = noise(80, 96)
    index = quality_index(quality)
    floor = -10 * math.log10(fidelity.allowed_error("base", index) / 255**2)
    assert psnr(picture, metamer.decode(metamer.encode(picture, quality, lossless=False))) < floor
    data = metamer.encode(picture, quality)
    assert psnr(picture, metamer.decode(data)) >= floor - 0.1 and len(data) < len(
        metamer.encode(picture, lossless=True)
    )
    assert metamer.info(data).forms == {"residual": 1}


def test_promises_rise_with_quality_and_are_those_of_photographs(otters):
    assert fidelity.allowed_error("base", quality_index(59)) is None
    limits = [
        fidelity.allowed_error(model, index)
        for model in ("base", "one of mine")
        for index in range(153, 256)
    ]
    assert all(limits) and sorted(limits[:103], reverse=True) == limits[:103]
    for quality in (60, 90):
        error = 255**2 * 10 ** (-psnr(otters, metamer.decode(metamer.encode(otters, quality))) / 10)
        index = quality_index(quality)
        assert (
            fidelity.allowed_error("base", index) / 10
            < error
            < fidelity.allowed_error("base", index)
        )
    assert all(fidelity.error_price("base", index) > 0 for index in range(256))


@pytest.mark.parametrize("quality", [5, 50, 90])
def test_photographs_are_the_networks_alone(otters, quality):
    for picture in (otters, otters.convert("L").crop((200, 90, 350, 200))):
        data = metamer.encode(picture, quality)
        assert data == metamer.encode(picture, quality, lossless=False) and metamer.info(
            data
        ).forms == {"networks": 1}


def test_a_photograph_in_a_page_of_text(otters):
    page = page_with(otters)
    data, networks = metamer.encode(page, 50), metamer.encode(page, 50, lossless=False)
    assert metamer.info(data).forms == {"blocks": 1} and len(data) < len(
        metamer.encode(page, lossless=True)
    )
    decoded, place = metamer.decode(data), (0, 180, 320, 240)
    assert decoded.crop(place) == page.crop(place)
    photograph = page.crop((128, 64, 296, 160))
    psnr_of_ours, psnr_of_webp = (
        psnr(photograph, picture.crop((128, 64, 296, 160)))
        for picture in (decoded, metamer.decode(networks))
    )
    assert psnr_of_ours > psnr_of_webp - 1
    assert psnr(page, decoded) > psnr(page, metamer.decode(networks)) + 3
    region = (100, 50, 90, 77)
    part = np.asarray(metamer.decode(data, region=region), int)
    assert np.abs(part - np.asarray(decoded.crop((100, 50, 190, 127)), int)).max() <= 1
    assert metamer.decode(data, preview=True).crop(place) == page.crop(place)
    assert metamer.decode(data, realism=1.0).crop(place) == page.crop(place)


def test_tiles_choose_apart(two_tiles, monkeypatch):
    data = metamer.encode(two_tiles, 50, tile=True)
    assert (
        metamer.info(data).forms == {"lossless": 1, "networks": 1}
        and not metamer.info(data).lossless
    )
    decoded = metamer.decode(data)
    assert decoded.crop((0, 0, 1024, 96)) == two_tiles.crop((0, 0, 1024, 96))
    assert 28 < psnr(two_tiles.crop((1024, 0, 1200, 96)), decoded.crop((1024, 0, 1200, 96))) < 60
    assert metamer.decode_latents(data)[:, :64].any() == 0
    monkeypatch.setattr("metamer.codec.decode.model_of", None)  # what no network shows needs none
    assert metamer.decode(data, region=(300, 10, 724, 80)) == two_tiles.crop((300, 10, 1024, 90))


def test_salvage(two_tiles, otters):
    data = metamer.encode(two_tiles, 50, tile=True)
    assert metamer.rescue(data).damage == () and metamer.rescue(data).picture == metamer.decode(
        data
    )
    rescued = metamer.rescue(data[:-30])  # the overlay is the last section
    assert rescued.lost == ((0, 0, 1024, 96),) and rescued.picture.getpixel((3, 40)) in (
        (128, 128, 128),
        (96, 96, 96),
    )
    assert rescued.picture.crop((1100, 0, 1200, 96)) == metamer.decode(data).crop(
        (1100, 0, 1200, 96)
    )
    data = metamer.encode(page_with(otters), 50)
    rescued = metamer.rescue(data[:-30])  # the photograph is whole, and smooth where text was
    assert (
        rescued.lost == () and "cut off" in rescued.damage[0] and rescued.picture.size == (320, 240)
    )
    with pytest.raises(StreamError, match="nothing of it"):
        metamer.rescue(metamer.encode(text(200, 50), lossless=True)[:-30])
    header, (section,) = container.unpack(metamer.encode(text(200, 50), lossless=True))
    broken = container.pack(header, [Section(Kind.OVERLAY, section.body[:20])])
    with pytest.raises(StreamError, match="lossless data"):
        metamer.decode(broken)
    assert metamer.rescue(broken).lost == ((0, 0, 200, 50),)


def test_best_within_a_size_may_be_lossless(otters):
    page, photograph = text(200, 100), otters.crop((200, 100, 300, 180))
    exact = metamer.encode(page, lossless=True)
    assert metamer.encode(page, max_bytes=len(exact)) == exact
    assert metamer.encode(page, max_bytes=1 << 20) == exact
    with pytest.raises(ImageError, match=f"needs at least {len(exact)} bytes"):
        metamer.encode(page, max_bytes=len(exact) - 1)
    assert metamer.info(metamer.encode(photograph, max_bytes=2000)).forms == {"networks": 1}


def test_damaged_overlays(two_tiles):
    header, sections = container.unpack(metamer.encode(two_tiles, 50, tile=True))
    with pytest.raises(StreamError, match="overlays are out of order"):
        metamer.decode(container.pack(header, [*sections, sections[-1]]))
    section = sections[-1].body
    for body, reason in (
        (b"\0\0\x07data", "unknown form"),
        (b"\0\0\3\1data", "steps of 1"),
        (b"\0", "short"),
        (b"\0\0\2\3abcdata", "decompressed"),
        (b"\0\0\2\x09" + zlib.compress(b"\0") + b"data", "as many"),
        (b"\x09\0" + section[2:], "tile 9"),
        (b"\1\0" + section[2:], "tiles"),
        (b"\0\0\1" + section[3:], "transparency"),
    ):
        data = container.pack(header, [*sections[:-1], Section(Kind.OVERLAY, body)])
        with pytest.raises(StreamError, match=reason):
            metamer.decode(data)
        assert metamer.rescue(data).damage


@pytest.mark.parametrize("form", list(Form))
def test_overlays_survive_packing(form, rng):
    blocks = rng.random((3, 5)) < 0.5 if form == Form.BLOCKS else None
    overlay = Overlay(form, b"some data", 9 if form == Form.RESIDUAL else 0, blocks)
    parsed = overlays.parse_overlay(overlay.pack(), 77, 48)
    assert (parsed.form, parsed.data, parsed.step) == (form, b"some data", overlay.step)
    assert (parsed.blocks is None) == (blocks is None) and (
        blocks is None or (parsed.blocks == blocks).all()
    )


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_residuals_come_within_half_a_step(mode, rng):
    original, base = (noise(40, 60).convert(mode) for _ in range(2))
    flipped = np.asarray(base.transpose(Image.Transpose.FLIP_TOP_BOTTOM))
    tile = Tile(original, None, Box(0, 0, 40, 60))
    overlay = tile.residual(flipped, 20.0)
    picture = Image.fromarray(flipped)
    overlays.paint_overlay(overlay, Box(0, 0, 40, 60), Box(0, 0, 40, 60), picture, None)
    error = np.abs(np.asarray(picture, int) - np.asarray(original, int))
    assert (
        12 <= overlay.step <= 18
        and error.max() <= overlay.step / 2
        and 12 < np.square(error).mean() <= 20
    )


def test_what_is_drawn_is_seen(otters):
    page = np.asarray(page_with(otters))
    mask = Screening(lambda: page).drawn
    assert mask[12:, :].mean() > 0.9 and not mask[5:9, 9:18].any()
    for pixels in (
        np.asarray(otters),
        np.asarray(noise(64, 2)),
        np.full((40, 40, 3), 7, np.uint8),
        np.zeros((1, 1), np.uint8),
    ):
        screening = Screening(lambda pixels=pixels: pixels)
        assert (
            not screening.drawn.any()
            and np.isfinite([screening.finest, screening.lossless_bits]).all()
        )
    squares = np.random.default_rng(5).choice([40, 200], (16, 16, 3)).astype(np.uint8)
    colours = Image.fromarray(squares.repeat(4, 0).repeat(4, 1))
    patchy = [
        Screening(lambda picture=picture: np.asarray(picture)).patchy
        for picture in (colours, otters)
    ]
    assert patchy[0] > choice.PATCHY > 2 * patchy[1]
    finest = [
        Screening(lambda picture=picture: np.asarray(picture)).finest
        for picture in (checkerboard(), otters)
    ]
    assert finest[0] > 1e4 > choice.FINE > finest[1]


def test_command_and_plugin(tmp_path):
    import metamer.codec.plugin

    picture = text(120, 60)
    picture.putalpha(
        Image.linear_gradient("L").resize(picture.size).point(lambda level: max(0, 2 * level - 150))
    )
    picture.save(tmp_path / "one.png")
    assert inside("encode", tmp_path / "one.png", "--lossless").returncode == 0
    assert b"lossless, format 2" in inside("info", tmp_path / "one.mtm").stdout
    with Image.open(tmp_path / "one.mtm") as opened:
        assert (
            opened.mode == "RGBA"
            and (np.asarray(opened)[..., 3] == np.asarray(picture)[..., 3]).all()
        )
    text(120, 60).save(tmp_path / "two.mtm", quality=50, lossless=True)
    assert metamer.decode(tmp_path / "two.mtm") == text(120, 60)
    completed = run_metamer("encode", tmp_path / "one.png", "--lossless", "-q", "40")
    assert completed.returncode == 2 and b"give one of" in completed.stderr


def test_the_page_of_drawings_is_its_generators():
    spec = importlib.util.spec_from_file_location(
        "drawings", ROOT / "research" / "benchmarks" / "drawings.py"
    )
    drawings = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(drawings)
    results = json.loads(drawings.RESULTS.read_text())
    assert drawings.page(results) == drawings.PAGE.read_text() and len(results["rows"]) >= 30
    for row in results["rows"]:
        for quality in map(str, drawings.QUALITIES):
            assert row[quality]["Metamer"][0] <= min(
                row["lossless"]["Metamer"], row["lossless"]["WebP"] + HEADER
            ), row["name"]
