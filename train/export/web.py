"""A model file → files for browsers (web/): what decodes, its decoders and its encoder, each
fetched when it is first needed.

The layers' weights are taken out of the ONNX graphs, as the JavaScript runtime has the networks
built in. Integers stay what they are, so latents do too; weights of the transforms are rounded to
few bits, each row or column with a scale of its own.

A file is a gzip stream of a 32-bit length, that many bytes of JSON, and the tensors that it lists,
one after the other, each split into planes of bytes, the lowest first. Tables over the 256
qualities are differences along them.
"""

import gzip
import hashlib
import json
import math
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from metamer.codec.errors import FileError, ModelError
from metamer.codec.network import decoders
from metamer.codec.network import model as models
from metamer.codec.network.files.model_file import graph_names
from metamer.codec.network.model import Model
from metamer.codec.system import files
from metamer.train import start
from metamer.train.networks.transforms.lapped import BLOCK

FORMAT = 2
INDEX = "index.json"
# of the linear transforms' weights, whose errors all of the signal shows; of the networks'
LINEAR_BITS, BITS = 11, 10
# times that a table is differenced along the qualities, which makes its file smallest
DIFFERENCES = {
    "hyper_index": 1,
    "scale_offset": 1,
    "mean_factor": 1,
    "known_factor": 2,
    "planes": 1,
    "step": 4,
    "level_weights": 1,
    "encoder_gain": 4,
    "tradeoff": 4,
}


class Tensors:
    """Collects what a file holds. Arrays are C-contiguous and little-endian."""

    def __init__(self) -> None:
        self._entries: list[dict] = []
        self._data: list[bytes] = []

    def add(self, name: str, array: np.ndarray, differences: int = 0, **more: object) -> None:
        """differences: times that neighbours along the first axis are subtracted, modulo
        the word.
        """
        array = np.ascontiguousarray(array)
        words = array.view(f"<u{array.itemsize}")
        for _ in range(differences):
            words = np.concatenate([words[:1], words[1:] - words[:-1]])
        planes = (
            np.ascontiguousarray(words.reshape(-1, 1)).view(np.uint8).reshape(-1, array.itemsize).T
        )
        self._entries.append(
            {
                "name": name,
                "type": str(array.dtype),
                "shape": list(array.shape),
                "differences": differences,
                **more,
            }
        )
        self._data.append(planes.tobytes())

    def add_rounded(self, name: str, array: np.ndarray, bits: int = BITS, axis: int = 0) -> None:
        """A matrix in ``bits`` bits, with a float32 scale for each row (axis 0) or column
        (axis 1).
        """
        largest = np.abs(array).max(1 - axis, keepdims=True)
        scale = np.where(largest > 0, largest, 1).astype(np.float32) / np.float32(
            2 ** (bits - 1) - 1
        )
        whole = np.rint(array / scale).astype(np.int8 if bits <= 8 else np.int16)
        self.add(f"{name}.scale", scale.ravel())
        self.add(name, whole, scale=axis)

    def add_half(self, name: str, array: np.ndarray, axis: int = 0) -> None:
        """As model files have it, so that browsers encode as Python does; ``axis`` is
        `add_rounded`'s.
        """
        self.add(name, array.astype(np.float16))

    def add_whole(self, name: str, array: np.ndarray) -> None:
        """Integers in as few bytes as hold them."""
        reach = np.abs(array).max(initial=0)
        self.add(
            name, array.astype(np.int8 if reach < 128 else np.int16 if reach < 32768 else np.int32)
        )

    def bytes(self, header: Mapping) -> bytes:
        """The file."""
        text = json.dumps(
            {"format": FORMAT, **header, "tensors": self._entries}, separators=(",", ":")
        ).encode()
        return gzip.compress(
            len(text).to_bytes(4, "little") + text + b"".join(self._data), 9, mtime=0
        )


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


def _entropy(tensors: Tensors, model: Model) -> None:
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


def _companding(tensors: Tensors, constants: dict[str, Tensor], prefix: str, levels: int) -> None:
    """Scales and gains of `train.networks.transforms.synthesis.Companding`; models from before
    there was one have deviations for scales.
    """
    scale = constants.get(f"{prefix}.companding.log_scale")
    gain = constants.get(f"{prefix}.companding.log_gain")
    if scale is None or gain is None:
        scale = torch.from_numpy(np.log(_deviation(constants))).expand(levels, -1)
        gain = torch.zeros_like(scale)
    tensors.add("log_scale", scale.numpy())
    tensors.add("log_gain", gain.numpy())


