"""EXIF as files carry it, a TIFF header and directories, read without trust in anything that it
says.

Only what is needed here: the orientation, and the tags that describe the photograph.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

PREFIX = b"Exif\0\0"  # before it in JPEG
ORIENTATION = 0x0112
EXIF_DIRECTORY, GPS_DIRECTORY = 0x8769, 0x8825
BYTE, ASCII, SHORT, LONG = 1, 2, 3, 4  # types of values: TIFF 6.0, section 2
# bytes of one value
SIZES = {BYTE: 1, ASCII: 1, SHORT: 2, LONG: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
INTEGERS = {BYTE: "B", SHORT: "H", LONG: "I", 6: "b", 8: "h", 9: "i"}
# values may come to so many times the data that they lie in: some writers share one value among
# tags
OVERLAP = 2
_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
_HEADER = 8


class Entry(NamedTuple):
    """An entry of a directory. Values are not copied along: sixty thousand entries may name the
    same sixteen megabytes.

    Attributes:
        tag: What it says.
        kind: The type of its values.
        number: How many there are.
        place: Of the entry's 12 bytes.
        start: Of its values.
        size: Of its values, in bytes.
    """

    tag: int
    kind: int
    number: int
    place: int
    start: int
    size: int


def byte_order(data: bytes) -> str | None:
    """The order of bytes of EXIF or a TIFF file, as `struct` writes it; None if ``data`` begins as
    neither does.
    """
    return _ORDERS.get(bytes(data[:4])) if len(data) >= _HEADER else None


def _rows(data: bytes, place: int) -> range:
    """Where the entries of the directory at ``place`` begin, of those inside of ``data``."""
    order = byte_order(data)
    if order is None or not _HEADER <= place <= len(data) - 2:
        return range(0)
    (count,) = struct.unpack_from(f"{order}H", data, place)
    return range(place + 2, min(place + 2 + 12 * count, len(data) - 11), 12)


def directory(data: bytes, place: int) -> Iterator[Entry]:
    """Reads a directory.

    Args:
        data: EXIF, or a TIFF file.
        place: Where the directory begins.

    Yields:
        Entries that hold values of a known type which lie inside of ``data``.
    """
    order = byte_order(data)
    for start in _rows(data, place):
        tag, kind, number = struct.unpack_from(f"{order}2HI", data, start)
        size = SIZES.get(kind, 0) * number
        (offset,) = (start + 8,) if size <= 4 else struct.unpack_from(f"{order}I", data, start + 8)
        if size and offset + size <= len(data):
            yield Entry(tag, kind, number, start, offset, size)


def first_directory(data: bytes) -> int:
    """Where the first directory begins; 0 if ``data`` is no EXIF."""
    order = byte_order(data)
    return struct.unpack_from(f"{order}I", data, 4)[0] if order else 0


def integer(data: bytes, entry: Entry) -> int | None:
    """The value of an entry that holds one integer, of whatever type."""
    if entry.number != 1 or entry.kind not in INTEGERS:
        return None
    return struct.unpack_from(f"{byte_order(data)}{INTEGERS[entry.kind]}", data, entry.start)[0]


def sub_directory(data: bytes, tag: int) -> list[Entry]:
    """The entries of the directory that ``tag`` of the first one points to."""
    places = (
        integer(data, entry) for entry in directory(data, first_directory(data)) if entry.tag == tag
    )
    return list(directory(data, next(places, None) or 0))


def orientation(data: bytes) -> int | None:
    """The orientation, 1 to 8; None where EXIF does not say."""
    values = (
        integer(data, entry)
        for entry in directory(data, first_directory(data))
        if entry.tag == ORIENTATION
    )
    value = next(values, None)
    return value if value in range(1, 9) else None


def upright(data: bytes) -> bytes:
    """EXIF whose orientation, whatever its type, is the SHORT 1, and all else as it was.

    Args:
        data: EXIF without its prefix.

    Returns:
        Empty where it is broken: where it does not begin as EXIF does, or values overlap so that a
        reader would take many times its size.
    """
    order, place = byte_order(data), first_directory(data)
    if order is None or not _HEADER <= place <= len(data) - 2:
        return b""
    changed, weight = bytearray(data), sum(entry.size for entry in directory(data, place))
    for start in _rows(data, place):
        if struct.unpack_from(f"{order}H", data, start) == (ORIENTATION,):
            struct.pack_into(f"{order}HI2H", changed, start + 2, SHORT, 1, 1, 0)
    for tag in (EXIF_DIRECTORY, GPS_DIRECTORY):
        weight += sum(entry.size for entry in sub_directory(data, tag))
    return b"" if weight > OVERLAP * len(data) else bytes(changed)
