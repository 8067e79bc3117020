"""The `.mtm` file: 18 bytes of header, then the coded parts. bitstreams/FORMAT.md is the normative
text.

Version 1 holds one colour picture coded in one piece and nothing else. Version 2 holds sections,
each with its own checksum.
"""

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise

from metamer.codec.errors import StreamError
from metamer.codec.format.leb128 import leb128, read_leb128

MAGIC, SUFFIX = b"MTM", ".mtm"
VERSION = 2  # the newest that is read; `pack` writes the oldest that will do
GREY, TILED, TURNED, OVERLAID = 1, 2, 4, 8  # flags
NO_MODEL = bytes(4)  # the model id of a file that no network is needed for
LAST = 0x40  # in a section's first byte: none follows
ANCILLARY = 0x80  # and: a reader that does not know the kind may skip it
WITH_OPACITY = 1  # form of an overlay: its first byte, in tiled pictures the third
# magic, version, model id, quality, flags, width − 1, height − 1
_FIELDS = struct.Struct("<3sB4sBBHH")
_CHECKSUM = struct.Struct("<I")
HEADER_BYTES = _FIELDS.size + _CHECKSUM.size


class Kind(IntEnum):
    """What a section may hold, in the order of a file; `PICTURE` and `OVERLAY` repeat in tiled
    pictures.
    """

    PICTURE = 1
    ALPHA = 2
    ICC = 3
    EXIF = 4
    XMP = 5
    OVERLAY = 6


@dataclass(frozen=True)
class Header:
    """A file's header.

    Attributes:
        model_id: 4 bytes; `NO_MODEL` where no network is needed.
        quality: 0 … 255.
        width: 1 … 65536 pixels.
        height: 1 … 65536 pixels.
        grey: Whether the picture has one plane.
        tiled: Whether each tile has a section of its own.
        turned: Whether picture sections say how colours were turned (`codec.network.colour_axes`).
        overlaid: Whether some tiles have a section of what is coded without the networks
            (`codec.stream.overlays`); those that it holds whole have no picture section.
    """

    model_id: bytes
    quality: int
    width: int
    height: int
    grey: bool = False
    tiled: bool = False
    turned: bool = False
    overlaid: bool = False


@dataclass(frozen=True)
class Section:
    """A section of a file.

    Attributes:
        kind: A `Kind`, or from `ANCILLARY` up what this version does not know.
        body: What it holds.
    """

    kind: int
    body: bytes


def pack(header: Header, sections: Sequence[Section]) -> bytes:
    """Writes a file, in the oldest version that can hold it.

    Args:
        header: Its header.
        sections: Its sections, in order.

    Returns:
        The whole file.

    Raises:
        ValueError: Sections are in a wrong order or number.
    """
    problem = disorder(header, [section.kind for section in sections])
    if problem:
        raise ValueError(problem)
    flags = (
        GREY * header.grey
        | TILED * header.tiled
        | TURNED * header.turned
        | OVERLAID * header.overlaid
    )
    version = 2 if flags & ~TURNED or len(sections) > 1 else 1
    fields = _FIELDS.pack(
        MAGIC, version, header.model_id, header.quality, flags, header.width - 1, header.height - 1
    )
    if version == 1:
        body = sections[0].body
        return fields + _CHECKSUM.pack(zlib.crc32(body, zlib.crc32(fields))) + body
    parts = [fields, _CHECKSUM.pack(zlib.crc32(fields))]
    for number, section in enumerate(sections, 1):
        start = bytes([section.kind | (LAST if number == len(sections) else 0)]) + leb128(
            len(section.body)
        )
        parts += [start, _CHECKSUM.pack(zlib.crc32(section.body, zlib.crc32(start))), section.body]
    return b"".join(parts)


def unpack(data: bytes) -> tuple[Header, list[Section]]:
    """Reads a file and verifies every checksum; what is inside of sections is not looked at.

    Args:
        data: The whole file.

    Returns:
        Header and sections; version 1 gives one section.

    Raises:
        StreamError: It is not a `.mtm` file, damaged, or of a newer version.
    """
    header = read_header(data)
    if version(data) == 1:
        body = data[HEADER_BYTES:]
        if zlib.crc32(body, zlib.crc32(data[: _FIELDS.size])) != _checksum(data):
            raise StreamError("is damaged or truncated: its checksum does not match")
        return header, [Section(Kind.PICTURE, body)]
    sections = list(_sections(data))
    problem = disorder(header, [section.kind for section in sections])
    if problem:
        raise StreamError(f"is not as the format has it: {problem}")
    return header, sections


