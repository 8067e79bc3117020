"""EXIF, XMP and profiles: kept as they were, written where they can be, left out when asked,
harmless when hostile.
"""

import contextlib
import io
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import metamer
from metamer.codec.errors import ImageError, StreamError
from metamer.codec.picture.metadata import collection, packing
from metamer.codec.picture.metadata import exif as exif_module
from tests.codec.picture.crafting import DISPLAY_P3, exif, saved
from tests.codec.picture.odd_files import GREY, MASK, PHOTO
from tests.conftest import run_metamer

XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6" dc:title="Otters"/></x:xmpmeta>'
UPRIGHT = XMP.replace(b"6", b"1")
EVERYTHING = {"exif": b"Exif\0\0" + exif(6), "xmp": XMP, "icc_profile": DISPLAY_P3}


@given(st.binary(max_size=300) | st.binary(max_size=5).map(lambda part: part * 99))
def test_round_trip(data):
    assert (
        packing.unpack_metadata(packing.pack_metadata(data)) == data
        and len(packing.pack_metadata(data)) <= len(data) + 1
    )


@given(st.binary(max_size=99))
def test_hostile_bodies_and_exif(data):
    for body in (data, b"\1" + data, packing.pack_metadata(data)[:-1]):
        with contextlib.suppress(StreamError):
            assert len(packing.unpack_metadata(body)) <= len(data) * 1100
    for head in (b"", b"II*\0", b"MM\0*"):
        assert len(exif_module.upright(head + data)) in (0, len(head + data))


def test_bombs_are_refused():
    bomb = zlib.compress(bytes(packing.LIMIT + 1), 9)
    assert len(bomb) < 20000
    with pytest.raises(StreamError, match="more than"):
        packing.unpack_metadata(b"\1" + bomb)
    with pytest.raises(ImageError, match="strip"):
        metamer.encode(saved(PHOTO, "WEBP", exif=b"Exif\0\0" + exif(1) + bytes(packing.LIMIT)))


@pytest.mark.parametrize("order", "<>")
def test_only_the_orientation_changes(order):
    assert exif_module.upright(exif(6, order)) == exif(1, order)


@pytest.mark.parametrize("kind, options", [("PNG", {}), ("JPEG", {}), ("WEBP", {}), ("AVIF", {})])
def test_kept_from_every_format(kind, options):
    metadata = {"exif": EVERYTHING["exif"]} | ({"xmp": XMP} if kind != "PNG" else {})
    decoded = metamer.decode(metamer.encode(saved(PHOTO, kind, **metadata)))
    assert decoded.size == PHOTO.size[::-1]  # orientation 6
    kept_exif = decoded.info["exif"]
    # which has an orientation of its own and writes EXIF anew
    assert kept_exif == exif(1) or kind == "AVIF"
    assert kind == "PNG" or decoded.info["xmp"] == UPRIGHT


def test_a_tiff_s_own_tags_are_exif():
    tags = Image.Exif()
    tags[0x010F], tags[0x0112] = "Otter Works", 6
    tags[0x8769] = {0x829A: 0.004}  # exposure
    decoded_tags = Image.Exif()
    decoded_tags.load(
        metamer.decode(metamer.encode(saved(PHOTO, "TIFF", exif=tags.tobytes()))).info["exif"]
    )
    assert decoded_tags[0x010F] == "Otter Works" and decoded_tags.get_ifd(0x8769)[
        0x829A
    ] == pytest.approx(0.004)
    assert (
        273 not in decoded_tags and decoded_tags.get(0x0112, 1) == 1
    )  # where its strips were; how it stood


def test_through_the_command_line(tmp_path):
    (tmp_path / "photo.jpg").write_bytes(saved(PHOTO, "JPEG", quality=95, **EVERYTHING))
    for name, options in {
        "kept": (),
        "stripped": ("--metadata", "strip"),
        "all": ("--icc", "keep"),
    }.items():
        assert (
            run_metamer(
                "encode", tmp_path / "photo.jpg", "-o", tmp_path / f"{name}.mtm", *options
            ).returncode
            == 0
        )
    assert metamer.info(tmp_path / "stripped.mtm").version == 1  # as small as ever
    assert set(metamer.info(tmp_path / "kept.mtm").sections) == {"exif", "xmp"}
    listing = run_metamer("info", tmp_path / "all.mtm").stdout.decode()
    assert all(f", {kind} " in listing for kind in ("icc", "exif", "xmp"))
    for suffix in (".png", ".jpg", ".webp", ".tiff"):
        assert (
            run_metamer("decode", tmp_path / "all.mtm", "-o", tmp_path / f"back{suffix}").returncode
            == 0
        )
        decoded = Image.open(tmp_path / f"back{suffix}")
        decoded.load()
        assert decoded.size == PHOTO.size[::-1] and decoded.info["icc_profile"] == DISPLAY_P3
        assert (
            decoded.info["xmp"].rstrip(b"\0") == UPRIGHT and decoded.getexif().get(0x0112, 1) == 1
        )
        if suffix != ".tiff":
            assert decoded.info["exif"].removeprefix(b"Exif\0\0") == exif(1)
    assert (
        run_metamer("decode", tmp_path / "stripped.mtm", "-o", tmp_path / "stripped.png").returncode
        == 0
    )
    assert not {"exif", "xmp", "icc_profile"} & set(Image.open(tmp_path / "stripped.png").info)


def test_plain_pictures_need_no_more_than_before():
    for source in (PHOTO, saved(PHOTO, "PNG"), saved(PHOTO, "JPEG")):
        assert metamer.encode(source)[3] == 1
    assert metamer.encode(GREY)[3] == 2


def test_a_damaged_section_is_reported():
    data = metamer.encode(saved(PHOTO, "PNG", exif=EVERYTHING["exif"]))
    for place in range(len(data) - 60, len(data)):
        with pytest.raises(StreamError):
            metamer.decode(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])


def test_salvage_of_metadata(tmp_path):
    picture = PHOTO.copy()
    picture.putalpha(MASK)
    data = metamer.encode(saved(picture, "PNG", exif=b"Exif\0\0" + exif(1)), tile=True)
    size = metamer.info(data).sections
    place = len(data) - size["exif"] - 10 - size["alpha"] // 2
    damaged = data[:place] + bytes([data[place] ^ 255]) + data[place + 1 :]
    (tmp_path / "damaged.mtm").write_bytes(damaged)
    completed = run_metamer(
        "decode", "--salvage", tmp_path / "damaged.mtm", "-o", tmp_path / "back.png"
    )
    assert completed.returncode == 3 and b"damaged" in completed.stderr
    assert (
        Image.open(tmp_path / "back.png").mode == "RGB"
        and "exif" in Image.open(tmp_path / "back.png").info
    )


def test_hostile_exif_is_left_out_of_a_tiff(tmp_path):
    nonsense = struct.pack("<2sHIH", b"II", 42, 8, 1) + b"\xff" * 12 + bytes(4)
    buffer = io.BytesIO(saved(PHOTO, "PNG", exif=b"Exif\0\0" + nonsense))
    (tmp_path / "a.mtm").write_bytes(metamer.encode(buffer.getvalue()))
    assert run_metamer("decode", tmp_path / "a.mtm", "-o", tmp_path / "a.tiff").returncode == 0
    assert Image.open(tmp_path / "a.tiff").size == PHOTO.size


def test_exif_that_pillow_cannot_parse_is_left_out():
    class Broken(Image.Image):
        def getexif(self):
            raise struct.error("unpack requires a buffer of 12 bytes")

    assert collection.collect_metadata(Broken()) == (b"", b"", 1)
