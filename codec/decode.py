"""`.mtm` files to pictures: unpack, decode latents, synthesise, paint what is coded otherwise."""

import os
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image

from metamer.codec import transforms
from metamer.codec.errors import FileError, ImageError, StreamError
from metamer.codec.format import container, limits
from metamer.codec.format.container import Header
from metamer.codec.grid import Box, latent_area
from metamer.codec.network.decoders import Synthesis, load_synthesis
from metamer.codec.network.model import Model, find_model
from metamer.codec.options import DecodeOptions, Region
from metamer.codec.stream import salvage, salvaged_picture
from metamer.codec.stream.coded_picture import paint_overlays, parse_tiles
from metamer.codec.stream.salvaged_picture import Salvaged
from metamer.codec.stream.scan import scan_sections
from metamer.codec.stream.sections import attach_extras, decode_transparency, pillow_info
from metamer.codec.stream.tile_decoder import TileDecoder
from metamer.codec.system import files

PREVIEW_GROUPS = 1  # of channels, the coarsest first

File = bytes | bytearray | memoryview | str | os.PathLike | IO[bytes]


def decode(
    data: File,
    *,
    region: Region | None = None,
    preview: bool = False,
    model: str | None = None,
    decoder: str | Path | None = None,
    realism: float | None = None,
    max_pixels: int | None = None,
    threads: int = 0,
) -> Image.Image:
    """Decodes a file to a picture.

    Latents are the same on every machine and for every decoder; pixels may differ by one level
    between processors.

    Args:
        data: The bytes of a `.mtm` file, its path, or the file opened for reading bytes.
        region: (x, y, width, height) in pixels, inside the picture: decode that part alone. Of a
            tiled file no tile is decoded that it does not need.
        preview: Decode from the coarse latents alone, in less time.
        model: A model file to look in besides those shipped; the file says which model it needs.
        decoder: A shipped decoder's name, or the path of a decoder file; by default the model's
            own, which has the least distortion.
        realism: 0 (the model's own decoder) … 1 (all the texture that ``decoder``, by default the
            one named `realism`, invents). By default 1 for a ``decoder`` that knows realism.
        max_pixels: How many pixels the file may declare; by default
            `codec.format.limits.MAX_PIXELS`, and no more than its length makes plausible.
        threads: 0 for every core.

    Returns:
        Mode RGB or L; RGBA or LA where the picture is transparent. What the file holds of a colour
        profile, EXIF and XMP is in ``info`` under `icc_profile`, `exif` and `xmp`.

    Raises:
        FileError: The file cannot be read.
        StreamError: The file is damaged, or not a `.mtm` file.
        ModelError: The model or decoder that it takes is not here.
        ImageError: The region is not inside the picture.
        ValueError: An option is out of its range.

    Examples:
        >>> from metamer.codec.encode import encode
        >>> decode(encode(Image.new("RGB", (64, 48), "navy"))).size
        (64, 48)
    """
    options = DecodeOptions(
        region=region,
        preview=preview,
        model=model,
        decoder=decoder,
        realism=realism,
        max_pixels=max_pixels,
        threads=threads,
    )
    data = read_stream(data)
    header, sections = container.unpack(data)
    limits.check_stream_size(header, len(data), max_pixels)
    area, coded = _area(region, header), parse_tiles(header, sections)
    image = _blank(header, area)
    if coded.networked(area):
        network, synthesis = _networks(header, options)
        tiles = TileDecoder(coded, network, PREVIEW_GROUPS if preview else None)
        image = transforms.synthesise(tiles, coded, area, network, synthesis)
    opacity = paint_overlays(coded, area, image) or decode_transparency(header, sections, area)
    return attach_extras(image, opacity, pillow_info(sections))


