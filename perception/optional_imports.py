"""Packages that only some distances need."""

import importlib
import importlib.util
import sys
from types import ModuleType

import torch

from metamer.perception.errors import MetricError
from metamer.perception.install_hints import advice


def import_package(name: str) -> ModuleType:
    """Imports a package, or says with one `MetricError` what brings it."""
    try:
        accept_foreign_torchvision()
        return importlib.import_module(name)
    except ImportError as problem:
        missing = problem.name or name
        raise MetricError(
            f"this distance needs the package {missing}: {advice(missing)}"
        ) from problem


def accept_foreign_torchvision() -> None:
    """Lets torchvision import with a torch it was not compiled for (PyPI's CUDA build beside a CPU
    torch, say).

    piq, ColorVideoVDP and CompressAI import torchvision but call none of its compiled operators.
    Its import fails only where it describes two of them, non-maximum suppressions, to torch;
    declaring their signatures first is enough.
    """
    if _DECLARED or importlib.util.find_spec("torchvision") is None:
        return
    try:
        importlib.import_module("torchvision")
    except RuntimeError as problem:
        if "torchvision::nms" not in str(problem):
            raise
        library = torch.library.Library("torchvision", "FRAGMENT")
        for operator in ("nms", "qnms"):
            library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _DECLARED.append(library)  # the declarations last as long as this object
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]


_DECLARED: list[torch.library.Library] = []
