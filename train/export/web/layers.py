"""Layers taken out of a model's graphs, as the JavaScript runtime wants them."""

import math
from collections.abc import Callable

import numpy as np
from torch import Tensor

from metamer.codec.network.files.model_file import graph_names
from metamer.codec.network.model import Model
from metamer.train import start
from metamer.train.export.web.tensors import DIFFERENCES, LINEAR_BITS, Tensors
from metamer.train.networks.transforms.lapped import BLOCK


def _matrix(weight: Tensor) -> np.ndarray:
    """(O, k·k·C) of a convolution's (O, C, k, k), channels innermost."""
    return weight.permute(0, 2, 3, 1).flatten(1).numpy()


def _spread(rows: np.ndarray, factor: int) -> np.ndarray:
    """Rows in the order that a pixel shuffle puts them: (factor, factor, channels) instead of
    (channels, factor, factor).
    """
    return (
        rows.reshape(-1, factor, factor, *rows.shape[1:])
        .transpose(1, 2, 0, *range(3, rows.ndim + 2))
        .reshape(rows.shape)
    )


def _integer_layer(
    tensors: Tensors,
    constants: dict[str, Tensor],
    source: str,
    name: str,
    kernel: int,
    spread: int = 1,
) -> None:
    weight, bias, scale = start.integers(constants, source, kernel)
    rows, factor = _matrix(weight), scale.numpy()
    tensors.add_whole(f"{name}.weight", _spread(rows, spread))
    tensors.add(f"{name}.factor", _spread(factor, spread))
    tensors.add(f"{name}.offset", _spread(bias.numpy() * factor, spread))


def add_entropy_model(tensors: Tensors, model: Model) -> None:
    """The integer networks and every table that decoding takes."""
    features, *contexts = graph_names(len(model.groups))
    constants = start.constants(model, features)
    for layer, kernel, spread in (("first", 3, 1), ("spread", 1, 4), ("last", 3, 1)):
        _integer_layer(tensors, constants, layer, f"features.{layer}", kernel, spread)
    for name in contexts:
        constants = start.constants(model, name)
        for layer, kernel in (
            ("squeeze", 1),
            ("spatial", 3),
            ("mix", 1),
            ("mean", 1),
            ("scale", 1),
        ):
            _integer_layer(tensors, constants, f"network.{layer}", f"{name}.{layer}", kernel)
    tensors.add("frequencies", model.tables.frequencies)
    tensors.add("reach", model.tables.reach)
    for name in (
        "hyper_index",
        "scale_offset",
        "mean_factor",
        "known_factor",
        "planes",
        "step",
        "level_weights",
    ):
        tensors.add(name, model.arrays[name], DIFFERENCES[name])
    if model.grey_variant.coded_channels is not None:
        tensors.add("grey", model.grey_variant.coded_channels.astype(np.uint8))


def _deviation(constants: dict[str, Tensor]) -> np.ndarray:
    """(M,) what latents are divided by: the one constant of that shape, which the exporter names as
    it likes.
    """
    (deviation,) = (
        value for value in constants.values() if value.ndim == 3 and value.shape[1:] == (1, 1)
    )
    return deviation.flatten().numpy()


def _blocks(add: Callable[..., None], tensors: Tensors, part: Callable[[str], np.ndarray]) -> None:
    """The residual blocks of either transform; add: a matrix to ``tensors``; part: a constant by
    its name.
    """
    index = 0
    while True:
        try:
            depthwise = part(f"blocks.{index}.depthwise.weight")
        except KeyError:
            return
        add(f"blocks.{index}.depthwise.weight", depthwise.reshape(len(depthwise), 9).T, axis=1)
        for layer in ("expand", "project"):
            add(
                f"blocks.{index}.{layer}.weight", part(f"blocks.{index}.{layer}.weight")[:, :, 0, 0]
            )
        for layer in ("depthwise", "expand", "project"):
            tensors.add(f"blocks.{index}.{layer}.bias", part(f"blocks.{index}.{layer}.bias"))
        index += 1


def _part(constants: dict[str, Tensor], prefix: str) -> Callable[[str], np.ndarray]:
    return lambda name: constants[f"{prefix}.{name}"].numpy()


def add_synthesis(tensors: Tensors, constants: dict[str, Tensor], prefix: str) -> None:
    part = _part(constants, prefix)
    for name in ("log_scale", "log_gain"):
        tensors.add(name, part(f"companding.{name}"))
    tensors.add("linear.crossing", part("linear.crossing"))
    tensors.add_rounded("linear.basis", part("linear.basis"), LINEAR_BITS, axis=1)
    head = part("head.weight")[:, :, 0, 0]
    # positions of the residual network in one of the latents, along a side
    finer = BLOCK // math.isqrt(len(head) // 3)
    tensors.add_rounded("stem.weight", _spread(part("stem.weight")[:, :, 0, 0], finer))
    tensors.add("stem.bias", _spread(part("stem.bias"), finer))
    tensors.add("modulation", part("modulation.table"))
    _blocks(tensors.add_rounded, tensors, part)
    tensors.add_rounded("head.weight", head)
    tensors.add("head.bias", part("head.bias"))


def add_analysis(tensors: Tensors, model: Model) -> None:
    constants = start.constants(model, "analysis")
    part, hyper = _part(constants, "analysis"), _part(constants, "hyper")
    tensors.add("deviation", _deviation(constants))
    tensors.add("linear.crossing", part("linear.crossing"))
    tensors.add_half("linear.basis", part("linear.basis"))
    tensors.add_half("stem.weight", part("stem.weight")[:, :, 0, 0])
    tensors.add("stem.bias", part("stem.bias"))
    tensors.add("modulation", part("modulation.table"))
    _blocks(tensors.add_half, tensors, part)
    head = np.ascontiguousarray(part("head.weight")[:, :, 0, 0].T)
    tensors.add_half("head.weight", _spread(head, 2).T)
    tensors.add("head.bias", part("head.bias"))
    for index, layer in enumerate(("0", "2", "4")):
        tensors.add_half(f"hyper.{index}.weight", _matrix(constants[f"hyper.net.{layer}.weight"]))
        tensors.add(f"hyper.{index}.bias", hyper(f"net.{layer}.bias"))
    tensors.add("encoder_gain", model.arrays["encoder_gain"], DIFFERENCES["encoder_gain"])
    tensors.add("rdoq_lambda", model.rdoq_lambda, DIFFERENCES["rdoq_lambda"])
