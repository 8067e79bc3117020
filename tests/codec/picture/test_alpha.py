"""Transparency: exact, small, and safe to read."""

import contextlib
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageDraw, ImageFilter

import metamer
from metamer.codec.errors import StreamError
from metamer.codec.grid import Box
from metamer.codec.picture import alpha

planes = st.tuples(st.integers(1, 24), st.integers(1, 24)).flatmap(
    lambda shape: arrays(np.uint8, shape)
)


def full_box(plane: np.ndarray) -> Box:
    return Box(0, 0, *plane.shape)


@given(planes)
def test_round_trip(plane):
    body = alpha.encode_alpha(Image.fromarray(plane))
    assert (
        np.asarray(alpha.decode_alpha(body, *plane.shape[::-1], full_box(plane))) == plane
    ).all()


def test_large_planes_are_coded_without_trying_everything(monkeypatch, rng):
    plane = np.cumsum(rng.integers(0, 3, (30, 40), dtype=np.uint8), axis=1, dtype=np.uint8)
    thorough, efforts, before = alpha.encode_alpha(Image.fromarray(plane)), [], alpha._vp8l
    monkeypatch.setattr(alpha, "EXHAUSTIVE_UP_TO", plane.size - 1)
    monkeypatch.setattr(
        alpha, "_vp8l", lambda levels, effort: efforts.append(effort) or before(levels, effort)
    )
    body = alpha.encode_alpha(Image.fromarray(plane))
    assert (np.asarray(alpha.decode_alpha(body, 40, 30, full_box(plane))) == plane).all()
    assert len(body) >= len(thorough) and alpha.EXHAUSTIVE not in efforts


@given(planes, st.sampled_from([alpha.NONE, alpha.HORIZONTAL, alpha.VERTICAL, alpha.GRADIENT]))
def test_filters_are_undone(plane, kind):
    assert (alpha._unfilter(alpha._filter(plane, kind), kind) == plane).all()


def test_tiles_and_regions(rng, monkeypatch):
    monkeypatch.setattr(alpha, "TILE", 16)
    plane = rng.integers(0, 256, (40, 50), dtype=np.uint8)
    body = alpha.encode_alpha(Image.fromarray(plane))
    assert (np.asarray(alpha.decode_alpha(body, 50, 40, full_box(plane))) == plane).all()
    for region in (Box(0, 0, 1, 1), Box(15, 15, 33, 17), Box(20, 40, 40, 50)):
        decoded = np.asarray(alpha.decode_alpha(body, 50, 40, region))
        assert (decoded == plane[region.top : region.bottom, region.left : region.right]).all()


def longer(body: bytes) -> bytes:
    """The same with a byte more in the first tile's length than it needs."""
    place = next(place for place, byte in enumerate(body) if byte < 0x80)
    return body[:place] + bytes([body[place] | 0x80, 0]) + body[place + 1 :]


@pytest.mark.parametrize(
    "change, reason",
    [
        (longer, "more bytes than it needs"),
        (lambda body: b"\xff" * 5 + body, "no end"),
        (lambda body: b"", "ends early"),
        (lambda body: body[:-1], "ends early"),
        (lambda body: body + b"\0", "follows"),
        (lambda body: b"\0", "unknown form"),
        (lambda body: b"\x01\0", "unknown form"),
        (lambda body: b"\x02\4\0", "unknown form"),
        (lambda body: b"\x02\3\0", "cannot be decoded"),
    ],
)
def test_reasons_are_reported(change, reason):
    body = alpha.encode_alpha(Image.radial_gradient("L").resize((20, 12)))
    with pytest.raises(StreamError, match=reason):
        alpha.decode_alpha(change(body), 20, 12, Box(0, 0, 12, 20))


@given(st.binary(max_size=80))
def test_hostile_bodies(body):
    with contextlib.suppress(StreamError):
        assert alpha.decode_alpha(body, 9, 5, Box(0, 0, 5, 9)).size == (9, 5)


