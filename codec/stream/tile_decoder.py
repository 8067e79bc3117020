"""Tiles to latents."""

from collections.abc import Callable

import numpy as np

from metamer.codec.errors import StreamError
from metamer.codec.network import latents
from metamer.codec.network.model import Model
from metamer.codec.stream.coded_picture import CodedPicture
from metamer.entropy.coder import DamagedError, Decoder


class TileDecoder:
    """Decodes the latents of a picture's tiles, by number; call it."""

    def __init__(
        self,
        picture: CodedPicture,
        model: Model,
        groups: int | None = None,
        reader: Callable = Decoder,
    ):
        """Prepares to decode.

        Args:
            picture: The picture as coded.
            model: Its model.
            groups: How many groups of channels to decode, as in `latents.read_latents`.
            reader: Makes a range decoder of tables and a payload.
        """
        self._picture, self._model, self._groups, self._reader = picture, model, groups, reader

    def __call__(self, number: int) -> np.ndarray:
        """Decodes a tile.

        Args:
            number: Its number, in raster order.

        Returns:
            (h, w, M) in sixteenths of a step: int16 if that holds them, else int32.

        Raises:
            StreamError: The tile is damaged.
        """
        box, payload = self._picture.tiles[number], self._picture.payloads[number]
        model, index = self._model, self._picture.header.quality
        shape = (box.height, box.width, model.latents)
        # all that is displayed of it is in an overlay; its neighbours' networks look here
        if payload is None:
            return np.zeros(shape, np.int16)
        try:
            reader = self._reader(model.tables, payload)
            decoded = latents.read_latents(
                model, index, box.height, box.width, reader, self._groups
            )
        except DamagedError as problem:
            raise StreamError(f"is damaged: {problem}") from None
        return compact(decoded)


def compact(values: np.ndarray) -> np.ndarray:
    """The same integers in 16 bits each if they fit."""
    limits = np.iinfo(np.int16)
    return (
        values.astype(np.int16)
        if limits.min <= values.min() and values.max() <= limits.max
        else values
    )
