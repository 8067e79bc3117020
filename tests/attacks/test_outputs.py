"""What a hostile `.mtm` file says of its picture, into every output: it opens again, and its pixels
are those decoded.
"""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from metamer.codec.errors import ImageError
from metamer.codec.picture.colour import conversion
from metamer.codec.picture.metadata import exif
from metamer.codec.picture.save import JPEG, TIFF, find_format, picture_bytes
from tests.codec.picture import crafting
from tests.codec.picture.crafting import DISPLAY_P3, grey_profile
from tests.codec.picture.odd_files import GREY, PHOTO, with_alpha
from tests.conftest import run_metamer

PICTURES = {"L": GREY, "LA": with_alpha(GREY), "RGB": PHOTO, "RGBA": with_alpha(PHOTO)}
NUMBERS = (0, 1, 7, 5_000_000, 0xFFFFFFFF)
# of a TIFF's picture, not of a photograph; alone any of them made the file unreadable, cropped it
# or said another size
HARMFUL = (
    0xFE,
    0x100,
    0x101,
    0x102,
    0x103,
    0x106,
    0x10A,
    0x111,
    0x112,
    0x115,
    0x116,
    0x117,
    0x11C,
    0x122,
    0x128,
    0x13D,
    0x140,
    0x142,
    0x144,
    0x152,
    0x153,
    0x15B,
    0x211,
    0x8769,
    0x8825,
    0xA005,
)


def exif_with(*entries: tuple[int, int, int, bytes], order: str = "<") -> bytes:
    """EXIF of one directory: (tag, type, number of values, the four bytes of value or place)."""
    rows = b"".join(struct.pack(f"{order}2HI", *entry[:3]) + entry[3] for entry in entries)
    return (
        struct.pack(f"{order}2sHIH", b"II" if order == "<" else b"MM", 42, 8, len(entries))
        + rows
        + bytes(4)
    )


def number(tag: int, kind: int, value: int, order: str = "<") -> tuple[int, int, int, bytes]:
    code = {1: "B3x", 3: "H2x", 4: "I"}[kind]
    return (
        tag,
        kind,
        1,
        struct.pack(f"{order}{code}", value & {1: 0xFF, 3: 0xFFFF, 4: 0xFFFFFFFF}[kind]),
    )


def reopened(picture: Image.Image, suffix: str, info: dict[str, bytes], **options) -> Image.Image:
    """What is written of ``picture``, read again; its pixels are compared with the file that says
    nothing.
    """
    source = picture.copy()
    source.info = dict(info)
    written = []
    for copy in (source, picture):
        data = picture_bytes(
            copy,
            find_format(suffix),
            "white" if suffix in (".jpg", ".bmp", ".ppm") else None,
            **options,
        )
        reopened = Image.open(io.BytesIO(data))
        reopened.load()
        written.append(reopened)
    assert written[0].mode == written[1].mode and written[0].size == picture.size
    if "icc_profile" not in info:
        assert written[0].tobytes() == written[1].tobytes()
    if suffix not in (".jpg", ".bmp", ".ppm") and "icc_profile" not in info:
        assert np.array_equal(
            np.asarray(written[0].convert("RGBA")), np.asarray(picture.convert("RGBA"))
        )
    assert getattr(written[0], "n_frames", 1) == 1
    return written[0]


@pytest.mark.parametrize("suffix", [".tif", ".png", ".jpg", ".webp", ".bmp", ".ppm"])
@pytest.mark.parametrize("kind", [1, 3, 4])
def test_no_tag_of_exif_changes_a_picture(suffix, kind):
    for tag in HARMFUL:
        for value in NUMBERS:
            reopened(PHOTO, suffix, {"exif": exif_with(number(tag, kind, value))})


@pytest.mark.parametrize("mode", PICTURES)
def test_what_a_camera_writes_of_its_own_file_stays_out_of_a_tiff(mode):
    """ImageWidth, ImageLength, strips and compression, as many cameras have them in the EXIF of a
    JPEG.
    """
    camera = exif_with(
        number(0x100, 3, 6000),
        number(0x101, 3, 4000),
        (0x102, 3, 3, struct.pack("<I", 8)),
        number(0x103, 3, 6),
        number(0x106, 3, 6),
        number(0x112, 3, 6),
        number(0x115, 3, 3),
    )
    reopened_picture = reopened(PICTURES[mode], ".tiff", {"exif": camera})
    assert reopened_picture.mode == mode and reopened_picture.getexif().get(0x112, 1) == 1


