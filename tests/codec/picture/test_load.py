"""Odd files of every kind, in process and through the command line."""

import io
import os
import re

import numpy as np
import pytest
from PIL import Image

from metamer.codec.errors import ImageError
from metamer.codec.picture.load import convert_picture, load_picture
from tests.codec.picture import crafting
from tests.codec.picture.odd_files import ODD, PAGE, PHOTO, Odd, rows, saved
from tests.conftest import run_metamer

UNREADABLE = "needs a package that is not installed"


def options(odd: Odd) -> dict:
    return {
        "first_frame": "--first-frame" in odd.options,
        "icc": "keep" if "keep" in odd.options else "convert",
    }


def compare(image: Image.Image, odd: Odd, beyond: float = 0) -> None:
    """Mode, size and pixels, those under full transparency aside."""
    assert image.mode == odd.mode
    if odd.near is None:
        return
    assert image.size == odd.near.size
    actual, expected = (
        np.asarray(image, int).reshape(*image.size[::-1], -1) for image in (image, odd.near)
    )
    visible = expected[..., -1] > 0 if odd.mode.endswith("A") else np.ones(expected.shape[:2], bool)
    assert np.abs(actual - expected)[visible].mean() <= odd.tolerance + beyond


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: odd.file)
def test_what_is_loaded_of_odd_files(odd):
    data = odd.make()
    if data is None:
        pytest.skip(UNREADABLE)
    if odd.refusal:
        with pytest.raises(ImageError, match=re.escape(odd.refusal)):
            load_picture(io.BytesIO(data), **options(odd))
        return
    loaded = load_picture(io.BytesIO(data), **options(odd))
    image = loaded.image.copy()
    if loaded.transparency is not None:
        image.putalpha(loaded.transparency)
    compare(image, odd)
    assert bool(loaded.icc) == ("keep" in odd.options)


@pytest.mark.parametrize("choice", [(), ("--first-frame",), ("--icc", "keep")], ids=" ".join)
def test_odd_files_through_the_command_line(choice, tmp_path):
    """One run over all of them: what is refused is named, the rest decodes to what it showed."""
    files = {
        f"{number:03}": (odd, odd.make()) for number, odd in enumerate(ODD) if odd.options == choice
    }
    files = {stem: (odd, data) for stem, (odd, data) in files.items() if data is not None}
    for stem, (odd, data) in files.items():
        (tmp_path / f"{stem}{odd.suffix}").write_bytes(data)
    completed = run_metamer(
        "encode", *sorted(tmp_path.iterdir()), *choice, "-q", 95, "-o", f"{tmp_path}/out/"
    )
    stderr = completed.stderr.decode()
    assert (
        completed.returncode == any(odd.refusal for odd, _ in files.values())
        and "Traceback" not in stderr
    )
    for stem, (odd, _) in files.items():
        assert (tmp_path / "out" / f"{stem}.mtm").exists() == (not odd.refusal)
        lines = [line for line in stderr.splitlines() if f"{stem}{odd.suffix}: " in line]
        assert len(lines) == bool(odd.refusal) and all(odd.refusal in line for line in lines)
    completed = run_metamer(
        "decode", *sorted((tmp_path / "out").iterdir()), "-o", f"{tmp_path}/back/"
    )
    assert completed.returncode == 0, completed.stderr.decode()
    for stem, (odd, _) in files.items():
        if not odd.refusal:
            # the hardest there is
            dithered = odd.near is not None and odd.mode == "L" and len(odd.near.getcolors()) == 2
            compare(
                Image.open(tmp_path / "back" / f"{stem}.png"), odd, beyond=30 if dithered else 4
            )


def test_the_page_says_what_is_tested():
    assert len(ODD) >= 40 and len({odd.file for odd in ODD}) == len(ODD)
    assert rows() in PAGE.read_text(), "python -m tests.codec.picture.odd_files"


def test_pictures_are_not_changed_by_taking_them():
    original = PHOTO.copy()
    original.info["comment"] = "mine"
    converted = convert_picture(original)
    assert (
        original.info == {"comment": "mine"}
        and converted.image is not original
        and not converted.image.info
    )


@pytest.mark.parametrize("package, kind", [("pillow_jxl", "JPEG XL"), ("pillow_heif", "HEIC")])
def test_missing_packages_are_named(package, kind, tmp_path):
    """Pillow forgets nothing that a plugin taught it, so another process hides the package."""
    head = b"\xff\x0a" + bytes(30) if kind == "JPEG XL" else b"\0\0\0\x18ftypheic" + bytes(30)
    (tmp_path / "photo").write_bytes(head)
    (tmp_path / f"{package}.py").write_text("raise ImportError")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    completed = run_metamer("encode", tmp_path / "photo", env={**os.environ, "PYTHONPATH": path})
    assert (
        completed.returncode == 1 and f"is {kind}, which the package" in completed.stderr.decode()
    )


@pytest.mark.parametrize(
    "mode, expected_mode",
    [("PA", "RGB"), ("La", "L"), ("RGBa", "RGB"), ("LA", "L"), ("RGBA", "RGB")],
)
def test_modes_with_transparency(mode, expected_mode):
    image = PHOTO.copy()
    image.putalpha(Image.new("L", PHOTO.size, 255))
    image.putpixel((0, 0), (9, 9, 9, 0))
    image = (
        image.convert("P").convert("PA")
        if mode == "PA"
        else image.convert("LA" if mode == "La" else mode).convert(mode)
    )
    if mode == "PA":
        image.putalpha(Image.new("L", PHOTO.size, 40))
    converted = convert_picture(image)
    assert converted.image.mode == expected_mode and converted.transparency.getextrema()[0] < 255


def test_large_pictures_are_refused_by_their_header(tmp_path):
    with pytest.raises(ImageError, match="1536 pixels; at most 1000"):
        load_picture(io.BytesIO(saved(PHOTO, "PNG")), max_pixels=1000)


@pytest.mark.parametrize("begins, kind", [(b"\x89PNG\r\n\x1a\n", "PNG"), (b"GIF89a", "GIF")])
def test_damaged_files_of_a_known_kind_are_distinguished_from_those_of_none(begins, kind):
    with pytest.raises(ImageError, match=f"is a damaged {kind} file"):
        load_picture(io.BytesIO(begins + b"nothing"))


def test_broken_exif_says_nothing_of_how_a_picture_stands():
    for exif in (b"II*\0\xff\xff\xff\xff" + b"?" * 60, b"no EXIF at all", crafting.exif(6)[:16]):
        picture = PHOTO.copy()
        picture.info["exif"] = exif
        assert convert_picture(picture).image == PHOTO