def version(data: bytes) -> int:
    """The format version of a file whose header `read_header` accepted."""
    return data[len(MAGIC)]


def read_header(data: bytes) -> Header:
    """Reads the first 18 bytes. Version 1 has no checksum of them alone, so that only `unpack`
    verifies it.

    Args:
        data: The file, or its beginning.

    Raises:
        StreamError: It is not a `.mtm` file, its header is damaged, or of a newer version.
    """
    if data[: len(MAGIC)] != MAGIC[: len(data)] or not data:
        raise StreamError("is not a Metamer file")
    if len(data) < HEADER_BYTES:
        raise StreamError("is truncated: the header is incomplete")
    _, version, model_id, quality, flags, width, height = _FIELDS.unpack_from(data)
    if version > VERSION:
        raise StreamError(
            f"is format version {version} or damaged; this program reads up to version {VERSION}"
        )
    if version < 1:
        raise StreamError("is damaged: format version 0 does not exist")
    if version == 2 and zlib.crc32(data[: _FIELDS.size]) != _checksum(data):
        raise StreamError("is damaged: the header's checksum does not match")
    unknown = flags & ~(TURNED if version == 1 else GREY | TILED | TURNED | OVERLAID)
    if unknown:
        raise StreamError(
            f"is damaged or uses features (flags {unknown:#04x}) that this program does not know"
        )
    grey, tiled, turned, overlaid = (bool(flags & flag) for flag in (GREY, TILED, TURNED, OVERLAID))
    return Header(model_id, quality, width + 1, height + 1, grey, tiled, turned, overlaid)


def read_section(data: bytes, place: int) -> tuple[Section, bool, int]:
    """Reads a section.

    Args:
        data: The file.
        place: Where the section begins.

    Returns:
        The section, whether it is the last, and where the next begins.

    Raises:
        StreamError: It is damaged.
    """
    kind, start, end = read_start(data, place)
    if end > len(data):
        raise StreamError("is truncated: a section ends early")
    body = data[start:end]
    (checksum,) = _CHECKSUM.unpack_from(data, start - _CHECKSUM.size)
    if zlib.crc32(body, zlib.crc32(data[place : start - _CHECKSUM.size])) != checksum:
        raise StreamError("is damaged: a section's checksum does not match")
    return Section(kind & ~LAST, body), bool(kind & LAST), end


def read_start(data: bytes, place: int) -> tuple[int, int, int]:
    """Reads where a section ends, unverified.

    Args:
        data: The file.
        place: Where the section begins.

    Returns:
        Its first byte, where its body begins, and where that ends.

    Raises:
        StreamError: The file ends before the body.
    """
    length, end = read_leb128(data, place + 1)
    start = end + _CHECKSUM.size
    if start > len(data):
        raise StreamError("is truncated: a section ends early")
    return data[place], start, start + length


def _sections(data: bytes) -> Iterator[Section]:
    place, last = HEADER_BYTES, False
    while not last:
        section, last, place = read_section(data, place)
        if section.kind < ANCILLARY and section.kind not in list(Kind):
            raise StreamError(
                f"uses features (section {section.kind}) that this program does not know"
            )
        yield section
    if place < len(data):
        raise StreamError(f"is damaged: {len(data) - place} bytes follow the last section")


def disorder(header: Header, kinds: list[int]) -> str | None:
    """What is wrong with the kinds of a file's sections, in order; None where nothing is."""
    if not header.overlaid and (not kinds or kinds[0] != Kind.PICTURE):
        return "a file begins with its picture"
    if header.overlaid != (Kind.OVERLAY in kinds):
        return "overlays are there where the header says so, and nowhere else"
    if any(one > other for one, other in pairwise(kinds)):
        return "sections are out of order"
    several = (Kind.PICTURE, Kind.OVERLAY) if header.tiled else ()
    if any(one == other < ANCILLARY and one not in several for one, other in pairwise(kinds)):
        return "a section that may be there only once is there twice"
    return None


def has_opacity(header: Header, sections: Sequence[Section]) -> bool:
    """Whether overlays hold the picture's transparency."""
    place = 2 * header.tiled
    bodies = [section.body for section in sections if section.kind == Kind.OVERLAY]
    return any(body[place : place + 1] == bytes([WITH_OPACITY]) for body in bodies)


def _checksum(data: bytes) -> int:
    return _CHECKSUM.unpack_from(data, _FIELDS.size)[0]
