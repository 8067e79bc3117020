"""Encode and decode, whole pictures: read → transform → code → write."""

import io
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from codec import container, decoders, files, latents, pixels, texture
from codec import model as models
from codec.container import Kind
from codec.errors import ImageError, ModelError, StreamError
from codec.masking import error_weights
from codec.model import QUALITIES, Model
from entropy.coder import DamagedError, Decoder, Encoder, Meter

MAX_PIXELS = 24 << 20  # what is coded in one piece; at about 160 bytes a pixel it takes 4 GB
MAX_QUALITY = 100.0
DEFAULT_QUALITY = 50.0

Source = Image.Image | np.ndarray | str | Path | bytes


@dataclass(frozen=True)
class Info:
    """What a file says of itself, and what is installed for it.

    quality: 0…100; model: the name of the installed model, or None; bytes: file size; decoders: names that `decode`
    takes besides the model's own decoder.
    """

    width: int
    height: int
    quality: float
    model: str | None
    model_id: str
    version: int
    bytes: int
    decoders: tuple[str, ...] = ()

    @property
    def bpp(self) -> float:
        """Bits a pixel, the header counted."""
        return 8 * self.bytes / (self.width * self.height)


def _picture(source: Source) -> Image.Image:
    if isinstance(source, Image.Image):
        return pixels.to_rgb(source)
    if isinstance(source, np.ndarray):
        if source.dtype != np.uint8:
            raise ImageError(f"arrays must hold 8-bit pixels (uint8), not {source.dtype}")
        if not source.size or (source.ndim != 2 and source.shape[2:] != (3,)):
            raise ImageError(f"arrays must be (H, W) or (H, W, 3), not {source.shape}")
        return pixels.to_rgb(Image.fromarray(source))
    return pixels.read(io.BytesIO(source) if isinstance(source, bytes) else source)


def quality_index(quality: float) -> int:
    """0…100 to the 0…255 that is stored. Raises ValueError outside."""
    if not 0 <= quality <= MAX_QUALITY:
        raise ValueError(f"quality must be between 0 and 100, not {quality}")
    return round(quality * (QUALITIES - 1) / MAX_QUALITY)


def analyse(planes: np.ndarray, index: int, model: Model) -> tuple[np.ndarray, np.ndarray]:
    """Latents (h, w, M) float32 and integer hyper-latents (Z, h', w') of (1, 3, H, W) planes, `pixels.to_planes`."""
    weights = model.arrays["level_weights"][index : index + 1]
    latent, hyper = model.run("analysis", image=planes, weights=weights)
    limit = latents.HYPER_MAX
    return latent[0], np.rint(hyper[0]).clip(-limit, limit).astype(np.int32)


def write(picture: Image.Image, index: int, model: Model, writer: Encoder | Meter) -> None:
    """Everything of a picture that is coded, to an entropy.coder Encoder or Meter."""
    planes = pixels.to_planes(picture)
    tradeoff = model.tradeoff[index] * (error_weights(planes, model.masking) if model.masking else 1)
    latents.encode(model, index, *analyse(planes, index, model), writer, tradeoff)


def _encode(picture: Image.Image, index: int, model: Model) -> bytes:
    writer = Encoder(model.tables)
    write(picture, index, model, writer)
    header = container.Header(model.id, index, picture.width, picture.height)
    return container.pack(header, [container.Section(Kind.PICTURE, writer.bytes())])


def _largest_within(picture: Image.Image, limit: int, model: Model) -> bytes:
    """The encoding of the highest quality that takes at most ``limit`` bytes. Raises ImageError when none does.

    Bisection: size grows with quality, save for a few bytes between neighbours.
    """
    best, low, high = None, 0, QUALITIES - 1
    while low <= high:
        middle = (low + high) // 2
        data = _encode(picture, middle, model)
        if len(data) <= limit:
            best, low = data, middle + 1
        else:
            smallest, high = len(data), middle - 1
    if best is None:
        raise ImageError(f"needs at least {smallest} bytes with model '{model.name}'; {limit} were allowed")
    return best


def encode(
    image: Source,
    quality: float = DEFAULT_QUALITY,
    *,
    max_bytes: int | None = None,
    bpp: float | None = None,
    model: str = "base",
    threads: int = 0,
) -> bytes:
    """Encodes a picture: a PIL image, an (H, W, 3) or (H, W) uint8 array, a path, or the bytes of a picture file.

    quality: 0 (smallest) … 100 (best). max_bytes, or bpp (bits a pixel of the whole file): the highest quality that
    fits, instead. model: a shipped model's name or a model file. threads: 0 uses every core. What the bytes decode to
    never depends on it; nor have the bytes so far (tests/codec/test_jobs.py), though the analysis network is floating point.
    Raises ImageError, ModelError, ValueError.

    >>> picture = Image.radial_gradient("L")  # 256x256
    >>> len(encode(picture, 10)) < len(encode(picture, 90)), len(encode(picture, max_bytes=500)) <= 500
    (True, True)
    """
    if (max_bytes is not None) + (bpp is not None) > 1:
        raise ValueError("give max_bytes or bpp, not both")
    index = quality_index(quality)
    picture = _picture(image)
    if picture.width * picture.height > MAX_PIXELS:
        raise ImageError(f"has {picture.width * picture.height} pixels; at most {MAX_PIXELS} are coded")
    network = models.load(model, threads)
    if bpp is not None:
        if not 0 < bpp < float("inf"):
            raise ValueError(f"bpp must be positive and finite, not {bpp}")
        max_bytes = int(bpp * picture.width * picture.height / 8)
    if max_bytes is not None:
        return _largest_within(picture, max_bytes, network)
    return _encode(picture, index, network)


