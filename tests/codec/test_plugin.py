"""Metamer through Pillow and imageio, as their users write it."""

import io
import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest
from PIL import Image

import metamer
import metamer.codec.plugin
from metamer.codec import decode as decoding
from tests.conftest import ROOT


@pytest.fixture
def crop(otters):
    return otters.crop((200, 100, 296, 164))


@pytest.fixture
def path(crop, tmp_path):
    crop.save(tmp_path / "a.mtm", quality=40)
    return tmp_path / "a.mtm"


def test_saved_and_opened(crop, path):
    assert path.read_bytes() == metamer.encode(crop, 40)
    with Image.open(path) as picture:
        assert (picture.size, picture.mode, picture.format) == ((96, 64), "RGB", "MTM")
        assert picture.get_format_mimetype() == "image/x-metamer"
        np.testing.assert_array_equal(np.asarray(picture), np.asarray(metamer.decode(path)))
        assert picture.format == "MTM" and picture.load()[0, 0] == picture.getpixel((0, 0))


@pytest.mark.parametrize(
    "options", [{"bpp": 0.9}, {"max_bytes": 700}, {"model": "perceptual", "quality": 20}, {}]
)
def test_options_are_those_of_encode(crop, options):
    file = io.BytesIO()
    # what other formats know is passed over, as Pillow's own do
    crop.save(file, "MTM", optimize=True, **options)
    assert file.getvalue() == metamer.encode(crop, **options)


def test_pixels_are_decoded_when_used_and_once(path, monkeypatch):
    calls, decode = [], decoding.decode
    monkeypatch.setattr(decoding, "decode", lambda data: calls.append(1) or decode(data))
    picture = Image.open(path)
    assert not calls
    copy = picture.resize((48, 32))
    picture.load()
    assert len(calls) == 1 and copy.size == (48, 32) and picture.fp is None
    assert pickle.loads(pickle.dumps(picture)).tobytes() == picture.tobytes()


def test_no_file_is_left_open(path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Image.open(path).load()
        Image.open(path).verify()
        with Image.open(path):
            pass
    picture = Image.open(path)
    picture.close()
    with pytest.raises(ValueError, match="closed"):
        picture.load()
    picture = Image.open(path)
    picture.verify()
    with pytest.raises(ValueError, match="the file is closed"):
        picture.verify()


def test_files_of_others_stay_theirs(path):
    data = path.read_bytes()
    # MultiTracker modules begin alike
    music, flagged = b"MTM\x10" + data[4:], data[:9] + b"\xff" + data[10:]
    for contents in (b"", b"MT", b"MTM", data[:17], music, data[:3] + b"\0" + data[4:], flagged):
        with pytest.raises(Image.UnidentifiedImageError):
            Image.open(io.BytesIO(contents))


def test_damage_is_an_oserror(path):
    data = path.read_bytes()
    for damaged in (data[:-1], data[:40] + bytes([data[40] ^ 1]) + data[41:]):
        picture = Image.open(io.BytesIO(damaged))
        with pytest.raises(OSError, match="checksum"):
            picture.load()
        with pytest.raises(OSError, match="checksum"):
            Image.open(io.BytesIO(damaged)).verify()
    Image.open(io.BytesIO(data)).verify()


def test_what_cannot_be_encoded(tmp_path):
    with pytest.raises(OSError, match="cannot write as Metamer: the picture holds floating-point"):
        Image.new("F", (8, 8)).save(tmp_path / "a.mtm")
    with pytest.raises(OSError, match="cannot write as Metamer: no model 'absent'"):
        Image.new("RGB", (8, 8)).save(tmp_path / "a.mtm", model="absent")
    with pytest.raises(ValueError, match="quality"):
        Image.new("RGB", (8, 8)).save(tmp_path / "a.mtm", quality=101)
    assert not list(tmp_path.iterdir())


def test_opening_loads_no_runtime(path):
    script = """
import sys
for name in ("torch", "onnxruntime", "constriction"):
    sys.modules[name] = None  # importing it raises ImportError
import metamer.codec.plugin
from PIL import Image
assert Image.open(sys.argv[1]).size == (96, 64)
"""
    completed = subprocess.run([sys.executable, "-c", script, path], capture_output=True, cwd=ROOT)
    assert completed.returncode == 0, completed.stderr.decode()


def test_imageio(path, crop, tmp_path):
    imageio = pytest.importorskip("imageio.v3")
    np.testing.assert_array_equal(imageio.imread(path), np.asarray(metamer.decode(path)))
    imageio.imwrite(tmp_path / "b.mtm", np.asarray(crop), quality=40)
    assert (tmp_path / "b.mtm").read_bytes() == path.read_bytes()
    assert imageio.improps(path).shape == (64, 96, 3)


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA"])
def test_modes_are_known_before_pixels(mode, otters, tmp_path):
    picture = otters.crop((0, 0, 64, 48)).convert(mode)
    if "A" in mode:
        picture.putalpha(Image.linear_gradient("L").resize((64, 48)))
    picture.save(tmp_path / "a.mtm", icc="keep")
    opened = Image.open(tmp_path / "a.mtm")
    assert (opened.mode, opened.size) == (mode, (64, 48))
    opened.load()
    assert opened.mode == mode and opened.tobytes() == metamer.decode(tmp_path / "a.mtm").tobytes()


def test_metadata_travel(otters, tmp_path):
    picture = otters.crop((0, 0, 64, 48))
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    picture.info["exif"] = exif.tobytes()
    picture.save(tmp_path / "a.mtm")
    opened = Image.open(tmp_path / "a.mtm")
    opened.load()
    assert opened.getexif()[0x010F] == "Maker"
