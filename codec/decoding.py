"""A file's sections to latents, tile by tile. A picture that was coded in one piece is one tile here."""

import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from codec import axes, latents, pixels, texture
from codec.container import Header, Kind, Section
from codec.decoders import Synthesis
from codec.errors import StreamError
from codec.model import Model
from codec.tiles import Box, split
from entropy.coder import DamagedError, Decoder

NUMBER = struct.Struct("<H")  # of a tile, before its range-coded words: what is salvaged knows its place


def positions(width: int, height: int) -> Box:
    """All latent positions of a picture of that many pixels."""
    height, width = pixels.padded_size(height, width)
    return Box(0, 0, height // latents.STRIDE, width // latents.STRIDE)


@dataclass(frozen=True)
class Coded:
    """A picture as coded: the tiles' places, their payloads, None for one that is lost, and how colours were turned."""

    header: Header
    tiles: tuple[Box, ...]
    payloads: tuple[bytes | None, ...]
    turn: axes.Turn | None


def wrap(header: Header, number: int, turn: axes.Turn | None, words: bytes) -> bytes:
    """The body of a picture section: before the words a tile's number and the turn of colours, where the header says so."""
    return (NUMBER.pack(number) if header.tiled else b"") + (turn.pack() if turn else b"") + words


def unwrap(header: Header, body: bytes) -> tuple[int, axes.Turn | None, bytes]:
    """The inverse of `wrap`. Raises StreamError."""
    number, turn = 0, None
    if len(body) < NUMBER.size * header.tiled + axes.BYTES * header.turned:
        raise StreamError("is damaged: a picture section is too short")
    if header.tiled:
        (number,) = NUMBER.unpack_from(body)
        body = body[NUMBER.size :]
    if header.turned:
        turn, body = axes.unpack(body[: axes.BYTES]), body[axes.BYTES :]
    return number, turn, body


def coded(header: Header, sections: Sequence[Section]) -> Coded:
    """The picture of a file. Raises StreamError where its tiles are not all there, in raster order."""
    tiles = places(header)
    bodies = [section.body for section in sections if section.kind == Kind.PICTURE]
    if len(bodies) != len(tiles):
        raise StreamError(f"is not as the format has it: {len(bodies)} of {len(tiles)} tiles")
    numbers, turns, payloads = zip(*(unwrap(header, body) for body in bodies), strict=True)
    if numbers != tuple(range(len(tiles))):
        raise StreamError("is not as the format has it: tiles are out of order")
    if any(turn != turns[0] for turn in turns):
        raise StreamError("is not as the format has it: tiles differ in how colours were turned")
    return Coded(header, tiles, payloads, turns[0])


def places(header: Header) -> tuple[Box, ...]:
    """Where the tiles of a picture lie, in latent positions."""
    whole = positions(header.width, header.height)
    return tuple(split(whole)) if header.tiled else (whole,)


class Tiles:
    """Decoded latents of a picture's tiles, by number; call it.

    Each is (h, w, M), in sixteenths of a step: int16 if that holds them, else int32; or float32 with the texture that ``given``
    asks for. groups: as in `latents.decode`. reader: makes an entropy.coder Decoder of tables and a payload.
    """

    def __init__(
        self, picture: Coded, model: Model, given: Synthesis | None = None, groups: int | None = None,
        reader: Callable = Decoder,
    ):
        self._picture, self._model, self._groups, self._reader = picture, model, groups, reader
        self._given = given if given and given.texture else None

    def __call__(self, number: int) -> np.ndarray:
        """Raises StreamError for a damaged tile."""
        box, payload, model = self._picture.tiles[number], self._picture.payloads[number], self._model
        shape = (box.height, box.width, model.latents)
        nothing = np.full(shape, texture.KEPT, np.uint8) if self._given else None
        try:
            reader = self._reader(model.tables, payload)
            decoded = latents.decode(model, self._picture.header.quality, box.height, box.width, reader, nothing, self._groups)
        except DamagedError as problem:
            raise StreamError(f"is damaged: {problem}") from None
        if self._given is None or nothing is None or payload is None:
            return compact(decoded)
        # the same for a file, always
        drawn = texture.noise(nothing, self._given.scales, len(model.tables), zlib.crc32(payload))
        return decoded + np.repeat(np.asarray(self._given.texture, np.float32) * latents.FRACTION, model.groups) * drawn


def compact(values: np.ndarray) -> np.ndarray:
    """The same integers in 16 bits each if they fit."""
    limits = np.iinfo(np.int16)
    return values.astype(np.int16) if limits.min <= values.min() and values.max() <= limits.max else values
