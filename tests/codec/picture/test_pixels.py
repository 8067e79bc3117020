"""Pictures in: upright, 8-bit, sRGB, or a clear refusal."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms

from metamer.codec.errors import ImageError
from metamer.codec.picture import pixels


def saved(image: Image.Image, kind: str, **options) -> io.BytesIO:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    buffer.seek(0)
    return buffer


@given(st.integers(1, 70), st.integers(1, 70))
def test_planes_round_trip(width, height):
    pixel = np.random.default_rng(width * 100 + height).integers(
        0, 256, (height, width, 3), dtype=np.uint8
    )
    planes = pixels.to_planes(Image.fromarray(pixel))
    assert planes.shape[2] % 16 == 0 and planes.shape[3] % 16 == 0 and min(planes.shape[2:]) >= 32
    np.testing.assert_array_equal(planes[0, :, -1, -1] * 255, pixel[-1, -1].astype(np.float32))
    np.testing.assert_array_equal(np.asarray(pixels.from_planes(planes, width, height)), pixel)


def test_exif_orientation_is_applied(otters):
    small = otters.resize((64, 36))
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90 degrees to show upright
    assert pixels.read_rgb(saved(small, "PNG", exif=exif)).size == (36, 64)


def test_16_bit_grey_becomes_8():
    deep = Image.fromarray(np.array([[0, 257, 65535]], np.uint16))
    assert np.asarray(pixels.read_rgb(saved(deep, "PNG")))[0, :, 0].tolist() == [0, 1, 255]


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "L"])
def test_a_profile_is_converted_whatever_the_mode(otters, mode):
    linear = ImageCms.ImageCmsProfile(io.BytesIO(linear_profile(mode == "L"))).tobytes()
    small = otters.resize((32, 32)).convert(mode)
    converted = np.asarray(pixels.read_rgb(saved(small, "PNG", icc_profile=linear)), float)
    plain = np.asarray(pixels.to_rgb(small), float)
    assert converted.mean() > plain.mean() + 20  # linear light shown as sRGB is brighter


def linear_profile(grey: bool) -> bytes:
    """A minimal ICC profile with sRGB's primaries (or grey) and linear light."""

    def fixed(value: float) -> bytes:
        return round(value * 65536).to_bytes(4, "big", signed=True)

    def xyz(*values: float) -> bytes:
        return b"XYZ \0\0\0\0" + b"".join(map(fixed, values))

    curve = b"curv\0\0\0\0\0\0\0\0"
    tags = {b"wtpt": xyz(0.9642, 1.0, 0.8249)}
    if grey:
        tags |= {b"kTRC": curve}
    else:
        primaries = ((0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141))
        for name, values in zip((b"r", b"g", b"b"), primaries, strict=True):
            tags |= {name + b"XYZ": xyz(*values), name + b"TRC": curve}
    table, body, start = len(tags).to_bytes(4, "big"), b"", 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        table += name + (start + len(body)).to_bytes(4, "big") + len(data).to_bytes(4, "big")
        body += data
    head = (
        bytes(4)
        + b"lcms"
        + bytes([2, 0x10, 0, 0])
        + b"mntr"
        + (b"GRAY" if grey else b"RGB ")
        + b"XYZ "
    )
    head = head.ljust(36, b"\0") + b"acsp" + bytes(28) + fixed(0.9642) + fixed(1.0) + fixed(0.8249)
    head = head.ljust(128, b"\0")
    profile = head + table + body
    return len(profile).to_bytes(4, "big") + profile[4:]


def test_metadata_does_not_travel_on(otters):
    same = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert pixels.read_rgb(saved(otters.resize((32, 32)), "PNG", icc_profile=same)).info == {}


def test_the_first_picture_of_an_mpo_is_loaded(otters):
    """What many cameras write: a JPEG with its preview behind it."""
    small = otters.resize((64, 48))
    file = saved(small, "MPO", save_all=True, append_images=[small.resize((16, 12))])
    assert pixels.read_rgb(file).size == (64, 48)


def test_embedded_profile_of_srgb_changes_nothing(otters):
    small = otters.resize((32, 32))
    same = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    difference = np.abs(
        np.asarray(pixels.read_rgb(saved(small, "PNG", icc_profile=same)), int) - np.asarray(small)
    ).max()
    assert difference <= 1
    broken = pixels.read_rgb(saved(small, "PNG", icc_profile=b"not a profile"))
    np.testing.assert_array_equal(np.asarray(broken), np.asarray(small))


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "RGBA", "LA", "YCbCr"])
def test_opaque_modes_are_converted(otters, mode):
    assert pixels.to_rgb(otters.resize((40, 20)).convert(mode)).mode == "RGB"


def test_refusals():
    with pytest.raises(ImageError, match="transparent"):
        pixels.to_rgb(Image.new("RGBA", (8, 8), (1, 2, 3, 128)))
    with pytest.raises(ImageError, match="frames"):
        frames = [Image.new("L", (8, 8), level) for level in (0, 255)]
        pixels.read_rgb(saved(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    with pytest.raises(ImageError, match="floating"):
        pixels.to_rgb(Image.new("F", (8, 8)))
    with pytest.raises(ImageError, match="not a picture"):
        pixels.read_rgb(io.BytesIO(b"hello"))


def test_truncated_picture(otters, tmp_path):
    data = saved(otters, "PNG").getvalue()
    (tmp_path / "half.png").write_bytes(data[: len(data) // 2])
    with pytest.raises(ImageError, match="truncated"):
        pixels.read_rgb(tmp_path / "half.png")
    with pytest.raises(ImageError, match="does not exist"):
        pixels.read_rgb(tmp_path / "absent.png")
    with pytest.raises(ImageError, match="folder"):
        pixels.read_rgb(tmp_path)
