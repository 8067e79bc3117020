"""What is still whole in a damaged file, and a picture of it.

Version 2 has a checksum for each section, and a tile's section says which tile it is: whole tiles
are decoded as ever, lost ones are crossed out. Version 1 has one checksum for all, and a picture in
one piece is range-coded from end to end, so nothing tells where the damage is: what the range
decoder gives is decoded, from where it fails on nothing is added to what the networks predict, and
all of it is reported as not to be trusted.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageColor, ImageDraw

from metamer.codec import container
from metamer.codec.container import ANCILLARY, HEADER_BYTES, Header, Kind, Section
from metamer.codec.errors import StreamError
from metamer.codec.grid import Box
from metamer.codec.network.decoders import Synthesis
from metamer.codec.network.latents import STRIDE
from metamer.codec.network.model import Model
from metamer.codec.stream import overlays
from metamer.codec.stream.overlays import Overlay
from metamer.codec.stream.sections import attach_extras, decode_transparency, pillow_info
from metamer.codec.stream.tiles import (
    TILE_NUMBER,
    CodedPicture,
    TileDecoder,
    parse_tiles,
    tile_boxes,
    unpack_overlay,
    unpack_tile,
)
from metamer.entropy.coder import DamagedError, Decoder
from metamer.entropy.tables import Tables

# sections that a file may have besides its tiles; what more there are is not looked at
OTHERS = 1 << 8
SEARCH = 1 << 30  # bytes that are summed at most in search of whole sections: about a second
# bytes that could be summed in the time that it takes to look at a candidate at all
TRIED = 1 << 12
_KINDS = frozenset(Kind)
GREY, CROSS = "#808080", "#606060"


@dataclass(frozen=True)
class Salvaged:
    """A picture and what is wrong with it, a line for each damage, none for a whole file.

    lost: parts of the picture that are crossed out, (x, y, width, height).
    """

    picture: Image.Image
    damage: tuple[str, ...]
    lost: tuple[tuple[int, int, int, int], ...] = ()


class LenientDecoder:
    """An entropy.coder Decoder that reads zeros once the words make no sense."""

    def __init__(self, tables: Tables, payload: bytes):
        self._reader: Decoder | None = Decoder(tables, payload)

    def read(self, indices: np.ndarray) -> np.ndarray:
        if self._reader is not None:
            try:
                return self._reader.read(indices)
            except DamagedError:
                self._reader = None
        return np.zeros(len(indices), np.int32)

    def finish(self) -> None:
        """Words may be left over: they are not to be trusted anyway."""


def scan_sections(data: bytes) -> tuple[Header, list[Section], list[str]]:
    """Header, whole sections and what is wrong with the rest. Raises StreamError where the header
    is damaged.
    """
    header = container.read_header(data)
    if container.version(data) == 1:
        return (
            header,
            [Section(Kind.PICTURE, data[HEADER_BYTES:])],
            [
                "its one checksum does not match, so nothing tells which parts of the picture are "
                "right"
            ],
        )
    found: list[Section] = []
    damage: list[str] = []
    end, finished, begun = HEADER_BYTES, False, False
    most = len(tile_boxes(header)) * (1 + header.overlaid) + OTHERS
    for place, after, section, last in _whole(data, len(tile_boxes(header))):
        if place > end:
            damage.append(f"bytes {end} to {place - 1} are damaged")
        if section.kind < ANCILLARY and section.kind not in list(Kind):
            raise StreamError(
                f"uses features (section {section.kind}) that this program does not know"
            )
        found.append(section)
        end, finished, begun = after, last, begun or place == HEADER_BYTES
        if last:
            break
        if len(found) == most:
            damage.append(
                "it has more sections than a picture of its size needs; those behind the first "
                f"{most} are left out"
            )
            finished, end = True, len(data)
            break
    if not finished:
        damage.append(
            f"bytes {end} to {len(data) - 1} are damaged, or cut off"
            if end < len(data)
            else "its end is cut off"
        )
    elif end < len(data):
        damage.append(f"{len(data) - end} bytes follow its last section")
    if not header.tiled and not any(_all(header, section) for section in found):
        if begun and not header.overlaid:
            raise StreamError("is not as the format has it: it holds no picture")
        try:
            kind, start, end = container.read_start(data, HEADER_BYTES)
            if header.overlaid and kind & ~container.LAST != Kind.PICTURE:
                raise StreamError("is damaged")
        except StreamError:
            raise StreamError(
                "is damaged where its picture begins; nothing of it can be salvaged"
            ) from None
        found.insert(0, Section(Kind.PICTURE, data[start:end]))
        damage.append("its picture is damaged, and nothing tells which parts are right")
    return header, found, damage


def _all(header: Header, section: Section) -> bool:
    """Whether a section shows all of a picture in one piece, for better or worse."""
    if section.kind != Kind.OVERLAY:
        return section.kind == Kind.PICTURE
    with contextlib.suppress(StreamError):
        return unpack_overlay(header, tile_boxes(header), section.body)[1].whole
    return False


def _whole(data: bytes, tiles: int) -> Iterator[tuple[int, int, Section, bool]]:
    """(where it begins, where it ends, section, whether it is the last) for all whole sections, in
    order.

    Behind a damaged one: where it says that the next begins, and the next; failing that, at any
    byte.
    """
    place: int | None = HEADER_BYTES
    budget = SEARCH
    while place is not None and place < len(data):
        try:
            section, last, end = container.read_section(data, place)
        except StreamError:
            damaged = place
            for candidates in (_following(data, damaged), _plausible(data, damaged, tiles)):
                place, budget = _first_whole(data, candidates, budget)
                if place is not None:
                    break
        else:
            yield place, end, section, last
            place = end


def _first_whole(
    data: bytes, candidates: Iterator[tuple[int, int]], budget: int
) -> tuple[int | None, int]:
    """Where the first whole section begins, None if nowhere, and what is left of ``budget``
    bytes.
    """
    for place, cost in candidates:
        budget -= TRIED + cost
        if budget < 0:
            break
        with contextlib.suppress(StreamError):
            container.read_section(data, place)
            return place, budget
    return None, budget


def _following(data: bytes, place: int) -> Iterator[tuple[int, int]]:
    """Where sections begin behind a damaged one, if the lengths are right, and how many bytes to
    sum to see.
    """
    with contextlib.suppress(StreamError):
        while True:
            _, _, place = container.read_start(data, place)
            if place >= len(data):
                return
            _, _, end = container.read_start(data, place)
            yield place, min(end, len(data)) - place


def _plausible(data: bytes, place: int, tiles: int) -> Iterator[tuple[int, int]]:
    """Where a section might begin behind ``place``, going by its first bytes, and how many bytes to
    sum to see.
    """
    for begin in range(place + 1, len(data)):
        if data[begin] & ~container.LAST not in _KINDS:
            continue
        try:
            kind, start, end = container.read_start(data, begin)
        except StreamError:
            continue
        tile = int.from_bytes(data[start : start + TILE_NUMBER.size], "little")
        if end <= len(data) and (kind & ~container.LAST != Kind.PICTURE or tile < tiles):
            yield begin, end - begin


def report_disorder(header: Header, found: list[Section]) -> list[str]:
    """What is wrong with sections that are whole, all of them: their order and number, in a line,
    or none.
    """
    if problem := container.disorder(header, [section.kind for section in found]):
        return [f"its sections are not as the format has them: {problem}"]
    try:
        parse_tiles(header, found)
    except StreamError as problem:
        return [f"it {problem}"]
    return []


def salvage_tiles(header: Header, found: list[Section]) -> CodedPicture:
    """The picture, with None for the payloads and overlays of tiles that are missing."""
    tiles = tile_boxes(header)
    payloads: list[bytes | None] = [None] * len(tiles)
    over: list[Overlay | None] = [None] * len(tiles)
    turn = None
    for section in found:
        with contextlib.suppress(StreamError):
            if section.kind == Kind.PICTURE:
                number, own, words = unpack_tile(header, section.body)
                if number < len(tiles) and payloads[number] is None:
                    payloads[number], turn = words, turn or own
            elif section.kind == Kind.OVERLAY:
                number, overlay = unpack_overlay(header, tiles, section.body)
                over[number] = over[number] or overlay
    over = [
        overlay if payload is not None or (overlay and overlay.whole) else None
        for overlay, payload in zip(over, payloads, strict=True)
    ]
    return CodedPicture(header, tiles, tuple(payloads), turn, tuple(over))


def missing_tiles(picture: CodedPicture) -> set[int]:
    """Numbers of the tiles that nothing is left of."""
    return {
        number
        for number, (payload, overlay) in enumerate(
            zip(picture.payloads, picture.overlays, strict=True)
        )
        if payload is None and overlay is None
    }


def paint_salvaged(
    picture: CodedPicture, area: Box, image: Image.Image, lost: set[int], damage: list[str]
) -> Image.Image | None:
    """`decoding.paint` of what can be read; what cannot is added to ``damage``, and to ``lost``
    where it was all of a tile.
    """
    opacity = None
    for number, overlay in enumerate(picture.overlays):
        if overlay is not None and number not in lost and picture.area(number).meets(area):
            try:
                opacity = overlays.paint_overlay(
                    overlay, picture.area(number), area, image, opacity
                )
            except StreamError as problem:
                damage.append(
                    f"what tile {number} holds besides the networks' picture is lost: it {problem}"
                )
                if overlay.whole:
                    lost.add(number)
    return opacity


class LenientTileDecoder:
    """A `decoding.Tiles` that gives zeros for what is lost. lost: the numbers of those."""

    def __init__(
        self,
        picture: CodedPicture,
        model: Model,
        given: Synthesis,
        groups: int | None,
        damaged: bool,
    ):
        untrusted = damaged and not picture.header.tiled
        self._tiles = TileDecoder(
            picture, model, given, groups, LenientDecoder if untrusted else Decoder
        )
        self._picture, self._channels = picture, model.latents
        self.lost = missing_tiles(picture)

    def __call__(self, number: int) -> np.ndarray:
        if number not in self.lost:
            try:
                return self._tiles(number)
            except StreamError:
                if not self._picture.header.tiled:
                    raise
                self.lost.add(number)
        box = self._picture.tiles[number]
        return np.zeros((box.height, box.width, self._channels), np.int16)


def attach_salvaged(
    picture: Image.Image,
    header: Header,
    found: list[Section],
    area: Box,
    damage: list[str],
    transparency: Image.Image | None = None,
) -> Image.Image:
    """`auxiliary.attach` of what can be read; what cannot is added to ``damage``. transparency: of
    overlays, if any.
    """
    info: dict[str, bytes] = {}
    try:
        transparency = transparency or decode_transparency(header, found, area)
    except StreamError as problem:
        damage.append(f"its transparency is lost: it {problem}")
    # the first of each kind
    for section in {section.kind: section for section in reversed(found)}.values():
        try:
            info |= pillow_info([section])
        except StreamError as problem:
            damage.append(f"its {Kind(section.kind).name} is lost: it {problem}")
    return attach_extras(picture, transparency, info)


def mark_lost(
    picture: Image.Image, area: Box, tiles: CodedPicture, lost: set[int], damage: list[str]
) -> Salvaged:
    """Crosses lost tiles out of ``picture``, which shows ``area``, and reports."""
    whole, parts, told = Box(0, 0, tiles.header.height, tiles.header.width), [], []
    for number in sorted(lost):
        box = tiles.tiles[number].scaled(STRIDE).grown(0, 0, whole)
        if box.meets(area):
            cross_out(picture, box, area)
        parts.append((box.left, box.top, box.width, box.height))
        told.append(
            f"tile {number} is lost: {box.width}x{box.height} pixels at {box.left},{box.top}"
        )
    return Salvaged(picture, (*damage, *told), tuple(parts))


def cross_out(picture: Image.Image, box: Box, area: Box) -> None:
    """Makes ``box`` flat grey with a cross in a ``picture`` that shows ``area``, all in pixels."""
    draw = ImageDraw.Draw(picture)
    left, top, right, bottom = (
        box.left - area.left,
        box.top - area.top,
        box.right - area.left - 1,
        box.bottom - area.top - 1,
    )
    width = max(1, min(box.width, box.height) // 64)
    # opaque, of the picture's mode
    flat, cross = (ImageColor.getcolor(colour, picture.mode) for colour in (GREY, CROSS))
    draw.rectangle((left, top, right, bottom), flat)
    draw.line((left, top, right, bottom), cross, width)
    draw.line((left, bottom, right, top), cross, width)
