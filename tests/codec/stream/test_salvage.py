"""What is left of damaged files: whole tiles as ever, lost ones crossed out and named, and never a
word too good.
"""

import contextlib
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import metamer
from metamer.codec.errors import StreamError
from metamer.codec.format import container
from metamer.codec.format.container import HEADER_BYTES, Header, Kind, Section
from metamer.codec.network import colour_axes
from metamer.codec.network.model import load_model
from metamer.codec.stream import scan
from metamer.codec.stream.coded_picture import pack_tile
from metamer.codec.stream.scan import TRIED, scan_sections
from tests.conftest import run_metamer

# of `wide`
PLACES = [(0, 0, 1024, 1024), (1024, 0, 16, 1024), (0, 1024, 1024, 51), (1024, 1024, 16, 51)]


def ends(data: bytes) -> list[int]:
    """Where sections end, the header's end first."""
    places = [HEADER_BYTES]
    while places[-1] < len(data):
        places.append(container.read_section(data, places[-1])[2])
    return places


def with_bytes_changed(data: bytes, *places: int) -> bytes:
    """With these bytes inverted."""
    copy = bytearray(data)
    for place in places:
        copy[place] ^= 0xFF
    return bytes(copy)


def test_whole_files_decode_as_ever(otters):
    for tile in (False, True):
        data = metamer.encode(otters.crop((0, 0, 60, 50)), 40, tile=tile)
        rescued = metamer.rescue(data)
        assert (
            rescued.damage == () and rescued.lost == () and rescued.picture == metamer.decode(data)
        )


@pytest.mark.parametrize("damaged_field", ["body", "kind", "length", "checksum"])
def test_a_damaged_tile_is_crossed_out_and_the_rest_is_right(stream, damaged_field):
    undamaged, section_start = (
        np.asarray(metamer.decode(stream), int),
        ends(stream)[2],
    )  # of tile 2, below
    data = with_bytes_changed(
        stream, section_start + {"body": 60, "kind": 0, "length": 1, "checksum": 4}[damaged_field]
    )
    with pytest.raises(StreamError):
        metamer.decode(data)
    rescued = metamer.rescue(data)
    assert (
        rescued.lost == (PLACES[2],)
        and rescued.damage[-1] == "tile 2 is lost: 1024x51 pixels at 0,1024"
    )
    pixels = np.asarray(rescued.picture, int)
    assert set(np.unique(pixels[1024:, :1024])) == {96, 128}
    assert (
        np.abs(pixels[: 1024 - 56] - undamaged[: 1024 - 56]).max() <= 1
    )  # beyond the receptive field


@pytest.mark.parametrize("tiles", [(0,), (0, 1), (1, 3), (2, 3), (0, 1, 2, 3)])
def test_several_damaged_tiles(stream, tiles):
    begins = ends(stream)
    data = with_bytes_changed(stream, *(begins[tile] + 30 for tile in tiles))
    assert metamer.rescue(data, region=(1000, 1000, 40, 40)).lost == tuple(
        PLACES[tile] for tile in tiles
    )


@pytest.mark.parametrize("kept_tiles", [1, 2, 3])
def test_a_file_cut_off(stream, kept_tiles):
    for length in (ends(stream)[kept_tiles], ends(stream)[kept_tiles] + 9):
        rescued = metamer.rescue(stream[:length], region=(1030, 1000, 10, 75))
        assert rescued.lost == tuple(PLACES[kept_tiles:]) and "cut off" in rescued.damage[0]


def test_bytes_lost_and_bytes_added_in_the_middle(stream):
    place = ends(stream)[1] + 20
    for data in (
        stream[:place] + stream[place + 100 :],
        stream[:place] + b"\x01\x45" * 77 + stream[place:],
    ):
        rescued = metamer.rescue(data, region=(1030, 1000, 10, 75))
        assert rescued.lost == (PLACES[1],) and "are damaged" in rescued.damage[0]


def test_words_that_no_symbol_maps_to_under_a_right_checksum(stream):
    header, sections = container.unpack(stream)
    sections[1] = Section(Kind.PICTURE, sections[1].body[:8] + b"\xff" * 400)
    data = container.pack(header, sections)
    with pytest.raises(StreamError, match="damaged"):
        metamer.decode(data)
    assert metamer.rescue(data, region=(1030, 0, 10, 10)).lost == (PLACES[1],)


