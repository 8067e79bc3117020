"""Checkpoints that other packages carry, as tensors by torchvision's names; nothing in a checkpoint
is executed.
"""

import io
import pickle
import re
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from metamer.perception.errors import WeightsError

ARRAY_GLOBALS = {  # all that a pickle of arrays names
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    # numpy 2 keeps it in another module
    ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
}


class ArrayUnpickler(pickle.Unpickler):
    """Reads pickles of plain containers and numpy arrays, and refuses whatever else they name:
    nothing of theirs runs.
    """

    def find_class(self, module: str, name: str):
        if (module, name) not in ARRAY_GLOBALS:
            raise WeightsError(
                f"a pickle of arrays names {module}.{name}, which arrays do not need"
            )
        return ARRAY_GLOBALS[module, name]


def from_torch(data: bytes) -> dict[str, Tensor]:
    """The tensors of a torch checkpoint."""
    tensors = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    return {name: tensor.detach().contiguous() for name, tensor in tensors.items()}


def from_jax(data: bytes, network: str, positions: tuple[int, ...]) -> dict[str, Tensor]:
    """The convolutions of a pickled Flax network, kernels (H, W, I, O), by their ``positions``
    among torchvision's features.
    """
    layers = ArrayUnpickler(io.BytesIO(data)).load()[network]
    tensors = {}
    for index, position in enumerate(positions):
        layer = layers[f"Conv_{index}"]
        tensors[f"features.{position}.weight"] = torch.tensor(
            layer["kernel"].transpose(3, 2, 0, 1)
        ).contiguous()
        tensors[f"features.{position}.bias"] = torch.tensor(layer["bias"])
    return tensors


def module_class(name: str) -> type:
    """A class for what a TorchScript archive calls a module: it holds the attributes and does
    nothing.
    """
    return type(name, (), {})


def rebuild_tensor(
    storage: np.ndarray, offset: int, size: list, stride: list, *flags: object
) -> Tensor:
    """As torch rebuilds tensors: a strided view of a storage, copied."""
    return torch.as_strided(torch.from_numpy(storage), tuple(size), tuple(stride), offset).clone()


class ScriptUnpickler(pickle.Unpickler):
    """Reads modules and float32 tensors of a TorchScript archive and refuses whatever else it
    names: nothing of its runs.
    """

    ALLOWED: ClassVar = {
        ("torch._utils", "_rebuild_tensor_v2"): rebuild_tensor,
        ("torch", "FloatStorage"): "<f4",
        ("torch.jit._pickle", "build_intlist"): list,
        ("collections", "OrderedDict"): OrderedDict,
    }

    def __init__(self, archive: zipfile.ZipFile, root: str):
        super().__init__(archive.open(f"{root}/data.pkl"))
        self.archive, self.root = archive, root

    def find_class(self, module: str, name: str):
        if module.startswith("__torch__."):
            return module_class(name)
        if (module, name) not in self.ALLOWED:
            raise WeightsError(
                f"a pickle of a TorchScript archive names {module}.{name}, which tensors do not "
                "need"
            )
        return self.ALLOWED[module, name]

    def persistent_load(self, identity: tuple) -> np.ndarray:
        _, element, key, _, _ = identity
        return np.frombuffer(self.archive.read(f"{self.root}/data/{key}"), element).copy()


def tensors_in(module: object, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
    """Every tensor of a module and of those within, with its dotted name."""
    for name, value in vars(module).items():
        if isinstance(value, Tensor):
            yield prefix + name, value
        elif hasattr(value, "__dict__"):
            yield from tensors_in(value, f"{prefix}{name}.")


def from_script(data: bytes, prefix: str) -> dict[str, Tensor]:
    """The tensors below ``prefix`` of Inception in TorchScript, named as in Google's graph:
    mixed_9.tower.mixed.conv.weight.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        root = archive.namelist()[0].partition("/")[0]
        named_tensors = tensors_in(ScriptUnpickler(archive, root).load())
    tensors = {
        name.removeprefix(prefix): tensor
        for name, tensor in named_tensors
        if name.startswith(prefix)
    }
    return {
        re.sub(r"(tower(?:_\d)?|mixed)_(?=conv|mixed)", r"\1.", name): tensor
        for name, tensor in tensors.items()
    }
