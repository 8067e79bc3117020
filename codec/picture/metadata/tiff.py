"""A TIFF file with what its photograph's EXIF and XMP say of it.

A TIFF's own tags and those of EXIF share a directory, and most of what EXIF holds there describes
another file: its size, its strips, its compression. So nothing of it is given to what writes the
picture. A directory with the tags that describe the photograph in it is put behind the finished
file, in place of the first one.
"""

import struct

import numpy as np

from metamer.codec.picture.metadata import exif
from metamer.codec.picture.metadata.exif import (
    ASCII,
    BYTE,
    EXIF_DIRECTORY,
    GPS_DIRECTORY,
    LONG,
    SIZES,
    Entry,
)

XMP = 0x02BC
# description, make, model, software, time, artist, copyright
PHOTOGRAPH = (0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x8298)
# EXIF 3.0, section 4.6.6: exposure and aperture, how it was exposed, versions to times, the
# camera's settings, without pointers
SHOT = frozenset(
    (
        0x829A,
        0x829D,
        *range(0x8822, 0x8836),
        *range(0x9000, 0x9406),
        *range(0xA000, 0xA005),
        *range(0xA20B, 0xA501),
    )
)
POSITION = frozenset(range(32))  # of GPS
# of what is swapped: rationals are pairs
_WIDTHS = {kind: 4 if kind in (5, 10) else size for kind, size in SIZES.items()}


def described(tiff: bytes, data: bytes, xmp: bytes) -> bytes:
    """Gives a TIFF file the tags of EXIF that describe the photograph, and an XMP packet. Every
    value is copied as it is, but for the order of its bytes.

    Args:
        tiff: A file of one picture.
        data: EXIF as `exif.upright` gives it, which bounds what its values come to; may be empty.
        xmp: A packet; may be empty.

    Returns:
        The file.
    """
    order, out = exif.byte_order(tiff), bytearray(tiff)
    assert order is not None  # it was just written
    rows = {
        entry.tag: tiff[entry.place : entry.place + 12]
        for entry in exif.directory(tiff, exif.first_directory(tiff))
    }
    first = [
        entry
        for entry in exif.directory(data, exif.first_directory(data))
        if entry.tag in PHOTOGRAPH and entry.kind == ASCII
    ]
    rows = _rows(out, order, data, first) | rows
    if xmp:
        rows[XMP] = _row(out, order, XMP, BYTE, len(xmp), xmp)
    for tag, allowed in ((EXIF_DIRECTORY, SHOT), (GPS_DIRECTORY, POSITION)):
        inside = _rows(
            out,
            order,
            data,
            [entry for entry in exif.sub_directory(data, tag) if entry.tag in allowed],
        )
        if inside:
            start = struct.pack(f"{order}I", _directory(out, order, inside))
            rows[tag] = _row(out, order, tag, LONG, 1, start)
    struct.pack_into(f"{order}I", out, 4, _directory(out, order, rows))
    return bytes(out)


def _rows(out: bytearray, order: str, data: bytes, entries: list[Entry]) -> dict[int, bytes]:
    """Entries of the EXIF ``data`` by tag, as the 12 bytes that they are in ``out``; of several for
    one tag the last.
    """
    held = {entry.tag: entry for entry in entries}
    return {
        tag: _row(out, order, tag, entry.kind, entry.number, _ordered(entry, data, order))
        for tag, entry in held.items()
    }


def _ordered(entry: Entry, data: bytes, order: str) -> bytes:
    """The values of an entry of ``data``, in another order of bytes."""
    width = _WIDTHS[entry.kind]
    values = data[entry.start : entry.start + entry.size]
    return (
        np.frombuffer(values, f"{exif.byte_order(data)}u{width}")
        .astype(f"{order}u{width}")
        .tobytes()
    )


def _row(out: bytearray, order: str, tag: int, kind: int, number: int, value: bytes) -> bytes:
    """The 12 bytes of an entry; a value that they do not hold is put behind ``out``."""
    value = value.ljust(4, b"\0")
    if len(value) > 4:
        value = struct.pack(f"{order}I", _append(out, value))
    return struct.pack(f"{order}2HI", tag, kind, number) + value


def _directory(out: bytearray, order: str, rows: dict[int, bytes]) -> int:
    """Puts a directory behind ``out``, the last of its chain; returns where it begins."""
    table = b"".join(row for _, row in sorted(rows.items()))
    return _append(out, struct.pack(f"{order}H", len(rows)) + table + bytes(4))


def _append(out: bytearray, data: bytes) -> int:
    """Puts data behind ``out`` at an even place, which is returned."""
    out += bytes(len(out) % 2)
    place = len(out)
    out += data
    return place
