"""Every output carries what it can; what it cannot is converted or refused."""

import io

import numpy as np
import pytest
from PIL import Image

import metamer
from metamer.codec.errors import ImageError
from metamer.codec.picture.metadata import tiff
from metamer.codec.picture.save import FORMATS, find_format, picture_bytes
from tests.codec.picture.crafting import DISPLAY_P3, grey_profile
from tests.codec.picture.odd_files import GREY, IN_P3, LINEAR_GREY, PHOTO, with_alpha
from tests.conftest import run_metamer

MODES = {"L": GREY, "LA": with_alpha(GREY), "RGB": PHOTO, "RGBA": with_alpha(PHOTO)}


def save_and_open(picture: Image.Image, suffix: str, **options) -> Image.Image:
    reopened = Image.open(io.BytesIO(picture_bytes(picture, find_format(suffix), **options)))
    reopened.load()
    return reopened


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("suffix", sorted(set(FORMATS) - {".jpg", ".jpeg", ".pgm"}))
def test_pixels_survive(mode, suffix):
    if mode.endswith("A") and suffix in (".ppm", ".bmp"):
        with pytest.raises(ImageError, match="transparent"):
            save_and_open(MODES[mode], suffix)
        return
    reopened = save_and_open(MODES[mode], suffix)
    assert reopened.mode == (
        {"L": "RGB", "LA": "RGBA"}.get(mode, mode) if suffix == ".webp" else mode
    )
    assert (np.asarray(reopened.convert("RGBA")) == np.asarray(MODES[mode].convert("RGBA"))).all()


def test_backgrounds():
    for suffix in (".jpg", ".ppm", ".png"):
        reopened = save_and_open(MODES["RGBA"], suffix, background="white")
        expected = Image.alpha_composite(
            Image.new("RGBA", PHOTO.size, "white"), MODES["RGBA"]
        ).convert("RGB")
        assert (
            reopened.mode == "RGB"
            and np.abs(np.asarray(reopened, int) - np.asarray(expected, int)).mean() < 3
        )
    assert save_and_open(MODES["LA"], ".png", background="#888").mode == "L"
    assert save_and_open(MODES["LA"], ".png", background="red").mode == "RGB"
    with pytest.raises(ImageError, match="no colour"):
        save_and_open(MODES["LA"], ".png", background="whitish")


def test_refusals():
    with pytest.raises(ImageError, match="transparent"):
        save_and_open(MODES["RGBA"], ".jpg")
    with pytest.raises(ImageError, match="in colour"):
        save_and_open(PHOTO, ".pgm")
    assert save_and_open(GREY, ".pgm").mode == "L"


def test_colours_are_converted_where_no_profile_can_be_carried():
    for mode, expected in (("RGB", IN_P3), ("RGBA", IN_P3)):
        picture = MODES[mode].copy()
        picture.info["icc_profile"] = DISPLAY_P3
        reopened = (
            save_and_open(picture, ".bmp", background="white")
            if mode == "RGBA"
            else save_and_open(picture, ".ppm")
        )
        if mode == "RGB":
            assert np.abs(np.asarray(reopened, int) - np.asarray(expected, int)).mean() < 2
        assert save_and_open(picture, ".png").info["icc_profile"] == DISPLAY_P3
    picture = LINEAR_GREY.copy()
    picture.info["icc_profile"] = grey_profile(1.0)
    assert save_and_open(picture, ".png").info["icc_profile"] == grey_profile(1.0)
    reopened = save_and_open(picture, ".webp")  # which holds no grey, and so no grey profile
    assert "icc_profile" not in reopened.info
    assert np.abs(np.asarray(reopened.getchannel(0), int) - np.asarray(GREY, int)).mean() < 5


def test_transparent_pictures_through_the_command_line(tmp_path):
    MODES["RGBA"].save(tmp_path / "cut.png")
    assert run_metamer("encode", tmp_path / "cut.png").returncode == 0
    stream = tmp_path / "cut.mtm"
    assert run_metamer("decode", stream, "-o", tmp_path / "back.webp").returncode == 0
    assert (
        Image.open(tmp_path / "back.webp").getchannel("A").tobytes()
        == MODES["RGBA"].getchannel("A").tobytes()
    )
    completed = run_metamer("decode", stream, "-o", tmp_path / "back.jpg")
    assert (
        completed.returncode == 1
        and b"--background" in completed.stderr
        and not (tmp_path / "back.jpg").exists()
    )
    assert (
        run_metamer(
            "decode", stream, "-o", tmp_path / "back.jpg", "--background", "white"
        ).returncode
        == 0
    )
    assert b"alpha" in run_metamer("info", stream).stdout
    assert len(metamer.encode(MODES["RGBA"], alpha_quality=0)) < stream.stat().st_size


def test_what_pillow_cannot_write_is_one_line():
    with pytest.raises(ImageError, match="cannot be written as JPEG"):
        save_and_open(Image.new("L", (65536, 1)), ".jpg")


def test_a_grey_profile_under_transparency_is_converted_for_webp():
    picture = LINEAR_GREY.copy()
    picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    picture.info["icc_profile"] = grey_profile(1.0)
    reopened = save_and_open(picture, ".webp")
    assert reopened.mode == "RGBA" and "icc_profile" not in reopened.info
    assert reopened.getchannel("A").tobytes() == picture.getchannel("A").tobytes()
    visible = reopened.getchannel("A").point(lambda level: 255 * (level > 0))
    difference = np.abs(np.asarray(reopened.getchannel(0), int) - np.asarray(GREY, int))
    assert difference[np.asarray(visible) > 0].mean() < 5


def test_broken_exif_is_left_out_of_a_tiff_and_xmp_stays():
    picture = PHOTO.copy()
    picture.info |= {"exif": b"nonsense", "xmp": b"<x:xmpmeta/>"}
    reopened = save_and_open(picture, ".tiff")
    assert (
        reopened.tag_v2[tiff.XMP] == b"<x:xmpmeta/>"
        and (np.asarray(reopened) == np.asarray(PHOTO)).all()
    )
