"""Other decoders for a model's streams: synthesis networks that were trained on top of it, one zip file each.

Members: `model.json` (format, name, id of the model whose streams it ``decodes``, whether it knows ``realism``, facts of
training) and `synthesis.onnx`, with the interface of the model's own. Latents do not depend on the decoder.

A decoder that knows realism holds two sets of weights, the model's own and those of a synthesis trained for realism, and
runs on (1 − r)·own + r·trained. Interpolating networks trades distortion against realism (Wang et al., "ESRGAN", ECCV
workshops 2018; "Deep network interpolation", CVPR 2019), as interpolating pictures does where the trade-off is known
(Freirich et al., NeurIPS 2021). The graph does so with a constant named `realism`, which is set before ONNX Runtime loads
the graph: it folds the interpolation then, and decoding takes no longer than with one set of weights.

A decoder may ask for `codec.texture` in its latents, as much of it as the card's ``texture`` says, times realism.
"""

import difflib
import json
import struct
import zipfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from codec.errors import ModelError
from codec.model import ARCHIVE_ERRORS, HALO, MAX_HALO, WEIGHTS, Model, Session

SUFFIX = ".decoder"
FORMAT = 2  # 1 knew no texture
REALISM = "realism"  # the decoder that is used when only a realism is asked for
CARD, GRAPH = "model.json", "synthesis.onnx"
# the constant as ONNX serialises it: float32 (field 2), its name (8), and that four bytes of value follow (9). Overriding it
# through ONNX Runtime's own interface comes after folding, too late
_CONSTANT = b"\x10\x01" + b"\x42\x07realism" + b"\x4a\x04"


@dataclass(frozen=True)
class Decoder:
    """What a decoder file says of itself.

    decodes: id of its model; slider: whether it knows realism; checksum: of the graph, so that a file that replaces
    another is not taken for it; texture: how much of it each group of latents is given, if any; scales: of its first and last
    table; halo: `codec.model.Model.halo`'s, its own.
    """

    path: Path
    name: str
    decodes: bytes
    slider: bool
    checksum: int
    texture: tuple[float, ...]
    scales: tuple[float, ...]
    halo: int


def read(path: Path) -> Decoder:
    """Reads the card alone, so it is cheap. Raises ModelError."""
    try:
        with zipfile.ZipFile(path) as archive:
            card, checksum = json.loads(archive.read(CARD)), archive.getinfo(GRAPH).CRC
        if card["format"] > FORMAT:
            raise ModelError(f"{path}: decoder format {card['format']} is newer than this program reads")
        texture, scales = (tuple(map(float, card.get(key, ()))) for key in ("texture", "scales"))
        if texture and not (all(0 <= x <= 1 for x in texture) and len(scales) == 2 and all(0 < x < 1e6 for x in scales)):
            raise ValueError(f"texture {texture}, scales {scales}")
        decodes, slider = bytes.fromhex(card["decodes"]), bool(card["realism"])
        halo = int(card.get("halo", HALO))
        if not 1 <= halo <= MAX_HALO:
            raise ValueError(f"halo {halo}")
        return Decoder(path, str(card["name"]), decodes, slider, checksum, texture, scales, halo)
    except ARCHIVE_ERRORS as problem:
        raise ModelError(f"{path}: is not a Metamer decoder: {problem}") from None


def shipped() -> list[Decoder]:
    """The decoders that come with the package, of all models."""
    return [read(path) for path in sorted(WEIGHTS.glob(f"*{SUFFIX}"))]


def find(name: str | Path, model: Model) -> Decoder:
    """A shipped decoder of ``model`` by name, or a decoder file by path. Raises ModelError."""
    names = {decoder.name: decoder for decoder in shipped() if decoder.decodes == model.networks}
    if str(name) in names:
        return names[str(name)]
    if Path(name).exists():
        decoder = read(Path(name))
        if decoder.decodes != model.networks:
            raise ModelError(f"{name}: decodes streams of model {decoder.decodes.hex()}, not of {model.networks.hex()}")
        return decoder
    close = difflib.get_close_matches(str(name), names, n=1)
    hint = f" (did you mean '{close[0]}'?)" if close else ""
    there = f"shipped for model '{model.name}': {', '.join(names) or 'none'}"
    raise ModelError(f"no decoder '{name}'{hint}; {there}; or give the path of a decoder file")


@lru_cache(maxsize=4)
def _session(decoder: Decoder, realism: float, threads: int) -> Session:
    try:
        with zipfile.ZipFile(decoder.path) as archive:
            graph = archive.read(GRAPH)
    except ARCHIVE_ERRORS as problem:
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

    halo: latent positions that it sees around each. texture: how much of `codec.texture`, from tables of ``scales``, to give it
    in each group of latents; empty for none.
    """

    session: Session
    halo: int
    texture: tuple[float, ...] = ()
    scales: tuple[float, ...] = ()


def synthesis(model: Model, name: str | Path | None, realism: float | None, threads: int = 0) -> Synthesis:
    """The synthesis that ``decoder`` and ``realism`` of `codec.decode` ask for. Raises ModelError."""
    if name is None and not realism:
        return Synthesis(model.session("synthesis"), model.halo)
    decoder = find(REALISM if name is None else name, model)
    if realism is not None and not decoder.slider:
        raise ModelError(f"decoder '{decoder.name}' was trained for one realism only; leave --realism out")
    if realism == 0:
        return Synthesis(model.session("synthesis"), model.halo)
    realism = 1.0 if realism is None else realism
    if decoder.texture and len(decoder.texture) != len(model.groups):
        raise ModelError(f"{decoder.path}: texture for {len(decoder.texture)} groups of latents, not {len(model.groups)}")
    texture = tuple(realism * x for x in decoder.texture)
    return Synthesis(_session(decoder, realism, threads), decoder.halo, texture, decoder.scales)
