"""Metamer's runtime: photographs to small files and back, on a plain CPU.

>>> import codec
>>> from PIL import Image
>>> data = codec.encode(Image.new("RGB", (64, 48), (200, 120, 40)), quality=30)
>>> codec.decode(data).size
(64, 48)
"""

from codec.coding import Info, cross_entropy, decode, decode_latents, encode, info, rescue
from codec.errors import FileError, ImageError, MetamerError, ModelError, RecipeError, StreamError
from codec.salvage import Salvaged

__all__ = [
    "FileError",
    "ImageError",
    "Info",
    "MetamerError",
    "ModelError",
    "RecipeError",
    "Salvaged",
    "StreamError",
    "cross_entropy",
    "decode",
    "decode_latents",
    "encode",
    "info",
    "rescue",
]
