"""Encode and decode, whole pictures: read → transform → code → write."""

import io
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image

from metamer.codec import container, limits, windows
from metamer.codec.container import Kind, Section
from metamer.codec.encoder import rate_control
from metamer.codec.encoder.effort import Effort, Progress
from metamer.codec.encoder.forms import SURE, Forms
from metamer.codec.errors import ImageError, StreamError
from metamer.codec.grid import Box
from metamer.codec.network import decoders, latents
from metamer.codec.network import model as models
from metamer.codec.network.colour_axes import Turn
from metamer.codec.network.model import QUALITIES, Model
from metamer.codec.picture import vp8l
from metamer.codec.picture.load import Picture, convert_picture, load_picture, quantise_transparency
from metamer.codec.stream import salvage
from metamer.codec.stream.sections import (
    attach_extras,
    decode_transparency,
    extra_sections,
    pillow_info,
)
from metamer.codec.stream.tiles import TileDecoder, latent_area, paint_overlays, parse_tiles
from metamer.codec.system import files
from metamer.entropy.coder import Encoder, Meter

# pixels; tiles cost a little rate, a whole picture takes some 160 bytes a pixel
TILED_ABOVE = 4 << 20
PREVIEW_GROUPS = 1  # of channels, the coarsest first
MAX_QUALITY = 100.0
DEFAULT_QUALITY = 50.0
LOSSLESS = "lossless"  # in `Info.forms`

Source = Image.Image | np.ndarray | str | os.PathLike | bytes | bytearray | memoryview | IO[bytes]
File = bytes | bytearray | memoryview | str | os.PathLike | IO[bytes]


@dataclass(frozen=True)
class Info:
    """What a file says of itself, and what is installed for it.

    quality: 0…100; model: the name of the installed model, or None; bytes: file size; tiles: 0 if
    coded in one piece; decoders: names that `decode` takes besides the model's own decoder; grey:
    one plane; sections: bytes of what is there of `alpha`, `icc`, `exif`, `xmp`. forms: how many
    tiles are coded how (a picture in one piece is one): `networks` alone, `blocks` (some of it
    without loss), `residual` (networks and what they lack), `lossless`.
    """

    width: int
    height: int
    quality: float
    model: str | None
    model_id: str
    version: int
    bytes: int
    tiles: int
    decoders: tuple[str, ...] = ()
    grey: bool = False
    sections: dict[str, int] = field(default_factory=dict)
    forms: dict[str, int] = field(default_factory=dict)

    @property
    def lossless(self) -> bool:
        """Whether every visible pixel is as it was, and no model is needed."""
        return set(self.forms) == {LOSSLESS}

    @property
    def bpp(self) -> float:
        """Bits a pixel, the header counted."""
        return 8 * self.bytes / (self.width * self.height)


def _picture(source: Source, **options: Any) -> Picture:
    """options: of `codec.picture.load.convert_picture`."""
    if isinstance(source, Image.Image):
        return convert_picture(source, **options)
    if isinstance(source, np.ndarray):
        if source.dtype != np.uint8:
            raise ImageError(f"arrays must hold 8-bit pixels (uint8), not {source.dtype}")
        if not source.size or not (
            source.ndim == 2 or (source.ndim == 3 and source.shape[2] in (3, 4))
        ):
            raise ImageError(f"arrays must be (H, W), (H, W, 3) or (H, W, 4), not {source.shape}")
        return convert_picture(Image.fromarray(source), **options)
    if isinstance(source, (str, os.PathLike)):
        return load_picture(source, **options)
    data = files.read_contents(source)
    if data is None:
        raise ImageError(
            "is not a picture, an array, a path, bytes or an open file, but "
            f"{type(source).__name__}"
        )
    return load_picture(io.BytesIO(data), **options)


def quality_index(quality: float) -> int:
    """0…100 to the 0…255 that is stored. Raises ValueError outside."""
    if not 0 <= quality <= MAX_QUALITY:
        raise ValueError(f"quality must be between 0 and 100, not {quality}")
    return round(quality * (QUALITIES - 1) / MAX_QUALITY)


def write(
    picture: Image.Image,
    index: int,
    model: Model,
    writer: Encoder | Meter,
    turn: Turn | None,
    box: Box | None = None,
    importance: np.ndarray | None = None,
    effort: Effort | None = None,
) -> np.ndarray:
    """All that the networks code of a picture, or of the tile ``box``, to an entropy.coder Encoder
    or Meter.

    Returns the decoded latents, as `latents.write_latents` does.

    turn: of its colours, as a rule `transforms.axes_of` it; importance: `transforms.importance` of
    it, if at hand; effort: none, or how latents are refined.
    """
    whole = latent_area(*picture.size)
    box = box or whole
    importance = windows.error_importance(picture, model) if importance is None else importance
    importance = importance[box.within(whole)][..., None]
    if effort:
        latent, hyper, tradeoff = effort.refined(picture, box, index, model, turn, importance)
    else:
        latent, hyper = windows.analyse_box(picture, box, index, model, turn)
        tradeoff = importance * model.tradeoff[index]
    return latents.write_latents(model, index, latent, hyper, writer, tradeoff)


