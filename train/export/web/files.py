"""A model file → files for browsers (web/): what decodes, its decoders and its encoder, each
fetched when it is first needed.

The layers' weights are taken out of the ONNX graphs, as the JavaScript runtime has the networks
built in. Integers stay what they are, so latents do too; weights of the transforms are rounded to
few bits, each row or column with a scale of its own.

A file is a gzip stream of a 32-bit length, that many bytes of JSON, and the tensors that it lists,
one after the other, each split into planes of bytes, the lowest first. Tables over the 256
qualities are differences along them.
"""

import hashlib
import json
import zipfile
from pathlib import Path

from torch import Tensor

from metamer.codec.errors import FileError, ModelError
from metamer.codec.network import decoders
from metamer.codec.network import model as models
from metamer.codec.network.model import Model
from metamer.codec.system import files
from metamer.train import start
from metamer.train.export.web.layers import add_analysis, add_entropy_model, add_synthesis
from metamer.train.export.web.tensors import Tensors

INDEX = "index.json"


def model_file(model: Model) -> bytes:
    """What decodes: integer networks, tables and the model's own synthesis, if there is one for all
    qualities. Raises ModelError.
    """
    tensors = Tensors()
    add_entropy_model(tensors, model)
    if len(model.synthesis_graphs) == 1:
        add_synthesis(tensors, start.constants(model, "synthesis"), "synthesis")
    return tensors.bytes(
        {
            "kind": "model",
            "name": model.name,
            "id": model.id.hex(),
            "grey": model.grey_variant.id.hex(),
            "groups": list(model.groups),
            "receptive_field": model.receptive_field,
        }
    )


def synthesis_files(model: Model) -> list[bytes]:
    """The model's own synthesis of each band of qualities; none where `model_file` holds the only
    one.
    """
    if len(model.synthesis_graphs) == 1:
        return []
    return [
        _synthesis_file(
            start.constants(model, graph),
            "synthesis",
            {"name": model.name, "id": model.id.hex(), "receptive_field": model.receptive_field},
        )
        for graph in model.synthesis_graphs
    ]


def _synthesis_file(constants: dict[str, Tensor], prefix: str, header: dict) -> bytes:
    tensors = Tensors()
    add_synthesis(tensors, constants, prefix)
    return tensors.bytes({"kind": "synthesis", **header})


def encoder_file(model: Model) -> bytes:
    """What encodes, besides what decodes."""
    tensors = Tensors()
    add_analysis(tensors, model)
    return tensors.bytes(
        {
            "kind": "encoder",
            "name": model.name,
            "id": model.id.hex(),
            "receptive_field": model.receptive_field,
            "masking": model.masking,
        }
    )


def decoder_files(decoder: decoders.DecoderFile) -> list[bytes]:
    """A decoder's own weights for each band of qualities; those of its model, which realism mixes
    in, are in the model's files. Raises ModelError.
    """
    if decoder.noise:
        raise ModelError(f"{decoder.path}: asks for noise, which decoders for browsers do not make")
    with zipfile.ZipFile(decoder.path) as archive:
        constants = [
            start.graph_constants(archive.read(f"{graph}.onnx"), f"{decoder.path}: {graph}.onnx")
            for graph in decoder.graphs
        ]
    header = {
        "name": decoder.name,
        "id": decoder.decodes.hex(),
        "receptive_field": decoder.receptive_field,
    }
    prefix = "trained" if decoder.slider else "synthesis"
    return [_synthesis_file(values, prefix, header) for values in constants]


def export_for_browsers(name: str, folder: Path) -> dict[str, int]:
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
        raise FileError(f"{folder} cannot be made: {files.reason(problem)}") from None
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
            "syntheses": [named(stem, "synthesis", data) for data in synthesis_files(model)],
            "decoders": {},
        }
        for decoder in theirs:
            made_for_it = decoder_files(decoder)
            entry["decoders"][decoder.name] = {
                "files": [named(f"{stem}-{decoder.name}", "decoder", data) for data in made_for_it],
                "realism": decoder.slider,
            }
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
