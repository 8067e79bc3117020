"""Decoder files: synthesis networks that were trained on top of a model, for the same streams.

One zip file each, no more believed than a model file (`codec.network.files.model_file`). Members:
`model.json` (format, name, id of the model whose streams it ``decodes``, whether it knows
``realism``, facts of training) and `synthesis.onnx`, with the interface of the model's own, or one
for each band of qualities (`codec.network.files.bands`). Latents do not depend on the decoder.

A decoder that knows realism has two sets of weights, the model's own and those of a synthesis
trained for realism, and runs on (1 − r)·own + r·trained. The former, constants `own.NAME` of its
graph, are not in the file: they are `synthesis.NAME` of the model's graph for the same quality.
Interpolating networks trades distortion against realism (Wang et al., "ESRGAN", ECCV workshops
2018; "Deep network interpolation", CVPR 2019), as interpolating pictures does where the trade-off
is known (Freirich et al., NeurIPS 2021).
The graph does so with a constant named `realism`, which is set before ONNX Runtime loads the graph:
it folds the interpolation then, and decoding takes no longer than with one set of weights.

A decoder may ask for `codec.network.noise` beside the latents: its card's ``noise`` says how many
channels at each resolution.
"""

import difflib
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from metamer.codec.errors import ModelError
from metamer.codec.network.files.archive import (
    ArchiveError,
    member_checksums,
    parse_card,
    read_members,
)
from metamer.codec.network.files.bands import checked_bands, synthesis_names
from metamer.codec.network.files.model_file import CARD, card_number, is_name
from metamer.codec.network.graphs import onnx_wire
from metamer.codec.network.graphs.protobuf import GraphError
from metamer.codec.network.graphs.session import Session, transform_providers
from metamer.codec.network.model import WEIGHTS, Model, load_model, receptive_field

SUFFIX = ".decoder"
FORMAT, OLDEST = 5, 3  # 3 held the model's own weights too, 4 knew no noise
MAX_NOISE = 64  # channels at each resolution
OWN, OF_MODEL = "own.", "synthesis."  # what those are called here, and in the model's graph
REALISM = "realism"  # the decoder that is used when only a realism is asked for
# the constant as ONNX serialises it: float32 (field 2), its name (8), and that four bytes of value
# follow (9). Overriding it through ONNX Runtime's own interface comes after folding, too late
_CONSTANT = b"\x10\x01" + b"\x42\x07realism" + b"\x4a\x04"


@dataclass(frozen=True)
class DecoderFile:
    """What a decoder file says of itself.

    Attributes:
        path: Where it is.
        name: What people call it.
        decodes: The id of the model whose streams it decodes, 4 bytes.
        slider: Whether it knows realism.
        checksums: Of the graphs, so that a file that replaces another is not taken for it.
        noise: Channels of noise that it is given at each resolution.
        receptive_field: As `Model.receptive_field`, of its own synthesis.
        graphs: Names of its graphs, one for each band of qualities.
    """

    path: Path
    name: str
    decodes: bytes
    slider: bool
    checksums: tuple[int, ...]
    noise: int
    receptive_field: int
    graphs: tuple[str, ...]


def read_decoder(path: Path) -> DecoderFile:
    """Reads the card of a decoder file, and no more of it.

    A model file is a decoder too, for the models whose streams it shares: those that its transforms
    alone were trained from.

    Args:
        path: A decoder file, or a model file.

    Raises:
        ModelError: It is neither, or of a newer format.
    """
    try:
        card = parse_card(read_members(path, [CARD])[CARD])
        graphs, held = synthesis_names(checked_bands(card)), member_checksums(path)
        checksums = tuple(held[f"{graph}.onnx"] for graph in graphs)
        if "decodes" not in card and "groups" in card:
            return _of_model(path, checksums)
        if type(card["format"]) is int and card["format"] > FORMAT:
            raise ModelError(
                f"{path}: decoder format {card['format']} is newer than this program reads"
            )
        if type(card["format"]) is int and 0 < card["format"] < OLDEST:
            raise ModelError(
                f"{path}: decoder format {card['format']} is older than this program reads"
            )
        return _of_card(path, card, checksums, graphs)
    except KeyError as problem:
        raise ModelError(f"{path}: is not a Metamer decoder: {problem} is missing") from None
    except (ArchiveError, OSError) as problem:
        raise ModelError(f"{path}: is not a Metamer decoder: {problem}") from None


def _of_card(
    path: Path, card: Mapping[str, Any], checksums: tuple[int, ...], graphs: tuple[str, ...]
) -> DecoderFile:
    """Raises ArchiveError, KeyError."""
    form, slider, name, decodes = card["format"], card["realism"], card["name"], card["decodes"]
    if type(form) is not int or form < 1 or type(slider) is not bool or not is_name(name):
        raise ArchiveError(f"format {form!r}, realism {slider!r}, name {name!r}"[:200])
    if not isinstance(decodes, str) or not re.fullmatch(r"[0-9a-f]{8}", decodes):
        raise ArchiveError(f"decodes {decodes!r}"[:200])
    noise = card_number(card, "noise", 0, MAX_NOISE, default=0, whole=True)
    return DecoderFile(
        path,
        name,
        bytes.fromhex(decodes),
        slider,
        checksums,
        int(noise),
        receptive_field(card),
        graphs,
    )


def _of_model(path: Path, checksums: tuple[int, ...]) -> DecoderFile:
    model = load_model(str(path), 1)
    return DecoderFile(
        path,
        model.name,
        model.decoder_id,
        False,
        checksums,
        0,
        model.receptive_field,
        model.synthesis_graphs,
    )