def _encode(
    picture: Forms,
    index: int,
    others: list[Section],
    lossless: bool | None,
    effort: Effort | None = None,
) -> bytes:
    """others: the sections besides the picture's."""
    importance: dict[int, np.ndarray] = {}

    def code(image: Image.Image, box: Box) -> tuple[bytes, np.ndarray]:
        if id(image) not in importance:
            importance[id(image)] = windows.error_importance(image, picture.model)
        writer = Encoder(picture.model.tables)
        decoded = write(
            image, index, picture.model, writer, picture.turn, box, importance[id(image)], effort
        )
        return writer.bytes(), decoded

    if lossless:
        return container.pack(*picture.lossless(index, others))
    take = picture.choose if lossless is None else picture.networks
    return container.pack(
        *picture.assemble(
            [take(number, index, code) for number in range(len(picture.boxes))], index, others
        )
    )


def encode(
    image: Source,
    quality: float = DEFAULT_QUALITY,
    *,
    lossless: bool | None = None,
    max_bytes: int | None = None,
    bpp: float | None = None,
    model: str = "base",
    tile: bool = False,
    max_pixels: int | None = None,
    threads: int = 0,
    icc: str = "convert",
    metadata: str = "keep",
    first_frame: bool = False,
    alpha_quality: int = 100,
    effort: int = 0,
    distortion: Mapping[str, float] | None = None,
    progress: Progress = lambda: None,
) -> bytes:
    """Encodes a picture: a PIL image, an (H, W), (H, W, 3) or (H, W, 4) uint8 array, or a picture
    file as its path, its bytes, or opened for reading bytes.

    quality: 0 (smallest) … 100 (best). lossless: True keeps every visible pixel as it is, whatever
    the quality; by default what is drawn rather than photographed is kept so, tile by tile, where
    that is the better trade (`codec.encoder.forms`); False leaves everything to the networks.
    max_bytes, or bpp (bits a pixel of the whole file): the highest quality that fits, instead.
    model: a shipped model's name or a model file. tile: code tiles of 1024x1024 pixels apart, each
    with a checksum, so that parts can be decoded and damage stays where it is; pictures of more
    than `TILED_ABOVE` pixels always are. max_pixels: how many the picture may have, by default
    `codec.limits.MAX_PIXELS`. threads: 0 uses every core. What the bytes decode to never depends on
    it; nor have the bytes so far (tests/codec/system/test_jobs.py), though the analysis network is
    floating point.

    icc: 'convert' colours to sRGB, or 'keep' them as they are, with their profile. metadata: 'keep'
    or 'strip' EXIF and XMP. first_frame: take the first frame or page of several instead of
    refusing them. alpha_quality: 100 codes transparency without loss; less, down to 0, with fewer
    levels of it. Grey pictures are coded as grey.

    effort: 0 … 9, time spent on a better trade of bits against error, which decoders need not know
    of (`codec.encoder.effort`); above 3 it takes PyTorch. distortion: what error is, as weights of
    distances of `perception`; default what the model was trained on. progress: called after each of
    its steps. With effort, bytes may differ between machines; what they decode to does not. Raises
    ImageError, ModelError, ValueError; ImportError where the extra `train` is needed.

    >>> picture = Image.radial_gradient("L")  # 256x256
    >>> len(encode(picture, 10)) < len(encode(picture, 90))
    True
    >>> len(encode(picture, max_bytes=500)) <= 500
    True
    """
    if (max_bytes is not None) + (bpp is not None) + bool(lossless) > 1:
        raise ValueError("give one of max_bytes, bpp and lossless")
    for name, value, known in (
        ("icc", icc, ("convert", "keep")),
        ("metadata", metadata, ("keep", "strip")),
    ):
        if value not in known:
            raise ValueError(f"{name} must be {' or '.join(known)}, not {value!r}")
    if not 0 <= alpha_quality <= 100:
        raise ValueError(f"alpha_quality must be between 0 and 100, not {alpha_quality}")
    index = quality_index(quality)
    whole = _picture(
        image, icc=icc, strip=metadata == "strip", first_frame=first_frame, max_pixels=max_pixels
    )
    picture = whole.image
    tile = (
        tile or picture.width * picture.height > TILED_ABOVE or max(picture.size) >= vp8l.MAX_SIDE
    )
    network = _variant(models.load_model(model, threads), picture)
    if bpp is not None:
        if not 0 < bpp < float("inf"):
            raise ValueError(f"bpp must be positive and finite, not {bpp}")
        max_bytes = int(bpp * picture.width * picture.height / 8)
    whole = quantise_transparency(whole, alpha_quality)
    others = extra_sections(whole)
    alpha_bytes = sum(len(section.body) for section in others if section.kind == Kind.ALPHA)
    coding = Forms(picture, whole.transparency, alpha_bytes, network, tile, lossless is None)
    if lossless:
        return _encode(coding, QUALITIES - 1, others, True)
    trying = Effort.of(effort, distortion, network, progress)

    def plain(index: int) -> bytes:
        return _encode(coding, index, others, lossless)

    def refined(index: int) -> bytes:
        return _encode(coding, index, others, lossless, trying)

    if max_bytes is None:
        return refined(index)
    if lossless is None and coding.lossless_bits() * SURE <= 8 * max_bytes:
        data = _encode(coding, QUALITIES - 1, others, True)
        if len(data) <= max_bytes:
            return data
    return rate_control.largest_within(plain, refined if trying else None, max_bytes, network.name)


