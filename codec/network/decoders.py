"""Other decoders for a model's streams: synthesis networks that were trained on top of it, one zip
file each.

Members: `model.json` (format, name, id of the model whose streams it ``decodes``, whether it knows
``realism``, facts of training) and `synthesis.onnx`, with the interface of the model's own. Latents
do not depend on the decoder. What is in a decoder file is no more believed than what is in a model
file (`codec.network.model`).

A decoder that knows realism holds two sets of weights, the model's own and those of a synthesis
trained for realism, and runs on (1 − r)·own + r·trained. Interpolating networks trades distortion
against realism (Wang et al., "ESRGAN", ECCV workshops 2018; "Deep network interpolation", CVPR
2019), as interpolating pictures does where the trade-off is known (Freirich et al., NeurIPS 2021).
The graph does so with a constant named `realism`, which is set before ONNX Runtime loads the graph:
it folds the interpolation then, and decoding takes no longer than with one set of weights.

A decoder may ask for `codec.network.texture` in its latents, as much of it as the card's
``texture`` says, times realism.
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
from metamer.codec.network import archive
from metamer.codec.network.archive import ArchiveError
from metamer.codec.network.graphs.session import Session
from metamer.codec.network.model import HALO, MAX_HALO, WEIGHTS, Model, is_name, load_model

SUFFIX = ".decoder"
FORMAT = 2  # 1 knew no texture
REALISM = "realism"  # the decoder that is used when only a realism is asked for
CARD, GRAPH = "model.json", "synthesis.onnx"
# the constant as ONNX serialises it: float32 (field 2), its name (8), and that four bytes of value
# follow (9). Overriding it through ONNX Runtime's own interface comes after folding, too late
_CONSTANT = b"\x10\x01" + b"\x42\x07realism" + b"\x4a\x04"


@dataclass(frozen=True)
class DecoderFile:
    """What a decoder file says of itself.

    decodes: id of its model; slider: whether it knows realism; checksum: of the graph, so that a
    file that replaces another is not taken for it; texture: how much of it each group of latents is
    given, if any; scales: of its first and last table; halo: `codec.network.model.Model.halo`'s,
    its own.
    """

    path: Path
    name: str
    decodes: bytes
    slider: bool
    checksum: int
    texture: tuple[float, ...]
    scales: tuple[float, ...]
    halo: int


def read_decoder(path: Path) -> DecoderFile:
    """Reads the card alone, so it is cheap. Raises ModelError.

    A model file is a decoder too, of the models whose streams it shares: those that its transforms
    alone were trained from.
    """
    try:
        card, checksum = (
            archive.parse_card(archive.read_members(path, [CARD])[CARD]),
            archive.member_checksums(path)[GRAPH],
        )
        if "decodes" not in card and "groups" in card:
            return _of_model(path, checksum)
        form, slider = card["format"], card["realism"]
        if type(form) is int and form > FORMAT:
            raise ModelError(f"{path}: decoder format {form} is newer than this program reads")
        if (
            type(form) is not int
            or form < 1
            or type(slider) is not bool
            or not is_name(card["name"])
        ):
            raise ArchiveError(f"format {form!r}, realism {slider!r}, name {card['name']!r}"[:200])
        decodes = card["decodes"]
        if not isinstance(decodes, str) or not re.fullmatch(r"[0-9a-f]{8}", decodes):
            raise ArchiveError(f"decodes {decodes!r}"[:200])
        texture, scales = _numbers(card, "texture"), _numbers(card, "scales")
        if texture and not (
            all(0 <= x <= 1 for x in texture)
            and len(scales) == 2
            and all(1e-6 < x < 1e6 for x in scales)
        ):
            raise ArchiveError(f"texture {texture}, scales {scales}"[:200])
        halo = card.get("halo", HALO)
        if type(halo) is not int or not 1 <= halo <= MAX_HALO:
            raise ArchiveError(f"halo {halo!r}"[:200])
        return DecoderFile(
            path, card["name"], bytes.fromhex(decodes), slider, checksum, texture, scales, halo
        )
    except KeyError as problem:
        raise ModelError(f"{path}: is not a Metamer decoder: {problem} is missing") from None
    except (ArchiveError, OSError) as problem:
        raise ModelError(f"{path}: is not a Metamer decoder: {problem}") from None


def _of_model(path: Path, checksum: int) -> DecoderFile:
    model = load_model(str(path), 1)
    return DecoderFile(path, model.name, model.networks, False, checksum, (), (), model.halo)


def _numbers(card: Mapping[str, Any], key: str) -> tuple[float, ...]:
    values = card.get(key, [])
    if not isinstance(values, list) or not all(type(value) in (int, float) for value in values):
        raise ArchiveError(f"{key} {values!r}"[:200])
    return tuple(map(float, values))


def shipped_decoders() -> list[DecoderFile]:
    """The decoders that come with the package, of all models."""
    return [read_decoder(path) for path in sorted(WEIGHTS.glob(f"*{SUFFIX}"))]


def find_decoder(name: str | Path, model: Model) -> DecoderFile:
    """A shipped decoder of ``model`` by name, or a decoder file by path. Raises ModelError."""
    names = {
        decoder.name: decoder for decoder in shipped_decoders() if decoder.decodes == model.networks
    }
    if str(name) in names:
        return names[str(name)]
    if Path(name).exists():
        decoder = read_decoder(Path(name))
        if decoder.decodes != model.networks:
            raise ModelError(
                f"{name}: decodes streams of model {decoder.decodes.hex()}, not of "
                f"{model.networks.hex()}"
            )
        return decoder
    close = difflib.get_close_matches(str(name), names, n=1)
    hint = f" (did you mean '{close[0]}'?)" if close else ""
    there = f"shipped for model '{model.name}': {', '.join(names) or 'none'}"
    raise ModelError(f"no decoder '{name}'{hint}; {there}; or give the path of a decoder file")


@lru_cache(maxsize=4)
def _session(decoder: DecoderFile, realism: float, threads: int) -> Session:
    try:
        graph = archive.read_members(decoder.path, [GRAPH])[GRAPH]
    except (ArchiveError, OSError, KeyError) as problem:
        raise ModelError(f"{decoder.path}: is not a Metamer decoder: {problem}") from None
    if decoder.slider:
        if graph.count(_CONSTANT) != 1:
            raise ModelError(f"{decoder.path}: its graph has no constant named {REALISM}")
        before, after = graph.split(_CONSTANT)
        graph = before + _CONSTANT + struct.pack("<f", realism) + after[4:]
    return Session(graph, f"{decoder.path}: {GRAPH}", threads)


@dataclass(frozen=True)
class Synthesis:
    """What turns latents into pixels.

    halo: latent positions that it sees around each. texture: how much of `codec.network.texture`,
    from tables of ``scales``, to give it in each group of latents; empty for none.
    """

    session: Session
    halo: int
    texture: tuple[float, ...] = ()
    scales: tuple[float, ...] = ()


def load_synthesis(
    model: Model, name: str | Path | None, realism: float | None, threads: int = 0
) -> Synthesis:
    """The synthesis that ``decoder`` and ``realism`` of `codec.decode` ask for. Raises
    ModelError.
    """
    if name is None and not realism:
        return Synthesis(model.session("synthesis"), model.halo)
    decoder = find_decoder(REALISM if name is None else name, model)
    if realism is not None and not decoder.slider:
        raise ModelError(
            f"decoder '{decoder.name}' was trained for one realism only; leave --realism out"
        )
    if realism == 0:
        return Synthesis(model.session("synthesis"), model.halo)
    realism = 1.0 if realism is None else realism
    if decoder.texture and len(decoder.texture) != len(model.groups):
        raise ModelError(
            f"{decoder.path}: texture for {len(decoder.texture)} groups of latents, not "
            f"{len(model.groups)}"
        )
    texture = tuple(realism * x for x in decoder.texture)
    return Synthesis(_session(decoder, realism, threads), decoder.halo, texture, decoder.scales)
