"""Tiles to latents."""

import zlib
from collections.abc import Callable

import numpy as np

from metamer.codec.errors import StreamError
from metamer.codec.network import latents, texture
from metamer.codec.network.decoders import Synthesis
from metamer.codec.network.model import Model
from metamer.codec.network.passes import FRACTION
from metamer.codec.stream.coded_picture import CodedPicture
from metamer.entropy.coder import DamagedError, Decoder


class TileDecoder:
    """Decodes the latents of a picture's tiles, by number; call it."""

    def __init__(
        self,
        picture: CodedPicture,
        model: Model,
        synthesis: Synthesis | None = None,
        groups: int | None = None,
        reader: Callable = Decoder,
    ):
        """Prepares to decode.

        Args:
            picture: The picture as coded.
            model: Its model.
            synthesis: What the latents are for: some ask for texture in them.
            groups: How many groups of channels to decode, as in `latents.read_latents`.
            reader: Makes a range decoder of tables and a payload.
        """
        self._picture, self._model, self._groups, self._reader = picture, model, groups, reader
        self._textured = synthesis if synthesis and synthesis.texture else None

    def __call__(self, number: int) -> np.ndarray:
        """Decodes a tile.

        Args:
            number: Its number, in raster order.

        Returns:
            (h, w, M) in sixteenths of a step: int16 if that holds them, else int32; float32 with
            texture.

        Raises:
            StreamError: The tile is damaged.
        """
        box, payload = self._picture.tiles[number], self._picture.payloads[number]
        model, index = self._model, self._picture.header.quality
        shape = (box.height, box.width, model.latents)
        # all that is displayed of it is in an overlay; its neighbours' networks look here
        if payload is None:
            return np.zeros(shape, np.int16)
        zeros = np.full(shape, texture.KEPT, np.uint8) if self._textured else None
        try:
            reader = self._reader(model.tables, payload)
            decoded = latents.read_latents(
                model, index, box.height, box.width, reader, zeros, self._groups
            )
        except DamagedError as problem:
            raise StreamError(f"is damaged: {problem}") from None
        if self._textured is None or zeros is None:
            return compact(decoded)
        # the same for a file, always
        seed = zlib.crc32(payload)
        noise = texture.noise(zeros, self._textured.scales, len(model.tables), seed)
        strength = np.asarray(self._textured.texture, np.float32) * FRACTION
        return decoded + np.repeat(strength, model.groups) * noise


def compact(values: np.ndarray) -> np.ndarray:
    """The same integers in 16 bits each if they fit."""
    limits = np.iinfo(np.int16)
    return (
        values.astype(np.int16)
        if limits.min <= values.min() and values.max() <= limits.max
        else values
    )
