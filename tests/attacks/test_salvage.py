"""Files made to keep salvage busy."""

import zlib

import pytest
from PIL import Image

import metamer
from metamer.codec.format import container
from metamer.codec.format.container import HEADER_BYTES, Header, Kind, Section
from metamer.codec.network.model import load_model
from metamer.codec.picture.metadata import packing
from metamer.codec.stream import salvaged_picture
from metamer.codec.stream.scan import OTHERS, scan_sections
from metamer.codec.stream.sections import INFO

HEADER = Header(load_model("base").id, 50, 1040, 16, tiled=True)
# a section that nobody knows and everybody may skip
EMPTY = b"\x81\x00" + zlib.crc32(b"\x81\x00").to_bytes(4, "little")


def start() -> bytes:
    return container.pack(HEADER, [Section(Kind.PICTURE, b"\0\0")])[:HEADER_BYTES]


def test_empty_sections_are_gathered_in_linear_time_and_not_without_end(monkeypatch):
    """960 KB of them took two and a half minutes. Counted in sections read, as time depends on the
    machine.
    """
    read, before = [], container.read_section
    monkeypatch.setattr(
        container, "read_section", lambda *arguments: read.append(arguments) or before(*arguments)
    )
    header, recovered, damage = scan_sections(start() + 160_000 * EMPTY)
    assert len(recovered) == len(read) == 2 + OTHERS  # two tiles and what else a file may have
    assert header == HEADER and "more sections" in damage[-1] and len(damage) == 1


def test_metadata_is_unpacked_once_for_each_kind(monkeypatch):
    """Each may unpack to 16 MiB."""
    unpacked, before = [], packing.unpack_metadata
    monkeypatch.setattr(
        packing, "unpack_metadata", lambda body: unpacked.append(len(body)) or before(body)
    )
    bomb = packing.pack_metadata(bytes(packing.LIMIT))
    sections = [Section(kind, bomb) for kind in (Kind.EXIF, Kind.XMP, Kind.ICC) for _ in range(60)]
    damage: list[str] = []
    salvaged_picture.attach_salvaged(_Picture(), HEADER, sections, None, damage)
    assert len(unpacked) == 3 and not damage


class _Picture:
    """What `auxiliary.attach` needs."""

    def __init__(self):
        self.info: dict[str, bytes] = {}


def test_the_first_of_several_is_what_is_attached():
    picture = _Picture()
    salvaged_picture.attach_salvaged(
        picture, HEADER, [Section(Kind.XMP, b"\0first"), Section(Kind.XMP, b"\0second")], None, []
    )
    assert picture.info == {INFO[Kind.XMP]: b"first"}


@pytest.mark.parametrize("count", [1, 400])
def test_unknown_sections_behind_a_picture(count):
    """A good file may hold many: they are skipped in decoding, and no damage to salvage."""
    data = metamer.encode(Image.new("RGB", (16, 16), "navy"), 20)
    header, sections = container.unpack(data)
    many = container.pack(header, [*sections, *[Section(0x81, b"")] * count])
    assert metamer.decode(many) == metamer.decode(data) and metamer.rescue(many).damage == ()