def _variant(network: Model, picture: Image.Image) -> Model:
    return network.grey_variant if picture.mode == "L" else network


def cross_entropy(
    image: Source, quality: float = DEFAULT_QUALITY, *, model: str = "base", threads: int = 0
) -> float:
    """Bits that the model's own tables say `encode` must spend; a file exceeds it by header and
    rounding alone.

    >>> picture = Image.radial_gradient("L")
    >>> cross_entropy(picture, 10) < cross_entropy(picture, 90)
    True
    """
    picture = _picture(image).image
    network, index = _variant(models.load_model(model, threads), picture), quality_index(quality)
    meter = Meter(network.tables)
    write(picture, index, network, meter, windows.choose_turn(picture))
    return meter.bits


def _bytes(data: File) -> bytes:
    if isinstance(data, (str, os.PathLike)):
        return files.read_file(str(data))
    held = files.read_contents(data)
    if held is None:
        raise StreamError(f"is not a path, bytes or an open file, but {type(data).__name__}")
    return held


def decode_latents(
    data: File, *, model: str | None = None, max_pixels: int | None = None, threads: int = 0
) -> np.ndarray:
    """The decoded latents (h, w, M), int32 sixteenths of a quantiser step: the same on every
    machine, to the bit.

    M is 0 in a file that needs no model; where a tile is coded without the networks, latents are 0.

    >>> decode_latents(encode(Image.new("RGB", (64, 48), "navy"), lossless=False)).shape
    (3, 4, 384)
    """
    data = _bytes(data)
    header, found = container.unpack(data)
    limits.check_stream_size(header, len(data), max_pixels)
    picture, whole = parse_tiles(header, found), latent_area(header.width, header.height)
    if header.model_id == container.NO_MODEL:
        return np.zeros((whole.height, whole.width, 0), np.int32)
    network = find_model(header, model, threads)
    tile = TileDecoder(picture, network)
    decoded = np.empty((whole.height, whole.width, network.latents), np.int32)
    for number, box in enumerate(picture.tiles):
        decoded[box.within(whole)] = tile(number)
    return decoded


def decode(
    data: File,
    *,
    region: tuple[int, int, int, int] | None = None,
    preview: bool = False,
    model: str | None = None,
    decoder: str | Path | None = None,
    realism: float | None = None,
    max_pixels: int | None = None,
    threads: int = 0,
) -> Image.Image:
    """Decodes a file, given as its bytes, its path or opened, to a picture: RGB or L, RGBA or LA
    where it is transparent.

    What the file holds of a colour profile, EXIF and XMP is in ``info`` under `icc_profile`, `exif`
    and `xmp`.

    region: (x, y, width, height) in pixels, inside the picture: decodes that part alone; of a tiled
    file no tile is decoded that it does not need. preview: from the coarse latents alone, in less
    time. model: a model file to look in besides those shipped; the stream says which it needs.
    decoder: a shipped decoder's name, or a decoder file; default the model's own, which has the
    least distortion. realism: 0 (the model's own decoder) … 1 (all the texture that ``decoder``, by
    default the one named `realism`, invents); a decoder that knows realism decodes at 1 if it is
    not given. max_pixels: how many the file may declare, by default `codec.limits.MAX_PIXELS` and
    no more than its length makes plausible. Latents are the same on every machine and for every
    decoder; pixels may differ by one level between processors. Raises StreamError, ModelError,
    ValueError.

    >>> decode(encode(Image.new("RGB", (64, 48), "navy"))).size
    (64, 48)
    """
    _check_realism(realism)
    data = _bytes(data)
    header, found = container.unpack(data)
    limits.check_stream_size(header, len(data), max_pixels)
    area, picture = _area(region, header), parse_tiles(header, found)
    image = Image.new("L" if header.grey else "RGB", (area.width, area.height))
    if picture.networked(area):
        network, synthesis = _networks(header, model, decoder, realism, threads)
        tile = TileDecoder(picture, network, synthesis, PREVIEW_GROUPS if preview else None)
        image = windows.synthesise(tile, picture, area, network, synthesis)
    opacity = paint_overlays(picture, area, image)
    return attach_extras(
        image, opacity or decode_transparency(header, found, area), pillow_info(found)
    )