def _synthesis(tensors: Tensors, constants: dict[str, Tensor], prefix: str) -> None:
    part = _part(constants, prefix)
    _companding(tensors, constants, prefix, len(part("modulation.table")))
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


def _analysis(tensors: Tensors, model: Model) -> None:
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
    tensors.add("tradeoff", model.tradeoff, DIFFERENCES["tradeoff"])


def model_file(model: Model) -> bytes:
    """What decodes: integer networks, tables and the model's own synthesis. Raises ModelError."""
    tensors = Tensors()
    _entropy(tensors, model)
    _synthesis(tensors, start.constants(model, "synthesis"), "synthesis")
    return tensors.bytes(
        {
            "kind": "model",
            "name": model.name,
            "id": model.id.hex(),
            "grey": model.grey_variant.id.hex(),
            "groups": list(model.groups),
            "halo": model.receptive_field,
        }
    )


def encoder_file(model: Model) -> bytes:
    """What encodes, besides what decodes."""
    tensors = Tensors()
    _analysis(tensors, model)
    return tensors.bytes(
        {
            "kind": "encoder",
            "name": model.name,
            "id": model.id.hex(),
            "halo": model.receptive_field,
            "masking": model.masking,
        }
    )


def decoder_file(decoder: decoders.DecoderFile) -> bytes:
    """A decoder's own weights; those of its model, which realism mixes in, are in the model's file.
    Raises ModelError.
    """
    if decoder.texture:
        raise ModelError(
            f"{decoder.path}: asks for texture, which decoders for browsers do not make"
        )
    with zipfile.ZipFile(decoder.path) as archive:
        constants = start.graph_constants(
            archive.read(decoders.GRAPH), f"{decoder.path}: {decoders.GRAPH}"
        )
    tensors = Tensors()
    _synthesis(tensors, constants, "trained" if decoder.slider else "synthesis")
    return tensors.bytes(
        {
            "kind": "decoder",
            "name": decoder.name,
            "id": decoder.decodes.hex(),
            "halo": decoder.receptive_field,
        }
    )


def export(name: str, folder: Path) -> dict[str, int]:
    """Writes a model for browsers into ``folder``, with its shipped decoders, and names it in the
    folder's index.

    Returns the bytes of each file that was written. Raises ModelError, FileError.
    """
    model = models.load_model(name)
    stem = f"{model.name}-{model.id.hex()}"
    theirs = [
        decoder for decoder in decoders.shipped_decoders() if decoder.decodes == model.decoder_id
    ]
    try:
        folder.mkdir(exist_ok=True)
    except OSError as problem:
        raise FileError(
            f"{folder} cannot be made: {(problem.strerror or str(problem)).lower()}"
        ) from None
    index = _read_index(folder / INDEX)
    made: dict[str, bytes] = {}

    def named(stem: str, suffix: str, data: bytes) -> str:
        """A name that changes with what the file holds: browsers keep it for good."""
        name = f"{stem}-{hashlib.sha256(data).hexdigest()[:8]}.{suffix}"
        made[name] = data
        return name

    try:
        entry = {
            "name": model.name,
            "model": named(stem, "model", model_file(model)),
            "encoder": named(stem, "encoder", encoder_file(model)),
            "decoders": {},
        }
        for decoder in theirs:
            file = named(f"{stem}-{decoder.name}", "decoder", decoder_file(decoder))
            entry["decoders"][decoder.name] = {"file": file, "realism": decoder.slider}
    except (KeyError, ValueError, RuntimeError) as problem:
        raise ModelError(
            f"{model.path}: its networks are not built as browsers' are: {problem}"
        ) from None
    index["models"][model.id.hex()] = entry
    index["grey"][model.grey_variant.id.hex()] = model.id.hex()
    for file, data in made.items():
        files.write_file(str(folder / file), data)
    files.write_file(str(folder / INDEX), json.dumps(index, indent=1, sort_keys=True).encode())
    return {file: len(data) for file, data in made.items()}


def _read_index(path: Path) -> dict:
    if not path.exists():
        return {"models": {}, "grey": {}}
    try:
        index = json.loads(path.read_text())
        return {"models": dict(index["models"]), "grey": dict(index["grey"])}
    except (ValueError, KeyError, TypeError) as problem:
        raise ModelError(f"{path}: is not an index of models for browsers: {problem}") from None
