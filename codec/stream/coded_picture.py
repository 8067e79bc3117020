"""The tiles of a file: where they lie, and the sections that hold them.

A picture that was coded in one piece is one tile here.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from PIL import Image

from metamer.codec.errors import StreamError
from metamer.codec.format.container import Header, Kind, Section
from metamer.codec.grid import Box, latent_area, split_tiles
from metamer.codec.network import colour_axes
from metamer.codec.stream import overlays
from metamer.codec.stream.overlays import Form, Overlay

# of a tile, before what is coded of it: what is salvaged knows its place
TILE_NUMBER = struct.Struct("<H")


@dataclass(frozen=True)
class CodedPicture:
    """A picture as coded.

    Attributes:
        header: The file's.
        tiles: Where they lie, in latent positions.
        payloads: The range coder's words for each tile; None where it has none, because its overlay
            holds all of it or it is lost.
        turn: How colours were turned, if at all.
        overlays: Of each tile; None where it has none.
    """

    header: Header
    tiles: tuple[Box, ...]
    payloads: tuple[bytes | None, ...]
    turn: colour_axes.Turn | None
    overlays: tuple[Overlay | None, ...]

    def area(self, number: int) -> Box:
        """The pixels of a tile."""
        return overlays.pixel_area(self.tiles[number], self.header)

    def networked(self, area: Box) -> bool:
        """Whether networks decode any of the pixels ``area``."""
        return any(
            payload is not None and self.area(number).meets(area)
            for number, payload in enumerate(self.payloads)
        )


def pack_tile(header: Header, number: int, turn: colour_axes.Turn | None, words: bytes) -> bytes:
    """Packs a picture section.

    Args:
        header: The file's.
        number: The tile's, in raster order; written where the picture is tiled.
        turn: How colours were turned; written where the header says that they were.
        words: The range coder's.

    Returns:
        The section's body.
    """
    return (
        (TILE_NUMBER.pack(number) if header.tiled else b"") + (turn.pack() if turn else b"") + words
    )


def unpack_tile(header: Header, body: bytes) -> tuple[int, colour_axes.Turn | None, bytes]:
    """Unpacks a picture section: the inverse of `pack_tile`.

    Args:
        header: The file's.
        body: The section's.

    Returns:
        The tile's number, how colours were turned, and the range coder's words.

    Raises:
        StreamError: The section is too short.
    """
    number, turn = 0, None
    if len(body) < TILE_NUMBER.size * header.tiled + colour_axes.BYTES * header.turned:
        raise StreamError("is damaged: a picture section is too short")
    if header.tiled:
        (number,) = TILE_NUMBER.unpack_from(body)
        body = body[TILE_NUMBER.size :]
    if header.turned:
        turn, body = colour_axes.unpack_turn(body[: colour_axes.BYTES]), body[colour_axes.BYTES :]
    return number, turn, body


def parse_tiles(header: Header, sections: Sequence[Section]) -> CodedPicture:
    """Reads where a file's tiles lie, and what holds each.

    Args:
        header: The file's.
        sections: All of the file.

    Raises:
        StreamError: Tiles are not all there, in raster order.
    """
    tiles = tile_boxes(header)
    bodies = [section.body for section in sections if section.kind == Kind.PICTURE]
    numbered = dict(parse_overlays(header, sections))
    networks = [
        number
        for number in range(len(tiles))
        if number not in numbered or not numbered[number].whole
    ]
    if len(bodies) != len(networks):
        raise StreamError(f"is not as the format has it: {len(bodies)} of {len(networks)} tiles")
    pieces = [unpack_tile(header, body) for body in bodies]
    if [number for number, _, _ in pieces] != networks:
        raise StreamError("is not as the format has it: tiles are out of order")
    if any(turn != pieces[0][1] for _, turn, _ in pieces):
        raise StreamError("is not as the format has it: tiles differ in how colours were turned")
    payloads = {number: words for number, _, words in pieces}
    everywhere = range(len(tiles))
    return CodedPicture(
        header,
        tiles,
        tuple(payloads.get(number) for number in everywhere),
        pieces[0][1] if pieces else None,
        tuple(numbered.get(number) for number in everywhere),
    )


def parse_overlays(header: Header, sections: Sequence[Section]) -> list[tuple[int, Overlay]]:
    """Reads a file's overlays.

    Args:
        header: The file's.
        sections: All of the file.

    Returns:
        Overlays with the numbers of their tiles, ascending.

    Raises:
        StreamError: They are damaged or out of order, or hold the transparency of some tiles alone.
    """
    tiles = tile_boxes(header)
    pairs = [
        unpack_overlay(header, tiles, section.body)
        for section in sections
        if section.kind == Kind.OVERLAY
    ]
    if any(one >= other for (one, _), (other, _) in pairwise(pairs)):
        raise StreamError("is not as the format has it: overlays are out of order")
    opacity = [overlay.form == Form.WITH_OPACITY for _, overlay in pairs]
    if any(opacity) and (
        not all(opacity) or len(pairs) < len(tiles) or any(s.kind == Kind.ALPHA for s in sections)
    ):
        raise StreamError(
            "is not as the format has it: transparency is in some overlays, or there twice"
        )
    return pairs


def pack_overlay(header: Header, number: int, overlay: Overlay) -> bytes:
    """Packs an overlay section; returns its body."""
    return (TILE_NUMBER.pack(number) if header.tiled else b"") + overlay.pack()


def unpack_overlay(header: Header, tiles: Sequence[Box], body: bytes) -> tuple[int, Overlay]:
    """Unpacks an overlay section: the inverse of `pack_overlay`.

    Args:
        header: The file's.
        tiles: `tile_boxes` of it.
        body: The section's.

    Returns:
        The tile's number, and its overlay.

    Raises:
        StreamError: The overlay is damaged, or of a tile that is not there.
    """
    number = 0
    if header.tiled:
        if len(body) < TILE_NUMBER.size:
            raise StreamError("is damaged: an overlay is too short")
        (number,) = TILE_NUMBER.unpack_from(body)
        body = body[TILE_NUMBER.size :]
    if number >= len(tiles):
        raise StreamError(
            f"is not as the format has it: an overlay of tile {number}, of {len(tiles)}"
        )
    area = overlays.pixel_area(tiles[number], header)
    return number, overlays.parse_overlay(body, area.width, area.height)


def tile_boxes(header: Header) -> tuple[Box, ...]:
    """Where the tiles of a picture lie, in latent positions."""
    whole = latent_area(header.width, header.height)
    return tuple(split_tiles(whole)) if header.tiled else (whole,)


def paint_overlays(picture: CodedPicture, area: Box, image: Image.Image) -> Image.Image | None:
    """Puts overlays into a decoded picture.

    Args:
        picture: The picture as coded.
        area: The pixels that ``image`` shows.
        image: Mode L or RGB, what the networks decoded; it is changed.

    Returns:
        The opacity of these pixels, mode L, if overlays hold it.

    Raises:
        StreamError: An overlay is damaged.
    """
    opacity = None
    for number, overlay in enumerate(picture.overlays):
        if overlay is not None and picture.area(number).meets(area):
            opacity = overlays.paint_overlay(overlay, picture.area(number), area, image, opacity)
    return opacity