def rescue(
    data: File,
    *,
    region: tuple[int, int, int, int] | None = None,
    preview: bool = False,
    model: str | None = None,
    decoder: str | Path | None = None,
    realism: float | None = None,
    max_pixels: int | None = None,
    threads: int = 0,
) -> salvage.Salvaged:
    """Decodes what is whole in a damaged file, as `decode` does, and says what is not; see
    `codec.stream.salvage`.

    Around a lost tile, up to 56 pixels of its neighbours are less exact: their networks look there.
    Raises StreamError where the header is damaged, for then even the size is unknown; ModelError,
    ValueError.
    """
    _check_realism(realism)
    data = _bytes(data)
    try:
        header, found = container.unpack(data)
        damage: list[str] = []
    except StreamError:
        header, found, damage = salvage.scan_sections(data)
    limits.check_stream_size(header, len(data), max_pixels)
    damage = damage or salvage.report_disorder(header, found)
    area, picture = _area(region, header), salvage.salvage_tiles(header, found)
    image, lost = (
        Image.new("L" if header.grey else "RGB", (area.width, area.height)),
        salvage.missing_tiles(picture),
    )
    if picture.networked(area):
        network, synthesis = _networks(header, model, decoder, realism, threads)
        tile = salvage.LenientTileDecoder(
            picture, network, synthesis, PREVIEW_GROUPS if preview else None, bool(damage)
        )
        image, lost = windows.synthesise(tile, picture, area, network, synthesis), tile.lost
    opacity = salvage.paint_salvaged(picture, area, image, lost, damage)
    image = salvage.attach_salvaged(image, header, found, area, damage, opacity)
    return salvage.mark_lost(image, area, picture, lost, damage)


def _check_realism(realism: float | None) -> None:
    if realism is not None and not 0 <= realism <= 1:
        raise ValueError(f"realism must be between 0 and 1, not {realism}")


def _networks(
    header: container.Header,
    model: str | None,
    decoder: str | Path | None,
    realism: float | None,
    threads: int,
) -> tuple[Model, decoders.Synthesis]:
    network = find_model(header, model, threads)
    return network, decoders.load_synthesis(network, decoder, realism, threads)


def find_model(header: container.Header, model: str | None, threads: int) -> Model:
    """The model that a file names, in the model file ``model`` or among those shipped. Raises
    ModelError.
    """
    return models.find_model(header.model_id, (model,) if model else (), threads, header.grey)


def _area(region: tuple[int, int, int, int] | None, header: container.Header) -> Box:
    """A region, or the whole, in pixels. Raises ImageError where it is not inside the picture."""
    if region is None:
        return Box(0, 0, header.height, header.width)
    left, top, width, height = region
    if (
        min(left, top) < 0
        or min(width, height) < 1
        or left + width > header.width
        or top + height > header.height
    ):
        raise ImageError(
            f"has {header.width}x{header.height} pixels; the region {left},{top},{width},{height} "
            "is not inside"
        )
    return Box(top, left, top + height, left + width)


def info(data: File) -> Info:
    """What the header says, all checksums verified, and that all tiles are there. Raises
    StreamError.
    """
    data = _bytes(data)
    header, found = container.unpack(data)
    coded = parse_tiles(header, found)
    forms = Counter(
        "networks" if one is None else LOSSLESS if one.whole else one.form.name.lower()
        for one in coded.overlays
    )
    here = {path.stem: models.load_model(path.stem) for path in models.shipped_models()}
    here = {name: model.grey_variant if header.grey else model for name, model in here.items()}
    name = next((name for name, model in here.items() if model.id == header.model_id), None)
    networks = here[name].networks if name else header.model_id
    held = {
        Kind(section.kind).name.lower(): len(section.body)
        for section in found
        if Kind.PICTURE < section.kind <= Kind.XMP
    }
    quality = round(header.quality * MAX_QUALITY / (QUALITIES - 1), 1)
    return Info(
        header.width,
        header.height,
        quality,
        name,
        header.model_id.hex(),
        container.version(data),
        len(data),
        len(coded.tiles) if header.tiled else 0,
        tuple(
            decoder.name for decoder in decoders.shipped_decoders() if decoder.decodes == networks
        ),
        header.grey,
        held,
        dict(forms),
    )