def cross_entropy(image: Source, quality: float = DEFAULT_QUALITY, *, model: str = "base", threads: int = 0) -> float:
    """Bits that the model's own tables say `encode` must spend; a file exceeds it by header and rounding alone.

    >>> cross_entropy(Image.radial_gradient("L"), 10) < cross_entropy(Image.radial_gradient("L"), 90)
    True
    """
    network, index = models.load(model, threads), quality_index(quality)
    meter = Meter(network.tables)
    write(_picture(image), index, network, meter)
    return meter.bits


def _bytes(data: bytes | str | Path) -> bytes:
    return data if isinstance(data, bytes) else files.read(str(data))


def _open(data: bytes, model: str | None, threads: int) -> tuple[container.Header, bytes, Model]:
    """Header, payload and the model that they need. Raises StreamError, ModelError."""
    header, sections = container.unpack(data)
    if header.width * header.height > MAX_PIXELS:
        raise StreamError(f"declares {header.width}x{header.height} pixels; at most {MAX_PIXELS} are decoded")
    if header.grey or header.tiled or len(sections) > 1:
        raise StreamError("holds more than a plain picture")
    return header, sections[0].body, models.find(header.model_id, (model,) if model else (), threads)


def _latents(header: container.Header, payload: bytes, network: Model, given: decoders.Synthesis | None = None) -> np.ndarray:
    """Sixteenths of a step: integers, or with the texture that the synthesis is to be given."""
    height, width = (side // latents.STRIDE for side in pixels.padded_size(header.height, header.width))
    nothing = np.empty((height, width, network.latents), np.uint8) if given and given.texture else None
    try:
        decoded = latents.decode(network, header.quality, height, width, Decoder(network.tables, payload), nothing)
    except DamagedError as problem:
        raise StreamError(f"is damaged: {problem}") from None
    if nothing is None or given is None:
        return decoded
    drawn = texture.noise(nothing, given.scales, len(network.tables), zlib.crc32(payload))  # the same for a file, always
    return decoded + np.repeat(np.asarray(given.texture, np.float32) * latents.FRACTION, network.groups) * drawn


def decode_latents(data: bytes | str | Path, *, model: str | None = None, threads: int = 0) -> np.ndarray:
    """The decoded latents (h, w, M), int32 sixteenths of a quantiser step: the same on every machine, to the bit.

    >>> decode_latents(encode(Image.new("RGB", (64, 48)))).shape
    (3, 4, 384)
    """
    return _latents(*_open(_bytes(data), model, threads))


def decode(
    data: bytes | str | Path,
    *,
    model: str | None = None,
    decoder: str | Path | None = None,
    realism: float | None = None,
    threads: int = 0,
) -> Image.Image:
    """Decodes a whole file, given as its bytes or its path, to an RGB picture.

    model: a model file to look in besides those shipped; the stream says which it needs. decoder: a shipped decoder's
    name, or a decoder file; default the model's own, which has the least distortion. realism: 0 (the model's own
    decoder) … 1 (all the texture that ``decoder``, by default the one named `realism`, invents); a decoder that knows
    realism decodes at 1 if it is not given. Latents are the same on every machine and for every decoder; pixels may
    differ by one level between processors. Raises StreamError, ModelError, ValueError.

    >>> decode(encode(Image.new("RGB", (64, 48), "navy"))).size
    (64, 48)
    """
    if realism is not None and not 0 <= realism <= 1:
        raise ValueError(f"realism must be between 0 and 1, not {realism}")
    header, payload, network = _open(_bytes(data), model, threads)
    synthesis = decoders.synthesis(network, decoder, realism, threads)
    latent = latents.dequantise(network, header.quality, _latents(header, payload, network, synthesis))
    weights = network.arrays["level_weights"][header.quality : header.quality + 1]
    planes = synthesis.session.run(latent=latent, weights=weights)[0]
    if planes.shape != (1, 3, *pixels.padded_size(header.height, header.width)):
        raise ModelError(f"the decoder gives an array of {planes.shape} for {header.width}x{header.height} pixels")
    return pixels.from_planes(planes, header.width, header.height)


def info(data: bytes | str | Path) -> Info:
    """What the header says, the checksum verified. Raises StreamError.

    >>> info(encode(Image.new("RGB", (64, 48)), 30)).quality
    29.8
    """
    data = _bytes(data)
    header, _ = container.unpack(data)
    names = [path.stem for path in models.shipped() if models.load(path.stem).id == header.model_id]
    quality = round(header.quality * MAX_QUALITY / (QUALITIES - 1), 1)
    return Info(
        header.width, header.height, quality, names[0] if names else None, header.model_id.hex(), container.version(data),
        len(data), tuple(decoder.name for decoder in decoders.shipped() if decoder.decodes == header.model_id),
    )
