"""Codecs that can be measured: Pillow's, and Metamer's models with any of their decoders, each with all its settings."""

import contextlib
import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import PIL
from PIL import Image, features

import codec as metamer
from codec import decoders
from codec import model as models
from codec.errors import MetamerError

QUALITIES = (0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100)


@dataclass(frozen=True)
class Coder:
    """A codec. stream: name of what writes its bytes, which decoders of one model share.

    version: what made bytes and pictures; rows of another version are not used again. settings: a few that span its useful
    range. ladder: all that it has, by rising rate.
    """

    name: str
    stream: str
    version: str
    settings: Sequence[float]
    ladder: Sequence[float]
    encode: Callable[[Image.Image, float], bytes]
    decode: Callable[[bytes], Image.Image]

    def check(self, setting: float) -> None:
        """Raises MetamerError for a setting that the codec does not have."""
        low, high = min(self.ladder), max(self.ladder)
        if not low <= setting <= high or (isinstance(self.ladder, range) and setting not in self.ladder):
            kind = "whole numbers " if isinstance(self.ladder, range) else ""
            raise MetamerError(f"{self.name} has no setting {setting:g}; it takes {kind}from {low:g} to {high:g}")


def _pillow(name: str, kind: str, settings: Sequence[float], ladder: Sequence[float],
            options: Callable[[float], dict[str, object]]) -> Coder:
    def encode(picture: Image.Image, setting: float) -> bytes:
        buffer = io.BytesIO()
        picture.save(buffer, kind, **options(setting))
        return buffer.getvalue()

    def decode(data: bytes) -> Image.Image:
        return Image.open(io.BytesIO(data)).convert("RGB")

    return Coder(name, name, f"Pillow {PIL.__version__}", settings, ladder, encode, decode)


def peers() -> dict[str, Coder]:
    """Every codec this Pillow can write, by name.

    JPEG: 4:2:0, optimised, progressive. WebP: method 6. AVIF: speed 6, 4:2:0 (Pillow's default) and 4:4:4. JPEG 2000: the
    9/7 wavelet with its colour transform, one layer at the given compression ratio. JPEG XL: when the package
    pillow-jxl-plugin is there.
    """
    found = [_pillow("jpeg", "JPEG", (5, 10, 15, 20, 30, 40, 50, 60, 70, 80, 90, 95), range(1, 96),
                     lambda q: {"quality": q, "subsampling": "4:2:0", "optimize": True, "progressive": True})]
    if features.check("webp"):
        found.append(_pillow("webp", "WEBP", (0, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95), range(101),
                             lambda q: {"quality": q, "method": 6}))
    if features.check("avif"):
        for name, subsampling in (("avif", "4:2:0"), ("avif-444", "4:4:4")):
            found.append(_pillow(name, "AVIF", range(10, 100, 10), range(101),
                                 lambda q, subsampling=subsampling: {"quality": q, "speed": 6, "subsampling": subsampling}))
    if features.check("jpg_2000"):
        ratios = [1000 * 0.99**step for step in range(600)]  # 1000 … 2.4 in steps of 1 %, finer than a rate need be
        usual = (240, 160, 120, 80, 60, 40, 30, 20, 15, 10, 8)
        wavelet = {"quality_mode": "rates", "irreversible": True, "mct": 1}
        found.append(_pillow("jpeg2000", "JPEG2000", usual, ratios, lambda ratio: {"quality_layers": [ratio], **wavelet}))
    with contextlib.suppress(ImportError):
        import pillow_jxl  # noqa: F401  registers JPEG XL with Pillow

        found.append(_pillow("jxl", "JXL", (10, 20, 30, 40, 50, 60, 70, 80, 90, 95), range(100), lambda q: {"quality": q}))
    return {coder.name: coder for coder in found}


@cache
def coder(name: str) -> Coder:
    """A peer by its name, or a Metamer model: MODEL, MODEL+DECODER or MODEL+DECODER@REALISM.

    MODEL and DECODER are shipped ones' names, or files. Raises MetamerError.
    """
    known = peers()
    return known[name] if name in known else _metamer(name)


def _metamer(name: str) -> Coder:
    model, plus, rest = (name, "", "") if Path(name).exists() else name.partition("+")
    decoder, realism = _decoder(rest) if plus else (None, None)
    network = models.load(model)
    version = network.id.hex()
    if decoder:
        decoders.synthesis(network, decoder, realism)  # what is wrong is told before the first hour is spent
        weights = decoders.find(decoder, network).path.read_bytes()
        version += f" {hashlib.sha256(weights).hexdigest()[:16]}" + ("" if realism is None else f" {realism:g}")
    ladder = [100 * index / (models.QUALITIES - 1) for index in range(models.QUALITIES)]

    def encode(picture: Image.Image, setting: float) -> bytes:
        return metamer.encode(picture, setting, model=model)

    def decode(data: bytes) -> Image.Image:
        return metamer.decode(data, model=model, decoder=decoder, realism=realism)

    return Coder(name, model, version, QUALITIES, ladder, encode, decode)


def _decoder(text: str) -> tuple[str, float | None]:
    """Decoder and realism of what stands behind a model's name and its plus sign."""
    decoder, at, number = (text, "", "") if Path(text).is_file() else text.partition("@")
    try:
        realism = float(number) if at else None
    except ValueError:
        realism = -1.0
    if not decoder or (at and not 0 <= realism <= 1):
        raise MetamerError(f"'+{text}' names no decoder; write MODEL+DECODER or MODEL+DECODER@REALISM, realism from 0 to 1")
    return decoder, realism


def nearest(encode: Callable[[float], bytes], ladder: Sequence[float], size: float) -> float:
    """The setting of ``ladder`` whose encoding is nearest to ``size`` bytes.

    Bisection: size rises along the ladder, save for a few bytes between neighbours.
    """
    tried: dict[int, int] = {}
    low, high = 0, len(ladder) - 1
    while low <= high:
        middle = (low + high) // 2
        tried[middle] = len(encode(ladder[middle]))
        low, high = (middle + 1, high) if tried[middle] <= size else (low, middle - 1)
    return ladder[min(tried, key=lambda index: abs(tried[index] - size))]