@pytest.mark.parametrize("tag, value", [(0x101, 5_000_000), (0x101, 0xFFFFFFFF), (0x116, 0)])
def test_a_few_bytes_take_no_memory_and_no_division_by_zero(tag, value):
    picture = PHOTO.copy()
    picture.info["exif"] = exif_with(number(tag, 4, value))
    assert len(picture_bytes(picture, TIFF)) < 10_000


@pytest.mark.parametrize("order", "<>")
def test_what_tells_of_the_photograph_is_in_a_tiff(order):
    """Text, exposure, position, in both orders of bytes; and what points out of EXIF, or to a
    file's inside, is not.
    """
    tags = Image.Exif()
    tags.endian = order
    tags[0x010F], tags[0x0110], tags[0x8298] = "Otter Works", "One", "© an otter"
    tags[0x8769] = {
        0x829A: 0.004,
        0x9003: "2026:11:29 12:00:00",
        0x8827: 400,
        0x927C: b"maker's own",
        0xA005: {1: "R98"},
    }
    tags[0x8825] = {1: "N", 2: (41.0, 24.0, 12.5), 29: "2026:11:29"}
    reopened_picture = reopened(
        PHOTO, ".tif", {"exif": tags.tobytes().removeprefix(b"Exif\0\0"), "xmp": b"<x:xmpmeta/>"}
    )
    exif_tags = reopened_picture.getexif()
    assert (exif_tags[0x010F], exif_tags[0x0110]) == (
        "Otter Works",
        "One",
    ) and reopened_picture.tag_v2[700] == b"<x:xmpmeta/>"
    shot, position = exif_tags.get_ifd(0x8769), exif_tags.get_ifd(0x8825)
    assert (
        shot[0x829A] == pytest.approx(0.004)
        and shot[0x8827] == 400
        and shot[0x927C] == b"maker's own"
    )
    assert shot[0x9003] == "2026:11:29 12:00:00" and 0xA005 not in shot
    assert position[1] == "N" and position[2] == (41.0, 24.0, 12.5) and position[29] == "2026:11:29"


def overlapping(entries: int = 4000, size: int = 60_000) -> bytes:
    """EXIF of which a reader that believes it takes ``entries`` times its size."""
    rows = [(index, 7, size, struct.pack("<I", 8)) for index in range(0x200, 0x200 + entries)]
    return exif_with(*rows).ljust(size + 8, b"?")


def test_values_are_not_copied_to_be_weighed():
    """Sixty thousand entries of sixteen megabytes would be a terabyte."""
    data = overlapping(60_000, 16 << 20)
    assert exif.upright(data) == b"" and exif.orientation(data) is None


@pytest.mark.parametrize("suffix", [".tif", ".png", ".jpg", ".webp"])
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"nonsense",
        b"II*\0",
        exif_with()[:12],
        exif_with(number(0x100, 4, 9))[:18],
        overlapping(),
        b"MM\0*\xff\xff\xff\xff" + bytes(40),
        exif_with((0x10F, 2, 0xFFFFFFFF, b"\xff" * 4)),
    ],
    ids=len,
)
def test_broken_exif_harms_no_output(suffix, data):
    reopened_picture = reopened(PHOTO, suffix, {"exif": data, "xmp": b"\xff\0<x"})
    assert len(reopened_picture.info.get("exif", b"")) < 100


# 13: of directories, which Pillow takes for a number
@pytest.mark.parametrize("kind", [1, 3, 4, 6, 8, 9, 13])
@pytest.mark.parametrize("suffix", [".tif", ".png", ".jpg", ".webp"])
def test_no_output_stands_otherwise_than_its_picture(kind, suffix):
    entry = (
        0x112,
        kind,
        1,
        struct.pack({1: "<B3x", 6: "<B3x", 3: "<H2x", 8: "<H2x"}.get(kind, "<I"), 6),
    )
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation=" 6 " tiff:Other="6"/></x:xmpmeta>'
    reopened_picture = reopened(PHOTO, suffix, {"exif": exif_with(entry), "xmp": xmp})
    assert (
        reopened_picture.getexif().get(0x112, 1) == 1
        and b'" 1 "' in reopened_picture.info["xmp"]
        and b'Other="6"' in reopened_picture.info["xmp"]
    )


