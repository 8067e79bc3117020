"""Hostile and damaged `.mtm` files out of good ones.

`damage` changes bytes as storage and networks do and leaves checksums as they were: every such file
must be refused. `craft` changes what a file says and writes right checksums, so that what lies
behind them is reached.
"""

import contextlib
import itertools
import random
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from metamer.codec.errors import StreamError
from metamer.codec.format.container import (
    ANCILLARY,
    GREY,
    HEADER_BYTES,
    LAST,
    NO_MODEL,
    TILED,
    TURNED,
    Kind,
    Section,
    pack,
    read_start,
    unpack,
)
from metamer.codec.format.leb128 import leb128, read_leb128
from metamer.codec.network import colour_axes
from metamer.codec.network import model as models
from metamer.codec.picture.metadata import packing
from metamer.codec.stream.coded_picture import TILE_NUMBER
from metamer.codec.stream.overlays import Form

STREAMS = Path(__file__).parents[2] / "bitstreams"
NAMES = (
    "pixel-1x1-q50",
    "crop-17x33-q20",
    "flat-48x80-q50",
    "grey-64x64-q20",
    "alpha-72x40-q40",
    "tiles-1072x24-q15",
    "turned-144x120-q35",
    "tiled-turned-1060x36-q20",
    "lossless-grey-33x17",
    "lossless-alpha-72x40",
    "lossless-tiles-1072x20",
    "drawn-blocks-200x90-q50",
    "drawn-residual-56x40-q90",
    "drawn-tiles-1072x96-q50",
)
TURN = colour_axes.Turn((-20, 3, 150), (20, 31, 40)).pack()
SIDES = (1, 2, 15, 16, 17, 32, 33, 64, 255, 1023, 1024, 1025, 2048, 2049, 32768, 65535, 65536)
KINDS = (*Kind, 0, 7, 63, ANCILLARY, ANCILLARY + 7, ANCILLARY + 63)
BYTES = (0x00, 0x01, 0x02, 0x3F, 0x40, 0x41, 0x7F, 0x80, 0x81, 0xC0, 0xFE, 0xFF)
LENGTHS = (
    b"\x80\x00",
    b"\xff" * 5,
    b"\xff\xff\xff\xff\x7f",
    b"\x80\x80\x80\x80\x10",
    b"\x80",
    b"\xff\xff\x03",
    b"\0",
    b"\x7f",
)
_FIELDS, _CHECKSUM = struct.Struct("<3sB4sBBHH"), struct.Struct("<I")
_SIZES = (100, packing.LIMIT - 1, packing.LIMIT, packing.LIMIT + 1, 5 * packing.LIMIT)
_ZEROS = [zlib.compress(bytes(size), 9) for size in _SIZES]


@dataclass
class Part:
    """A section: its first byte, its body, and its length as it shall be written, None for the
    right one.
    """

    first: int
    body: bytes
    length: bytes | None = None

    def written(self) -> bytes:
        start = bytes([self.first]) + (
            leb128(len(self.body)) if self.length is None else self.length
        )
        return start + _CHECKSUM.pack(zlib.crc32(self.body, zlib.crc32(start))) + self.body


@dataclass
class Draft:
    """A file in parts, which need not make sense."""

    version: int
    model_id: bytes
    quality: int
    flags: int
    width: int
    height: int
    parts: list[Part] = field(default_factory=list)
    tail: bytes = b""

    def written(self) -> bytes:
        """The file, every checksum right."""
        sides = (self.width - 1, self.height - 1)
        head = _FIELDS.pack(b"MTM", self.version, self.model_id, self.quality, self.flags, *sides)
        if self.version == 1:
            body = b"".join(part.body for part in self.parts[:1]) + self.tail
            return head + _CHECKSUM.pack(zlib.crc32(body, zlib.crc32(head))) + body
        return (
            head
            + _CHECKSUM.pack(zlib.crc32(head))
            + b"".join(part.written() for part in self.parts)
            + self.tail
        )