@given(st.data())
def test_damaged_bodies(data):
    body = bytearray(alpha.encode_alpha(Image.radial_gradient("L").resize((20, 12))))
    place = data.draw(st.integers(0, len(body) - 1))
    body[place] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(StreamError):
        assert alpha.decode_alpha(bytes(body), 20, 12, Box(0, 0, 12, 20)).size == (20, 12)


def cut_out(size: tuple[int, int], soft: float) -> Image.Image:
    mask = Image.new("L", (2 * size[0], 2 * size[1]))
    draw = ImageDraw.Draw(mask)
    draw.ellipse((size[0] * 0.4, size[1] * 0.3, size[0] * 1.5, size[1] * 1.7), fill=255)
    draw.polygon([(size[0], 0), (size[0] * 1.9, size[1]), (size[0] * 1.2, size[1] * 1.2)], fill=255)
    return mask.resize(size, Image.Resampling.LANCZOS).filter(ImageFilter.GaussianBlur(soft))


@pytest.mark.parametrize("soft", [0, 1, 4])
def test_a_cut_out_costs_no_more_than_in_lossless_webp(otters, soft):
    """Against the file with transparency less the file without, and against the ALPH chunk of a
    lossy one.
    """
    picture = otters.resize((184, 104))
    mask = cut_out(picture.size, soft)
    shaped = picture.copy()
    shaped.putalpha(mask)

    def webp(image: Image.Image, **options) -> bytes:
        buffer = io.BytesIO()
        image.save(buffer, "WEBP", method=6, **options)
        return buffer.getvalue()

    alpha_bytes = metamer.info(metamer.encode(shaped)).sections["alpha"]
    lossless = len(webp(shaped, lossless=True, quality=75, exact=True)) - len(
        webp(picture, lossless=True, quality=75)
    )
    lossy = webp(shaped, quality=10, alpha_quality=100)
    chunk = lossy.index(b"ALPH")
    assert alpha_bytes <= lossless
    assert alpha_bytes <= int.from_bytes(lossy[chunk + 4 : chunk + 8], "little") * 1.01 + 4


def test_what_is_invisible_costs_little(otters, rng):
    picture = otters.crop((200, 60, 456, 252))
    mask = cut_out(picture.size, 1)
    hidden = np.asarray(mask) == 0
    noisy = np.asarray(picture).copy()
    noisy[hidden] = rng.integers(0, 256, (hidden.sum(), 3))
    noisy = Image.fromarray(noisy)
    plain = len(metamer.encode(picture, 60))
    for shaped in (picture.copy(), noisy):
        shaped.putalpha(mask)
        data = metamer.encode(shaped, 60)
        coded = len(data) - metamer.info(data).sections["alpha"]
        assert coded < plain * (1 - 0.6 * hidden.mean())
        decoded = np.asarray(metamer.decode(data))
        assert (decoded[..., 3] == np.asarray(mask)).all()
        error = (decoded[..., :3].astype(float) - np.asarray(picture))[~hidden]
        assert -10 * np.log10(np.square(error).mean() / 255**2) > 30


def test_filling_keeps_what_is_visible():
    picture = Image.effect_noise((37, 23), 60)
    mask = cut_out(picture.size, 0)
    filled = alpha.fill_transparent(picture, mask)
    assert (
        filled.mode == "L"
        and (np.asarray(filled) == np.asarray(picture))[np.asarray(mask) > 0].all()
    )
    assert alpha.fill_transparent(picture, Image.new("L", picture.size)).getextrema() == (128, 128)


def test_fewer_levels():
    ramp = Image.linear_gradient("L")
    for quality, levels in ((0, 2), (50, 12), (70, 16), (90, 176)):
        quantised = alpha.quantise_alpha(ramp, quality)
        assert len(quantised.getcolors()) <= levels and quantised.getextrema() == (0, 255)
    assert alpha.quantise_alpha(ramp, 100) == ramp
    two_levels = ramp.point(lambda level: level // 128 * 255)
    assert alpha.quantise_alpha(two_levels, 0) == two_levels
