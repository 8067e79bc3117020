"""Metamer, a learned image codec: photographs to small files and back, on a plain CPU.

>>> import metamer
>>> from PIL import Image
>>> data = metamer.encode(Image.new("RGB", (64, 48), (200, 120, 40)), quality=30)
>>> metamer.decode(data).size
(64, 48)

`metamer.codec` and `metamer.entropy` are the runtime, whose functions stand here too;
`metamer.perception`, `metamer.train` and `metamer.evaluation` want their extras.
"""

import importlib
from typing import TYPE_CHECKING, Any

from metamer.codec.errors import (
    FileError,
    ImageError,
    MetamerError,
    ModelError,
    RecipeError,
    StreamError,
)

if TYPE_CHECKING:
    from metamer.codec.decode import decode, decode_latents, rescue
    from metamer.codec.encode import cross_entropy, encode
    from metamer.codec.info import Info, info
    from metamer.codec.stream.salvaged_picture import Salvaged

_HOMES = {
    "Info": "metamer.codec.info",
    "Salvaged": "metamer.codec.stream.salvaged_picture",
    "cross_entropy": "metamer.codec.encode",
    "decode": "metamer.codec.decode",
    "decode_latents": "metamer.codec.decode",
    "encode": "metamer.codec.encode",
    "info": "metamer.codec.info",
    "rescue": "metamer.codec.decode",
}
_ROOMS = ("bitstreams", "codec", "entropy", "evaluation", "perception", "train")

__all__ = [  # in the order in which a reader wants them
    "encode",
    "decode",
    "info",
    "rescue",
    "decode_latents",
    "cross_entropy",
    "Info",
    "Salvaged",
    "MetamerError",
    "ImageError",
    "StreamError",
    "ModelError",
    "RecipeError",
    "FileError",
]


def __getattr__(name: str) -> Any:
    """What is not bound above, imported when first used: command and plugin start without the
    runtime.
    """
    if name in _ROOMS:
        return importlib.import_module(f"metamer.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'metamer' has no attribute '{name}'")
    return globals().setdefault(name, getattr(importlib.import_module(_HOMES[name]), name))


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_ROOMS})