def seeds() -> list[bytes]:
    """The smallest conformance streams, and the smallest of all with everything that a file may
    hold, in every form.
    """
    streams = [
        path.read_bytes() for name in NAMES for path in sorted(STREAMS.glob(f"*-{name}.mtm"))
    ]
    header, picture = unpack(streams[0])
    metadata = [
        Section(kind, packing.pack_metadata(body))
        for kind, body in (
            (Kind.ICC, bytes(128) + b"acsp"),
            (Kind.EXIF, b"II*\0" + bytes(40)),
            (Kind.XMP, b"<x:xmpmeta/>" * 9),
        )
    ]
    for tiled, turned in itertools.product((False, True), repeat=2):
        body = TILE_NUMBER.pack(0) * tiled + TURN * turned + picture[0].body
        pieced = replace(header, tiled=tiled, turned=turned)
        streams.append(
            pack(pieced, [Section(Kind.PICTURE, body), *metadata, Section(ANCILLARY, b"unknown")])
        )
    alpha = next(
        data for data in streams if len(unpack(data)[1]) == 2 and not unpack(data)[0].tiled
    )
    pieced, sections = unpack(alpha)
    return [*streams, pack(pieced, [*sections, *metadata])]


def read(data: bytes) -> Draft:
    """The parts of a file, as far as they can be told apart."""
    if len(data) < HEADER_BYTES:
        return Draft(1, b"none", 0, 0, 1, 1, [Part(Kind.PICTURE | LAST, data)])
    _, version, model_id, quality, flags, width, height = _FIELDS.unpack_from(data)
    draft, place = Draft(version, model_id, quality, flags, width + 1, height + 1), HEADER_BYTES
    if version != 2:
        draft.parts = [Part(Kind.PICTURE | LAST, data[HEADER_BYTES:])]
        return draft
    while place < len(data):
        try:
            first, start, end = read_start(data, place)
        except StreamError:
            draft.tail = data[place:]
            break
        right = data[place + 1 : start - _CHECKSUM.size]
        draft.parts.append(
            Part(
                first,
                data[start:end],
                None if right == leb128(end - start) and end <= len(data) else right,
            )
        )
        place = end
    return draft


def mutate(data: bytes, rng: random.Random) -> tuple[bytes, bytes | None]:
    """A file made of ``data``, and ``data`` itself where it is good and was damaged: the file must
    be refused then.
    """
    if rng.random() < 0.4:
        with contextlib.suppress(StreamError):
            unpack(data)
            return damage(data, rng), data
    return craft(data, rng), None


def damage(data: bytes, rng: random.Random) -> bytes:
    """Bits flipped, bytes changed, lost, repeated, moved, cut off, added; checksums are left as
    they are.
    """
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        place, length = rng.randrange(len(changed) + 1), min(1 + int(rng.expovariate(0.2)), 64)
        match rng.randrange(7):
            case 0 | 1 if place < len(changed):
                changed[place] ^= 1 << rng.randrange(8)
            case 2:
                changed[place : place + length] = rng.randbytes(length)
            case 3:
                del changed[place : place + length]
            case 4:
                changed[place:place] = bytes([rng.choice(BYTES)]) * length
            case 5:
                changed[place:place] = changed[
                    (target := rng.randrange(len(changed) + 1)) : target + length
                ]
            case 6:
                del changed[place:]
    return bytes(changed)


def craft(data: bytes, rng: random.Random) -> bytes:
    """One to three things said otherwise, and checksums that say that all is well."""
    draft = read(data)
    for _ in range(rng.choice((1, 1, 2, 3))):
        rng.choice(_OPERATIONS)(draft, rng)
    return draft.written()


def _header(draft: Draft, rng: random.Random) -> None:
    match rng.randrange(7):
        case 0:
            draft.quality = rng.randrange(256)
        case 1:
            draft.flags ^= 1 << rng.choice((0, 0, 1, 1, 2, 3, 7))
        case 2:
            draft.width = rng.choice(SIDES)
        case 3:
            draft.height = rng.choice(SIDES)
        case 4:
            draft.version = rng.choice((1, 2, 2, 0, 3, 255))
        case 5:
            networks = [models.load_model(path.stem) for path in models.shipped_models()]
            ids = [*(n.id for n in networks), *(n.grey_variant.id for n in networks)]
            draft.model_id = rng.choice([*ids, NO_MODEL, rng.randbytes(4)])
        case 6:  # another size that is not large
            draft.width, draft.height = rng.randrange(1, 100), rng.randrange(1, 100)


