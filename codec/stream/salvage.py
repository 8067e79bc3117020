"""Latents of what is still whole in a damaged file (`codec.stream.scan`).

Whole tiles are decoded as ever, lost ones are zeros. A picture in one piece is range-coded
from end to end, so nothing tells where the damage is: what the range decoder gives is decoded, from
where it fails on nothing is added to what the networks predict, and all of it is reported as not to
be trusted.
"""

import contextlib

import numpy as np

from metamer.codec.errors import StreamError
from metamer.codec.format import container
from metamer.codec.format.container import Header, Kind, Section
from metamer.codec.network.model import Model
from metamer.codec.stream.coded_picture import (
    CodedPicture,
    parse_tiles,
    tile_boxes,
    unpack_overlay,
    unpack_tile,
)
from metamer.codec.stream.overlays import Overlay
from metamer.codec.stream.tile_decoder import TileDecoder
from metamer.entropy.coder import DamagedError, Decoder
from metamer.entropy.tables import Tables


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
                number, tile_turn, words = unpack_tile(header, section.body)
                if number < len(tiles) and payloads[number] is None:
                    payloads[number], turn = words, turn or tile_turn
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


class LenientTileDecoder:
    """Decodes the latents of a damaged picture's tiles, by number; call it.

    Attributes:
        lost: Numbers of the tiles whose latents are zeros, because nothing is left of them.
    """

    def __init__(
        self,
        picture: CodedPicture,
        model: Model,
        groups: int | None,
        damaged: bool,
    ):
        """Prepares to decode.

        Args:
            picture: The picture as coded.
            model: Its model.
            groups: As for `TileDecoder`.
            damaged: Whether anything of the file is.
        """
        untrusted = damaged and not picture.header.tiled
        self._tiles = TileDecoder(picture, model, groups, LenientDecoder if untrusted else Decoder)
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