def shipped_decoders() -> list[DecoderFile]:
    """The decoders that come with the package, of all models, by file name."""
    return [read_decoder(path) for path in sorted(WEIGHTS.glob(f"*{SUFFIX}"))]


def find_decoder(name: str | Path, model: Model) -> DecoderFile:
    """Finds a decoder for a model's streams.

    Args:
        name: A shipped decoder's name, or the path of a decoder file.
        model: The model.

    Raises:
        ModelError: There is no such decoder, or it is for another model's streams.
    """
    names = {
        decoder.name: decoder
        for decoder in shipped_decoders()
        if decoder.decodes == model.decoder_id
    }
    if str(name) in names:
        return names[str(name)]
    if Path(name).exists():
        decoder = read_decoder(Path(name))
        if decoder.decodes != model.decoder_id:
            raise ModelError(
                f"{name}: decodes streams of model {decoder.decodes.hex()}, not of "
                f"{model.decoder_id.hex()}"
            )
        return decoder
    close = difflib.get_close_matches(str(name), names, n=1)
    hint = f" (did you mean '{close[0]}'?)" if close else ""
    there = f"shipped for model '{model.name}': {', '.join(names) or 'none'}"
    raise ModelError(f"no decoder '{name}'{hint}; {there}; or give the path of a decoder file")


@lru_cache(maxsize=4)
def _session(
    decoder: DecoderFile, name: str, own: bytes | None, realism: float, threads: int
) -> Session:
    graph = complete_graph(decoder, name, own, realism)
    providers = transform_providers()
    return Session(graph, f"{decoder.path}: {name}.onnx", threads, providers=providers)


def complete_graph(
    decoder: DecoderFile, name: str, own: bytes | None, realism: float = 1.0
) -> bytes:
    """One of a decoder's graphs as it is run.

    Args:
        decoder: The decoder.
        name: Of the graph.
        own: The model's own synthesis for the same quality, which a decoder that knows realism
            needs.
        realism: 0 … 1, where it knows it.

    Raises:
        ModelError: The file does not hold it, or it is not complete with the model's weights.
    """
    member = f"{name}.onnx"
    try:
        graph = read_members(decoder.path, [member])[member]
    except (ArchiveError, OSError, KeyError) as problem:
        raise ModelError(f"{decoder.path}: is not a Metamer decoder: {problem}") from None
    if not decoder.slider:
        return graph
    assert own is not None
    return _with_own_weights(_with_realism(graph, realism, decoder.path), own, decoder.path)


def _with_realism(graph: bytes, realism: float, path: Path) -> bytes:
    if graph.count(_CONSTANT) != 1:
        raise ModelError(f"{path}: its graph has no constant named {REALISM}")
    before, after = graph.split(_CONSTANT)
    return before + _CONSTANT + struct.pack("<f", realism) + after[4:]


def _with_own_weights(graph: bytes, own: bytes, path: Path) -> bytes:
    """The same graph with such of the model's ``own`` weights as it uses and lacks."""
    try:
        stored, held = onnx_wire.read_graph(graph), onnx_wire.read_graph(own).constants
        made = {name for node in stored.nodes for name in node.outputs} | stored.constants.keys()
        used = {name for node in stored.nodes for name in node.inputs if name.startswith(OWN)}
        return onnx_wire.add_constants(
            graph, {name: held[own_name(name)] for name in sorted(used - made)}
        )
    except GraphError as problem:
        raise ModelError(f"{path}: its graph cannot be loaded: {problem}") from None
    except KeyError as problem:
        raise ModelError(f"{path}: the model has no weights {problem}") from None


def own_name(name: str) -> str:
    """What the model's own graph calls the constant ``name`` of a decoder's.

    Example:
        >>> own_name("own.stem.bias")
        'synthesis.stem.bias'
    """
    return OF_MODEL + name.removeprefix(OWN)


@dataclass(frozen=True)
class Synthesis:
    """What turns latents into pixels.

    Attributes:
        session: The graph.
        receptive_field: Latent positions beyond its own that it sees on each side.
        noise: Channels of `codec.network.noise` that it is given at each resolution.
    """

    session: Session
    receptive_field: int
    noise: int = 0


def own_synthesis(model: Model, quality: int) -> Synthesis:
    """A model's own synthesis, of least distortion, for a quality from 0 to Q − 1."""
    return Synthesis(model.session(model.synthesis_graph(quality)), model.receptive_field)


def load_synthesis(
    model: Model,
    quality: int,
    name: str | Path | None,
    realism: float | None,
    threads: int = 0,
) -> Synthesis:
    """Loads the synthesis that the options ``decoder`` and ``realism`` of `codec.decode` ask for.

    Args:
        model: The model whose streams are decoded.
        quality: Of the stream, 0 to Q − 1.
        name: A shipped decoder's name, or the path of a decoder file; None for the model's own or,
            with a realism above 0, for the one named `realism`.
        realism: 0 … 1; None for 1 with a decoder that knows realism, else 0.
        threads: Of ONNX Runtime; 0 for every core.

    Raises:
        ModelError: There is no such decoder, or it cannot be run so.
    """
    if name is None and not realism:
        return own_synthesis(model, quality)
    decoder = find_decoder(REALISM if name is None else name, model)
    if realism is not None and not decoder.slider:
        raise ModelError(
            f"decoder '{decoder.name}' was trained for one realism only; leave --realism out"
        )
    if realism == 0:
        return own_synthesis(model, quality)
    realism = 1.0 if realism is None else realism
    graph = decoder.graphs[model.band(quality, len(decoder.graphs))]
    own = model.graph(model.synthesis_graph(quality)) if decoder.slider else None
    session = _session(decoder, graph, own, realism, threads)
    return Synthesis(session, decoder.receptive_field, decoder.noise)
