"""Metamer's runtime: photographs to small files and back, on a plain CPU.

>>> import codec
>>> from PIL import Image
>>> data = codec.encode(Image.new("RGB", (64, 48), (200, 120, 40)), quality=30)
>>> codec.decode(data).size
(64, 48)
"""

import importlib
from typing import TYPE_CHECKING, Any

from codec.errors import FileError, ImageError, MetamerError, ModelError, RecipeError, StreamError

if TYPE_CHECKING:
    from codec.coding import Info, cross_entropy, decode, decode_latents, encode, info, rescue
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


def __getattr__(name: str) -> Any:
    """What is not bound above, imported when first used: command and plugin start without the runtime."""
    if name not in __all__:
        raise AttributeError(f"module 'codec' has no attribute '{name}'")
    home = importlib.import_module("codec.salvage" if name == "Salvaged" else "codec.coding")
    return globals().setdefault(name, getattr(home, name))


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
