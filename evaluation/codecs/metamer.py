"""This very codec, measured like any other: a model, with another decoder and a realism if
need be.
"""

import hashlib
from pathlib import Path

from PIL import Image

from metamer.codec import decode as decoding
from metamer.codec import encode as encoding
from metamer.codec.errors import MetamerError
from metamer.codec.network import decoders
from metamer.codec.network import model as models
from metamer.codec.options import MAX_EFFORT
from metamer.codec.options import QUALITIES as STORED
from metamer.evaluation.codecs.interface import Codec, NetworkCost, parse_options

QUALITIES = (0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100)


def metamer_codec(name: str, threads: int) -> Codec:
    whole, colon, rest = name.partition(":") if not Path(name).exists() else (name, "", "")
    chosen = parse_options(rest, {"effort": (int,)}, whole) if colon else {}
    if not 0 <= chosen.get("effort", 0) <= MAX_EFFORT:
        raise MetamerError(f"{name}: effort goes from 0 to {MAX_EFFORT}")
    model, decoder, realism = parse_model_name(whole)
    network = models.load_model(model)
    version = network.id.hex()
    if decoder:
        # errors appear before the first hour is spent
        decoders.load_synthesis(network, 0, decoder, realism)
        weights = decoders.find_decoder(decoder, network).path.read_bytes()
        version += f" {hashlib.sha256(weights).hexdigest()[:16]}" + (
            "" if realism is None else f" {realism:g}"
        )
    ladder = [100 * index / (STORED - 1) for index in range(STORED)]

    def encode(picture: Image.Image, setting: float) -> bytes:
        return encoding.encode(picture, setting, model=model, threads=threads, **chosen)

    # a model file that shares a shipped model's streams draws them only where it is named as the
    # decoder
    named_decoder = decoder or (
        None if network.path.parent == models.WEIGHTS else str(network.path)
    )

    def decode(data: bytes) -> Image.Image:
        return decoding.decode(
            data, model=model, decoder=named_decoder, realism=realism, threads=threads
        )

    def count(picture: Image.Image, setting: float) -> NetworkCost:
        from metamer.evaluation.codecs import macs  # onnx

        return macs.network_cost(model, decoder, picture, setting)

    return Codec(
        name, f"{model}{colon}{rest}", version, QUALITIES, ladder, encode, decode, count=count
    )


def parse_model_name(name: str) -> tuple[str, str | None, float | None]:
    """Model, decoder and realism of MODEL, MODEL+DECODER or MODEL+DECODER@REALISM. Raises
    MetamerError.
    """
    model, plus, rest = (name, "", "") if Path(name).exists() else name.partition("+")
    return (model, *_parse_decoder_name(rest)) if plus else (model, None, None)


def _parse_decoder_name(text: str) -> tuple[str, float | None]:
    """Decoder and realism of what stands behind a model's name and its plus sign."""
    decoder, at, number = (text, "", "") if Path(text).is_file() else text.partition("@")
    try:
        realism = float(number) if at else None
    except ValueError:
        realism = -1.0
    if not decoder or (at and not 0 <= realism <= 1):
        raise MetamerError(
            f"'+{text}' names no decoder; write MODEL+DECODER or MODEL+DECODER@REALISM, realism "
            "from 0 to 1"
        )
    return decoder, realism