def _order(draft: Draft, rng: random.Random) -> None:
    parts = draft.parts
    if not parts:
        return
    place, source = rng.randrange(len(parts)), rng.randrange(len(parts))
    match rng.randrange(6):
        case 0:
            del parts[place]
        case 1:
            parts.insert(place, replace(parts[source]))
        case 2:
            parts[place], parts[source] = parts[source], parts[place]
        case 3:
            parts[place].first = rng.choice(KINDS) | parts[place].first & LAST
        case 4:
            parts[place].first ^= LAST
        case 5:
            parts.insert(
                place,
                Part(rng.choice(KINDS) | rng.choice((0, LAST)), rng.randbytes(rng.randrange(9))),
            )
    if parts and rng.random() < 0.8:  # the last one says so, and no other
        for part in parts:
            part.first &= ~LAST
        parts[-1].first |= LAST


def _length(draft: Draft, rng: random.Random) -> None:
    if draft.parts:
        rng.choice(draft.parts).length = rng.choice(LENGTHS)


def _body(draft: Draft, rng: random.Random) -> None:
    """Something inside of a section; most of what there is to say depends on its kind."""
    if not draft.parts:
        return
    part = rng.choice(draft.parts)
    kind = part.first & ~LAST
    if kind == Kind.PICTURE:
        tiled, turned = bool(draft.flags & TILED), bool(draft.flags & TURNED)
        turn_start = TILE_NUMBER.size * tiled
        end = turn_start + colour_axes.BYTES * turned
        number, turn, words = part.body[:turn_start], part.body[turn_start:end], part.body[end:]
        if tiled and rng.random() < 0.4:
            number = TILE_NUMBER.pack(rng.choice((0, 1, 2, 3, 255, 4095, 65535)))
        elif turned and rng.random() < 0.3:
            turn = rng.choice(
                (
                    bytes(colour_axes.BYTES),
                    b"\xff" * colour_axes.BYTES,
                    TURN,
                    rng.randbytes(colour_axes.BYTES),
                )
            )
        else:
            words = _words(words, rng)
        part.body = number + turn + words
    elif kind == Kind.ALPHA:
        part.body = _alpha(part.body, rng)
    elif kind in (Kind.ICC, Kind.EXIF, Kind.XMP):
        part.body = _metadata(part.body, rng)
    elif kind == Kind.OVERLAY:
        turn_start = TILE_NUMBER.size * bool(draft.flags & TILED)
        number = part.body[:turn_start]
        if number and rng.random() < 0.2:
            number = TILE_NUMBER.pack(rng.choice((0, 1, 2, 255, 65535)))
        part.body = number + _overlay(part.body[turn_start:], rng)
    else:
        part.body = damage(part.body, rng)


def _words(words: bytes, rng: random.Random) -> bytes:
    """Of the range coder."""
    match rng.randrange(5):
        case 0:
            return damage(words, rng)
        case 1:
            return rng.randbytes(rng.randrange(200))
        case 2:
            return words[: rng.randrange(len(words) + 1)]
        case 3:
            return words + bytes([rng.choice(BYTES)]) * rng.randrange(1, 400)
        case _:
            place = rng.randrange(len(words) + 1) & ~3
            return (
                words[:place]
                + rng.choice((bytes(4), b"\xff" * 4, rng.randbytes(4)))
                + words[place + 4 :]
            )


def _alpha(body: bytes, rng: random.Random) -> bytes:
    # behind the first tile's length
    start = next((place for place, byte in enumerate(body, 1) if byte < 0x80), 0)
    match rng.randrange(6):
        case 0:
            return rng.choice(LENGTHS) + body[start:]
        case 1:
            data = bytes([rng.randrange(6)]) + damage(body[start + 1 :], rng)
            return leb128(len(data)) + data
        case 4:
            return body[:start] + bytes([rng.randrange(6)]) + body[start + 1 :]
        case 2:
            data = bytes([rng.randrange(4)]) + rng.randbytes(rng.randrange(60))
            return leb128(len(data)) + data
        case 3:
            return body + body
        case _:
            return damage(body, rng)


