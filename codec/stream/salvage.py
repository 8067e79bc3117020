"""A picture of what is still whole in a damaged file (`codec.stream.scan`).

Whole tiles are decoded as ever, lost ones are crossed out. A picture in one piece is range-coded
from end to end, so nothing tells where the damage is: what the range decoder gives is decoded, from
where it fails on nothing is added to what the networks predict, and all of it is reported as not to
be trusted.
"""

import contextlib
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageColor, ImageDraw

from metamer.codec.errors import StreamError
from metamer.codec.format import container
from metamer.codec.format.container import Header, Kind, Section
from metamer.codec.grid import STRIDE, Box
from metamer.codec.network.decoders import Synthesis
from metamer.codec.network.model import Model
from metamer.codec.stream import overlays
from metamer.codec.stream.coded_picture import (
    CodedPicture,
    parse_tiles,
    tile_boxes,
    unpack_overlay,
    unpack_tile,
)
from metamer.codec.stream.overlays import Overlay
from metamer.codec.stream.sections import attach_extras, decode_transparency, pillow_info
from metamer.codec.stream.tile_decoder import TileDecoder
from metamer.entropy.coder import DamagedError, Decoder
from metamer.entropy.tables import Tables

GREY, CROSS = "#808080", "#606060"


@dataclass(frozen=True)
class Salvaged:
    """A picture, and what is wrong with it.

    Attributes:
        picture: As `decode` gives it, with lost tiles crossed out.
        damage: A line for each damage; none for a whole file.
        lost: What is crossed out, (x, y, width, height) in pixels each.
    """

    picture: Image.Image
    damage: tuple[str, ...]
    lost: tuple[tuple[int, int, int, int], ...] = ()


class LenientDecoder:
    """A range decoder that reads zeros once the words make no sense."""

    def __init__(self, tables: Tables, payload: bytes):
        self._reader: Decoder | None = Decoder(tables, payload)

    def read(self, indices: np.ndarray) -> np.ndarray:
        """As `Decoder.read`."""
        if self._reader is not None:
            try:
                return self._reader.read(indices)
            except DamagedError:
                self._reader = None
        return np.zeros(len(indices), np.int32)

    def finish(self) -> None:
        """Words may be left over: they are not to be trusted anyway."""


def report_disorder(header: Header, sections: list[Section]) -> list[str]:
    """Says what is wrong with the order or number of sections that are whole.

    Args:
        header: The file's.
        sections: All of the file.

    Returns:
        One line, or none.
    """
    if problem := container.disorder(header, [section.kind for section in sections]):
        return [f"its sections are not as the format has them: {problem}"]
    try:
        parse_tiles(header, sections)
    except StreamError as problem:
        return [f"it {problem}"]
    return []


def salvage_tiles(header: Header, sections: list[Section]) -> CodedPicture:
    """Reads where a file's tiles lie, and what is left of each.

    Args:
        header: The file's.
        sections: Those that are whole.

    Returns:
        The picture as coded, with None for payloads and overlays that are missing.
    """
    tiles = tile_boxes(header)
    payloads: list[bytes | None] = [None] * len(tiles)
    held: list[Overlay | None] = [None] * len(tiles)
    turn = None
    for section in sections:
        with contextlib.suppress(StreamError):
            if section.kind == Kind.PICTURE:
                number, own, words = unpack_tile(header, section.body)
                if number < len(tiles) and payloads[number] is None:
                    payloads[number], turn = words, turn or own
            elif section.kind == Kind.OVERLAY:
                number, overlay = unpack_overlay(header, tiles, section.body)
                held[number] = held[number] or overlay
    held = [
        overlay if payload is not None or (overlay and overlay.whole) else None
        for overlay, payload in zip(held, payloads, strict=True)
    ]
    return CodedPicture(header, tiles, tuple(payloads), turn, tuple(held))


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
    """Puts those overlays that can be read into a decoded picture.

    Args:
        picture: The picture as coded.
        area: The pixels that ``image`` shows.
        image: Mode L or RGB; it is changed.
        lost: Numbers of lost tiles; those whose overlay is all there was are added.
        damage: A line is added for each overlay that cannot be read.

    Returns:
        The opacity of these pixels, mode L, if overlays hold it.
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
    """Decodes the latents of a damaged picture's tiles, by number; call it.

    Attributes:
        lost: Numbers of the tiles whose latents are zeros, because nothing is left of them.
    """

    def __init__(
        self,
        picture: CodedPicture,
        model: Model,
        given: Synthesis,
        groups: int | None,
        damaged: bool,
    ):
        """Prepares to decode.

        Args:
            picture: The picture as coded.
            model: Its model.
            synthesis: What the latents are for.
            groups: As for `TileDecoder`.
            damaged: Whether anything of the file is.
        """
        untrusted = damaged and not picture.header.tiled
        self._tiles = TileDecoder(
            picture, model, given, groups, LenientDecoder if untrusted else Decoder
        )
        self._picture, self._channels = picture, model.latents
        self.lost = missing_tiles(picture)

    def __call__(self, number: int) -> np.ndarray:
        """As `TileDecoder`, but zeros for a lost tile."""
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
    sections: list[Section],
    area: Box,
    damage: list[str],
    transparency: Image.Image | None = None,
) -> Image.Image:
    """Gives a decoded picture what can be read of its transparency and metadata.

    Args:
        picture: The picture; it is changed.
        header: The file's.
        sections: Those that are whole.
        area: The pixels that ``picture`` shows.
        damage: A line is added for all that cannot be read.
        transparency: Of overlays, if there is any.

    Returns:
        ``picture``.
    """
    info: dict[str, bytes] = {}
    try:
        transparency = transparency or decode_transparency(header, sections, area)
    except StreamError as problem:
        damage.append(f"its transparency is lost: it {problem}")
    # the first of each kind
    for section in {section.kind: section for section in reversed(sections)}.values():
        try:
            info |= pillow_info([section])
        except StreamError as problem:
            damage.append(f"its {Kind(section.kind).name} is lost: it {problem}")
    return attach_extras(picture, transparency, info)


def mark_lost(
    picture: Image.Image, area: Box, tiles: CodedPicture, lost: set[int], damage: list[str]
) -> Salvaged:
    """Crosses lost tiles out, and reports.

    Args:
        picture: The decoded picture; it is changed.
        area: The pixels that it shows.
        tiles: The picture as coded.
        lost: Numbers of the lost tiles.
        damage: What is wrong besides.
    """
    whole, parts, lines = Box(0, 0, tiles.header.height, tiles.header.width), [], []
    for number in sorted(lost):
        box = tiles.tiles[number].scaled(STRIDE).grown(0, 0, whole)
        if box.meets(area):
            cross_out(picture, box, area)
        parts.append((box.left, box.top, box.width, box.height))
        lines.append(
            f"tile {number} is lost: {box.width}x{box.height} pixels at {box.left},{box.top}"
        )
    return Salvaged(picture, (*damage, *lines), tuple(parts))


def cross_out(picture: Image.Image, box: Box, area: Box) -> None:
    """Makes a part of a picture flat grey with a cross.

    Args:
        picture: The picture; it is changed.
        box: The part, in pixels.
        area: The pixels that ``picture`` shows.
    """
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