def rescue(
    data: File,
    *,
    region: Region | None = None,
    preview: bool = False,
    model: str | None = None,
    decoder: str | Path | None = None,
    realism: float | None = None,
    max_pixels: int | None = None,
    threads: int = 0,
) -> Salvaged:
    """Decodes what is whole in a damaged file, and says what is not (`codec.stream.salvage`).

    Around a lost tile, up to 56 pixels of its neighbours are less exact: their networks look there.

    Args:
        data: As for `decode`.
        region: As for `decode`.
        preview: As for `decode`.
        model: As for `decode`.
        decoder: As for `decode`.
        realism: As for `decode`.
        max_pixels: As for `decode`.
        threads: As for `decode`.

    Returns:
        The picture, with lost tiles crossed out, and a line for each damage.

    Raises:
        FileError: The file cannot be read.
        StreamError: The header is damaged, so that even the size is unknown, or nothing is left.
        ModelError: The model or decoder that the file takes is not here.
        ImageError: The region is not inside the picture.
        ValueError: An option is out of its range.
    """
    options = DecodeOptions(
        region=region,
        preview=preview,
        model=model,
        decoder=decoder,
        realism=realism,
        max_pixels=max_pixels,
        threads=threads,
    )
    data = read_stream(data)
    try:
        header, sections = container.unpack(data)
        damage: list[str] = []
    except StreamError:
        header, sections, damage = scan_sections(data)
    limits.check_stream_size(header, len(data), max_pixels)
    damage = damage or salvage.report_disorder(header, sections)
    area, coded = _area(region, header), salvage.salvage_tiles(header, sections)
    image, lost = _blank(header, area), salvage.missing_tiles(coded)
    if coded.networked(area):
        network, synthesis = _networks(header, options)
        groups = PREVIEW_GROUPS if preview else None
        tiles = salvage.LenientTileDecoder(coded, network, groups, bool(damage))
        image, lost = transforms.synthesise(tiles, coded, area, network, synthesis), tiles.lost
    opacity = salvaged_picture.paint_salvaged(coded, area, image, lost, damage)
    image = salvaged_picture.attach_salvaged(image, header, sections, area, damage, opacity)
    return salvaged_picture.mark_lost(image, area, coded, lost, damage)


def decode_latents(
    data: File, *, model: str | None = None, max_pixels: int | None = None, threads: int = 0
) -> np.ndarray:
    """Decodes a file's latents, which are the same on every machine, to the bit.

    Args:
        data: As for `decode`.
        model: As for `decode`.
        max_pixels: As for `decode`.
        threads: As for `decode`.

    Returns:
        (h, w, M) int32 sixteenths of a quantiser step, one position for 16 × 16 pixels. M is 0 in a
        file that needs no model; where a tile is coded without the networks, latents are 0.

    Raises:
        FileError: The file cannot be read.
        StreamError: The file is damaged, or not a `.mtm` file.
        ModelError: The model that it takes is not here.

    Examples:
        >>> from metamer.codec.encode import encode
        >>> decode_latents(encode(Image.new("RGB", (64, 48), "navy"), lossless=False)).shape
        (3, 4, 384)
    """
    data = read_stream(data)
    header, sections = container.unpack(data)
    limits.check_stream_size(header, len(data), max_pixels)
    coded, whole = parse_tiles(header, sections), latent_area(header.width, header.height)
    if header.model_id == container.NO_MODEL:
        return np.zeros((whole.height, whole.width, 0), np.int32)
    network = model_of(header, model, threads)
    tiles = TileDecoder(coded, network)
    decoded = np.empty((whole.height, whole.width, network.latents), np.int32)
    for number, box in enumerate(coded.tiles):
        decoded[box.within(whole)] = tiles(number)
    return decoded


def read_stream(data: File) -> bytes:
    """The bytes of a `.mtm` file that is given in one of the ways that `decode` takes.

    Raises:
        StreamError: It is given in none of them.
        FileError: It cannot be read.
    """
    if isinstance(data, (str, os.PathLike)):
        path = os.fsdecode(data)
        try:
            return files.read_path(path)
        except FileError as problem:
            raise FileError(f"{path}: {problem}") from None
    contents = files.read_contents(data)
    if contents is None:
        raise StreamError(f"is not a path, bytes or an open file, but {type(data).__name__}")
    return contents


def model_of(header: Header, model: str | None, threads: int) -> Model:
    """The model that a file names, shipped or in the model file ``model``. Raises ModelError."""
    return find_model(header.model_id, (model,) if model else (), threads, header.grey)


def _networks(header: Header, options: DecodeOptions) -> tuple[Model, Synthesis]:
    network = model_of(header, options.model, options.threads)
    return network, load_synthesis(
        network, header.quality, options.decoder, options.realism, options.threads
    )


def _blank(header: Header, area: Box) -> Image.Image:
    return Image.new("L" if header.grey else "RGB", (area.width, area.height))


def _area(region: Region | None, header: Header) -> Box:
    """A region, or the whole, in pixels. Raises ImageError where it is not inside the picture."""
    if region is None:
        return Box(0, 0, header.height, header.width)
    left, top, width, height = region
    inside = left + width <= header.width and top + height <= header.height
    if min(left, top) < 0 or min(width, height) < 1 or not inside:
        raise ImageError(
            f"has {header.width}x{header.height} pixels; the region {left},{top},{width},{height} "
            "is not inside"
        )
    return Box(top, left, top + height, left + width)