def _overlay(body: bytes, rng: random.Random) -> bytes:
    """Behind the tile's number: another form, step or map of blocks, or other data."""
    form = body[0] if body else 0
    match rng.randrange(5):
        case 0:
            return bytes([rng.randrange(6)]) + body[1:]
        case 1 if form == Form.RESIDUAL:
            return bytes([form, rng.choice((0, 1, 2, 3, 128, 255))]) + body[2:]
        case 1 | 2 if form == Form.BLOCKS:
            with contextlib.suppress(StreamError, zlib.error):
                length, place = read_leb128(body, 1)
                return (
                    bytes([form]) + _map(body[place : place + length], rng) + body[place + length :]
                )
        case 3:
            place = min(len(body), 2 if form == Form.RESIDUAL else 1)
            return body[:place] + damage(body[place:], rng)
    return damage(body, rng)


def _map(packed: bytes, rng: random.Random) -> bytes:
    """Of an overlay's blocks, and its length: other bits, too many or too few, or no whole
    stream.
    """
    count = len(zlib.decompressobj().decompress(packed))
    match rng.randrange(6):
        case 0:
            packed = zlib.compress(rng.randbytes(max(0, count + rng.choice((-1, 0, 0, 1, 5000)))))
        case 1:
            packed += rng.choice((b"\0", packed, rng.randbytes(3)))
        case 2:
            packed = packed[: rng.randrange(len(packed) + 1)]
        case 3:
            packed = damage(packed, rng)
        case 4:
            return rng.choice(LENGTHS) + packed
        case _:
            packed = zlib.compress(rng.randbytes(count))
    return leb128(len(packed)) + packed


def _metadata(body: bytes, rng: random.Random) -> bytes:
    match rng.randrange(6):
        case 0:
            return bytes([rng.choice(BYTES)]) + body[1:]
        case 1:
            # a bomb takes as long as a hundred other inputs
            return bytes([packing.DEFLATED]) + (
                rng.choice(_ZEROS) if rng.random() < 0.1 else _ZEROS[0]
            )
        case 2:
            return bytes([packing.DEFLATED]) + damage(zlib.compress(rng.randbytes(40) * 9), rng)
        case 3:
            packer = zlib.compressobj(zdict=b"dictionary")
            return bytes([packing.DEFLATED]) + packer.compress(body) + packer.flush()
        case 4:
            return packing.pack_metadata(damage(b"II*\0" + bytes(rng.randbytes(40)), rng))
        case _:
            return damage(body, rng)


def _tail(draft: Draft, rng: random.Random) -> None:
    draft.tail = rng.choice(
        (b"", b"", rng.randbytes(rng.randrange(9)), Part(rng.choice(KINDS), b"").written())
    )


def _form(draft: Draft, rng: random.Random) -> None:
    """The same picture, said in the other version, in tiles, turned, or as grey."""
    draft.version = 2
    match rng.randrange(4):
        case 0 | 1 if draft.parts:
            draft.flags ^= TILED
            part = draft.parts[0]
            part.body = (
                TILE_NUMBER.pack(0) + part.body
                if draft.flags & TILED
                else part.body[TILE_NUMBER.size :]
            )
        case 2:
            draft.flags ^= TURNED
            place = TILE_NUMBER.size * bool(draft.flags & TILED)
            for part in draft.parts:
                if part.first & ~LAST == Kind.PICTURE:
                    remainder = part.body[place:]
                    part.body = part.body[:place] + (
                        TURN + remainder if draft.flags & TURNED else remainder[colour_axes.BYTES :]
                    )
        case 3:
            draft.flags ^= GREY


_OPERATIONS: tuple[Callable[[Draft, random.Random], None], ...] = (
    _header,
    _order,
    _length,
    _body,
    _body,
    _body,
    _tail,
    _form,
)