def test_a_picture_in_one_piece_is_decoded_and_not_trusted(otters):
    picture = otters.crop((100, 0, 300, 150))
    data = metamer.encode(picture, 60)
    late, early = with_bytes_changed(data, len(data) - 40), with_bytes_changed(data, 30)
    rescued = metamer.rescue(late)
    assert (
        "nothing tells" in rescued.damage[0]
        and rescued.lost == ()
        and rescued.picture.size == picture.size
    )

    def error(image):
        return np.square(np.asarray(image, float) - np.asarray(picture, float)).mean()

    assert (
        error(metamer.decode(data)) < error(rescued.picture) < error(metamer.rescue(early).picture)
    )
    assert metamer.rescue(data[: len(data) // 2]).picture.size == picture.size


def test_a_picture_in_one_piece_of_version_2(otters):
    header, sections = container.unpack(metamer.encode(otters.crop((220, 120, 280, 170)), 40))
    data = container.pack(header, [*sections, Section(Kind.XMP, b"\0somethin")])
    rescued = metamer.rescue(with_bytes_changed(data, 60))
    assert rescued.picture.size == (60, 50) and "nothing tells" in rescued.damage[-1]
    rescued = metamer.rescue(with_bytes_changed(data, len(data) - 2))
    assert rescued.damage == (f"bytes {len(data) - 15} to {len(data) - 1} are damaged, or cut off",)
    with pytest.raises(StreamError, match="nothing of it"):
        metamer.rescue(data[: HEADER_BYTES + 3])


def test_what_cannot_be_salvaged(stream):
    for data in (b"", b"junk", stream[:17], with_bytes_changed(stream, 9)):
        with pytest.raises(StreamError):
            metamer.rescue(data)
    header, sections = container.unpack(stream)
    later = b"\x47\x00"
    data = container.pack(header, sections)[: ends(stream)[-2]]
    with pytest.raises(StreamError, match="section 7"):
        metamer.rescue(data + later + zlib.crc32(later).to_bytes(4, "little"))


HEADER = Header(load_model("base").id, 50, 16, 16, tiled=True)
RED = Image.new("RGB", (16, 16), (200, 20, 60))
LITTLE = [metamer.encode(RED, 50, tile=True, lossless=lossless) for lossless in (False, True)]


@settings(max_examples=60)
@given(st.sampled_from(LITTLE), st.integers(0, 1 << 16), st.integers(0, 9), st.binary(max_size=9))
def test_any_damage_is_reported(stream, place, removed, inserted):
    """Every changed file has its damage named; the picture has the right size."""
    start = HEADER_BYTES + place % (len(stream) - HEADER_BYTES)
    data = stream[:start] + inserted + stream[start + removed :]
    with contextlib.suppress(StreamError):
        rescued = metamer.rescue(data)
        assert rescued.picture.size == (16, 16) and bool(rescued.damage) == (data != stream)


def test_hostile_files_cost_a_bounded_search(monkeypatch):
    """Every byte might begin a section that reaches to the end."""
    monkeypatch.setattr(scan, "SEARCH", 1 << 20)
    summed, before = [], container.read_section

    def counting(data, place):
        summed.append(container.read_start(data, place)[2] - place)
        return before(data, place)

    monkeypatch.setattr(container, "read_section", counting)
    data = (
        container.pack(HEADER, [Section(Kind.PICTURE, b"")])[:HEADER_BYTES]
        + b"\x02\xf0\x81\x02" * 20000
    )
    assert metamer.rescue(data).lost == ((0, 0, 16, 16),)
    assert sum(summed) < (1 << 20) + 2 * len(data)


def test_chains_of_damaged_sections_cost_a_bounded_search(monkeypatch):
    """Behind each damaged section a chain of others that reaches to the end, beside it a whole one:
    quadratic if followed.
    """
    monkeypatch.setattr(scan, "SEARCH", 1 << 22)
    reads, before = [], container.read_section
    monkeypatch.setattr(
        container, "read_section", lambda *arguments: reads.append(arguments) or before(*arguments)
    )
    start = container.pack(HEADER, [Section(Kind.PICTURE, b"")])[:HEADER_BYTES]
    # the first leads to the second's last six bytes, those to the next's
    head, body = b"\x01\x08", b"\0\0" + b"\x01\x0eXXXX"
    unit = b"\x01\x08XXXX" + head + zlib.crc32(body, zlib.crc32(head)).to_bytes(4, "little") + body
    _, recovered, damage = scan_sections(start + 600 * unit)
    assert len(reads) < (1 << 22) // TRIED + 2 * 600 and recovered and damage


GREY = Header(load_model("base").grey_variant.id, 50, 16, 16, grey=True)
PICTURE, XMP = Section(Kind.PICTURE, b""), Section(Kind.XMP, b"\0x")


@pytest.mark.parametrize("kind", [b"\x42", b"\x00", b"\x7f", b"\xc1"])
def test_a_picture_in_one_piece_whose_kind_is_damaged(kind):
    data = container.pack(GREY, [PICTURE])
    rescued = metamer.rescue(data[:HEADER_BYTES] + kind + data[HEADER_BYTES + 1 :])
    assert rescued.picture.size == (16, 16) and "its picture is damaged" in rescued.damage[-1]


def pack_unchecked(header: Header, sections: list[Section]) -> bytes:
    """`container.pack` without its checks."""
    parts = [container.pack(header, [PICTURE])[:HEADER_BYTES]]
    for number, section in enumerate(sections, 1):
        start = bytes(
            [section.kind | container.LAST * (number == len(sections)), len(section.body)]
        )
        parts += [
            start,
            zlib.crc32(section.body, zlib.crc32(start)).to_bytes(4, "little"),
            section.body,
        ]
    return b"".join(parts)


@pytest.mark.parametrize(
    "header, sections",
    [
        (GREY, [PICTURE, PICTURE]),
        (GREY, [PICTURE, XMP, XMP]),
        (GREY, [PICTURE, XMP, Section(Kind.EXIF, b"\0x")]),
        (HEADER, [Section(Kind.PICTURE, b"\0\0")] * 2),
        (HEADER, [Section(Kind.PICTURE, b"\1\0"), Section(Kind.PICTURE, b"\0\0")]),
    ],
)
def test_whole_sections_in_disorder_are_reported(header, sections):
    data = pack_unchecked(header, sections)
    with pytest.raises(StreamError):
        metamer.decode(data)
    assert "not as the format has" in metamer.rescue(data).damage[0]


def test_a_file_without_a_picture_is_refused():
    with pytest.raises(StreamError, match="no picture"):
        metamer.rescue(pack_unchecked(GREY, [XMP]))


def test_the_command_line(stream, tmp_path):
    (tmp_path / "bad.mtm").write_bytes(with_bytes_changed(stream, ends(stream)[1] + 30))
    (tmp_path / "good.mtm").write_bytes(stream)
    completed = run_metamer("decode", tmp_path / "bad.mtm")
    assert completed.returncode == 1 and not (tmp_path / "bad.png").exists()
    paths = (tmp_path / "bad.mtm", tmp_path / "good.mtm")
    completed = run_metamer(
        "decode", *paths, "--salvage", "--region", "1000,0,40,40", "-o", tmp_path
    )
    assert (
        completed.returncode == 3
        and b"bad.mtm: tile 1 is lost: 16x1024 pixels at 1024,0" in completed.stderr
    )
    assert b"good.mtm" not in completed.stderr and Image.open(tmp_path / "bad.png").size == (40, 40)
    completed = run_metamer(
        "decode",
        tmp_path / "good.mtm",
        "--salvage",
        "--region",
        "1000,0,40,40",
        "-o",
        tmp_path / "again.png",
    )
    assert completed.returncode == 0 and not completed.stderr


def test_bytes_behind_the_last_section_are_reported():
    rescued = metamer.rescue(LITTLE[0] + b"more")
    assert rescued.damage == (
        "4 bytes follow its last section",
    ) and rescued.picture == metamer.decode(LITTLE[0])


def test_words_that_no_symbol_maps_to_in_a_picture_in_one_piece():
    """Every checksum is right, so nothing is damaged: such a file never was a picture."""
    data = container.pack(
        Header(HEADER.model_id, 50, 64, 64), [Section(Kind.PICTURE, b"\xff" * 400)]
    )
    with pytest.raises(StreamError, match="damaged"):
        metamer.rescue(data)


def test_metadata_that_make_no_sense():
    sections = [
        Section(Kind.PICTURE, b"\0\0"),
        Section(Kind.ALPHA, b"\1\0"),
        Section(Kind.EXIF, b"\7"),
        XMP,
    ]
    rescued = metamer.rescue(container.pack(HEADER, sections))
    assert [line.split(":")[0] for line in rescued.damage] == [
        "its transparency is lost",
        "its EXIF is lost",
    ]
    assert rescued.picture.mode == "RGB" and rescued.picture.info == {"xmp": b"x"}


def test_tiles_whose_colours_were_turned_otherwise():
    turns = [colour_axes.Turn((0, 0, shift), (31, 31, 31)) for shift in (0, 40)]
    header = Header(HEADER.model_id, 50, 1040, 16, tiled=True, turned=True)
    data = container.pack(
        header,
        [Section(Kind.PICTURE, pack_tile(header, *pair, b"")) for pair in enumerate(turns)],
    )
    with pytest.raises(StreamError, match="tiles differ in how colours were turned"):
        metamer.info(data)
    assert metamer.rescue(data, region=(0, 0, 8, 8)).damage == (
        "it is not as the format has it: tiles differ in how colours were turned",
    )


def test_tiles_may_have_two_sections_each(monkeypatch):
    """A picture and an overlay."""
    monkeypatch.setattr(scan, "OTHERS", 0)
    header = Header(load_model("base").id, 50, 1040, 16, tiled=True, overlaid=True)
    sections = [
        Section(kind, bytes([number, 0, 3, 2]))
        for kind in (Kind.PICTURE, Kind.OVERLAY)
        for number in (0, 1)
    ]
    _, recovered, damage = scan_sections(container.pack(header, sections) + b"more")
    assert recovered == sections and damage == ["4 bytes follow its last section"]
