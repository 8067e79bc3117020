"""A file's sections to latents, tile by tile. A picture that was coded in one piece is one tile
here.
"""

import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from PIL import Image

from metamer.codec.container import Header, Kind, Section
from metamer.codec.errors import StreamError
from metamer.codec.grid import Box, split_tiles
from metamer.codec.network import colour_axes, latents, texture
from metamer.codec.network.decoders import Synthesis
from metamer.codec.network.model import Model
from metamer.codec.picture import pixels
from metamer.codec.stream import overlays
from metamer.codec.stream.overlays import Form, Overlay
from metamer.entropy.coder import DamagedError, Decoder

# of a tile, before what is coded of it: what is salvaged knows its place
TILE_NUMBER = struct.Struct("<H")


def latent_area(width: int, height: int) -> Box:
    """All latent positions of a picture of that many pixels."""
    height, width = pixels.padded_size(height, width)
    return Box(0, 0, height // latents.STRIDE, width // latents.STRIDE)


@dataclass(frozen=True)
class CodedPicture:
    """A picture as coded: the tiles' places, and how colours were turned.

    payloads: of the networks' words, tile by tile; None for a tile that has none, because its
    overlay holds all of it or it is lost. overlays: None where a tile has none.
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
    """The body of a picture section: before the words a tile's number and the turn of colours,
    where the header says so.
    """
    return (
        (TILE_NUMBER.pack(number) if header.tiled else b"") + (turn.pack() if turn else b"") + words
    )


def unpack_tile(header: Header, body: bytes) -> tuple[int, colour_axes.Turn | None, bytes]:
    """The inverse of `pack_tile`. Raises StreamError."""
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
    """The picture of a file. Raises StreamError where its tiles are not all there, in
    raster order.
    """
    tiles = tile_boxes(header)
    bodies = [section.body for section in sections if section.kind == Kind.PICTURE]
    over = dict(parse_overlays(header, sections))
    networks = [
        number for number in range(len(tiles)) if number not in over or not over[number].whole
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
        tuple(over.get(number) for number in everywhere),
    )


def parse_overlays(header: Header, sections: Sequence[Section]) -> list[tuple[int, Overlay]]:
    """Overlays with the numbers of their tiles, ascending. Raises StreamError."""
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
    """The body of an overlay section."""
    return (TILE_NUMBER.pack(number) if header.tiled else b"") + overlay.pack()


def unpack_overlay(header: Header, tiles: Sequence[Box], body: bytes) -> tuple[int, Overlay]:
    """The inverse of `pack_overlay`; tiles: of `tile_boxes`. Raises StreamError."""
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


class TileDecoder:
    """Decoded latents of a picture's tiles, by number; call it.

    Each is (h, w, M), in sixteenths of a step: int16 if that holds them, else int32; or float32
    with the texture that ``given`` asks for. groups: as in `latents.read_latents`. reader: makes an
    entropy.coder Decoder of tables and a payload.
    """

    def __init__(
        self,
        picture: CodedPicture,
        model: Model,
        given: Synthesis | None = None,
        groups: int | None = None,
        reader: Callable = Decoder,
    ):
        self._picture, self._model, self._groups, self._reader = picture, model, groups, reader
        self._given = given if given and given.texture else None

    def __call__(self, number: int) -> np.ndarray:
        """Raises StreamError for a damaged tile."""
        box, payload, model = (
            self._picture.tiles[number],
            self._picture.payloads[number],
            self._model,
        )
        shape = (box.height, box.width, model.latents)
        # all that is seen of it is in an overlay; its neighbours' networks look here
        if payload is None:
            return np.zeros(shape, np.int16)
        nothing = np.full(shape, texture.KEPT, np.uint8) if self._given else None
        try:
            reader = self._reader(model.tables, payload)
            decoded = latents.read_latents(
                model,
                self._picture.header.quality,
                box.height,
                box.width,
                reader,
                nothing,
                self._groups,
            )
        except DamagedError as problem:
            raise StreamError(f"is damaged: {problem}") from None
        if self._given is None or nothing is None:
            return compact(decoded)
        # the same for a file, always
        drawn = texture.noise(nothing, self._given.scales, len(model.tables), zlib.crc32(payload))
        return (
            decoded
            + np.repeat(
                np.asarray(self._given.texture, np.float32) * latents.FRACTION, model.groups
            )
            * drawn
        )


def compact(values: np.ndarray) -> np.ndarray:
    """The same integers in 16 bits each if they fit."""
    limits = np.iinfo(np.int16)
    return (
        values.astype(np.int16)
        if limits.min <= values.min() and values.max() <= limits.max
        else values
    )


def paint_overlays(picture: CodedPicture, area: Box, image: Image.Image) -> Image.Image | None:
    """Puts overlays into ``image``, which shows the pixels ``area``; returns their opacity, mode L.
    Raises StreamError.
    """
    opacity = None
    for number, overlay in enumerate(picture.overlays):
        if overlay is not None and picture.area(number).meets(area):
            opacity = overlays.paint_overlay(overlay, picture.area(number), area, image, opacity)
    return opacity