@pytest.mark.parametrize(
    "attributes",
    [
        b'tiff:Orientation="6="',
        b'tiff:Orientation="65"',
        b"Atiff:Orientation>6",
        b'tiff:Orientation="8',
    ],
)
def test_no_reader_finds_another_orientation_in_xmp(attributes):
    """Pillow takes the first digit behind the name, whatever stands before the one and after the
    other.
    """
    reopened_picture = reopened(PHOTO, ".png", {"xmp": b"<r " + attributes + b"/>"})
    assert reopened_picture.getexif().get(0x112, 1) == 1


PROFILES = {
    "nonsense": b"no profile at all",
    "of grey": grey_profile(1.0),
    "of colour": DISPLAY_P3,
    "cut off": DISPLAY_P3[:200],
    "of no letters": DISPLAY_P3[:16] + b"\xff" * 4 + DISPLAY_P3[20:],
    "two megabytes": DISPLAY_P3 + np.random.default_rng(1).bytes(2 << 20),
}


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("suffix", [".tif", ".png", ".jpg", ".webp", ".bmp", ".ppm"])
@pytest.mark.parametrize("mode", PICTURES)
def test_every_profile_in_every_output(profile, suffix, mode):
    reopened_picture = reopened(PICTURES[mode], suffix, {"icc_profile": PROFILES[profile]})
    kept_profile = reopened_picture.info.get("icc_profile")
    assert not kept_profile or conversion.profile_suits(kept_profile, reopened_picture.mode)
    if profile in ("nonsense", "cut off", "of no letters"):
        assert kept_profile is None
    # converted, or never of this profile
    if kept_profile is None and mode == "RGB" and suffix in (".png", ".bmp"):
        expected = (
            conversion.to_srgb(PHOTO, DISPLAY_P3)
            if profile in ("of colour", "two megabytes")
            else PHOTO
        )
        assert np.abs(np.asarray(reopened_picture, int) - np.asarray(expected, int)).max() <= 1


@pytest.mark.parametrize("name, limit", [("exif", 65533 - 6), ("xmp", 65533 - 29)])
def test_metadata_too_long_for_jpeg_are_reported_with_the_remedy(name, limit):
    payload = {"exif": crafting.exif(1), "xmp": b"<x:xmpmeta/>"}[name]
    assert reopened(PHOTO, ".jpg", {name: payload.ljust(limit, b"\0")}).info[name]
    picture = PHOTO.copy()
    picture.info[name] = payload.ljust(limit + 1, b" ")
    with pytest.raises(
        ImageError, match=f"{name.upper()}; JPEG files take {limit}: --metadata strip"
    ):
        picture_bytes(picture, JPEG)
    for suffix in (".jpg", ".png", ".webp", ".tif"):
        reopened_picture = reopened(picture, suffix, picture.info, strip=True)
        assert not {"exif", "xmp"} & set(
            reopened_picture.info
        ) and not reopened_picture.getexif().get(0x8769)


def test_the_command_line_strips_what_a_jpeg_cannot_hold(tmp_path):
    PHOTO.save(tmp_path / "a.png", exif=b"Exif\0\0" + crafting.exif(1).ljust(70_000, b"\0"))
    assert run_metamer("encode", tmp_path / "a.png").returncode == 0
    completed = run_metamer("decode", tmp_path / "a.mtm", "-o", tmp_path / "a.jpg")
    assert (
        completed.returncode == 1
        and b"--metadata strip" in completed.stderr
        and not (tmp_path / "a.jpg").exists()
    )
    assert (
        run_metamer(
            "decode", tmp_path / "a.mtm", "-o", tmp_path / "a.jpg", "--metadata", "strip"
        ).returncode
        == 0
    )
    assert "exif" not in Image.open(tmp_path / "a.jpg").info
    assert run_metamer("decode", tmp_path / "a.mtm", "-o", tmp_path / "a.webp").returncode == 0
    assert len(Image.open(tmp_path / "a.webp").info["exif"]) >= 70_000


def test_directories_are_followed_no_further_than_the_data():
    assert (
        exif.sub_directory(
            exif_with(number(exif.EXIF_DIRECTORY, 4, 0xFFFFFFF0)), exif.EXIF_DIRECTORY
        )
        == []
    )
    cyclic = exif_with(number(exif.EXIF_DIRECTORY, 4, 8))
    assert exif.upright(cyclic) == cyclic and [
        entry.tag for entry in exif.sub_directory(cyclic, 0x8769)
    ] == [0x8769]
