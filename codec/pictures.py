"""Picture files of every kind to what is coded: an upright 8-bit picture, its transparency and its metadata.

`PICTURES.md` lists what happens to which odd file.
"""

import contextlib
import importlib
import io
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from codec import alpha, colour, limits, metadata
from codec.errors import ImageError

MAX_SIDE = 65536
# what Pillow's readers raise on damaged files, by experience
PILLOW_ERRORS = (OSError, SyntaxError, ValueError, EOFError, KeyError, IndexError, TypeError, AttributeError, RuntimeError,
                 struct.error, zlib.error, OverflowError, Image.DecompressionBombError)
# formats of packages that Pillow knows nothing of: how such files begin, the module, its function if any, and the package
PLUGINS: dict[str, tuple[Callable[[bytes], bool], str, str | None, str]] = {
    "HEIC": (lambda head: head[4:8] == b"ftyp" and head[8:12] in (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1"),
             "pillow_heif", "register_heif_opener", "pillow-heif"),
    "JPEG XL": (lambda head: head[:2] == b"\xff\x0a" or head[:12] == b"\0\0\0\x0cJXL \r\n\x87\n", "pillow_jxl", None,
                "pillow-jxl-plugin"),
}


@dataclass(frozen=True)
class Picture:
    """What a file is made of.

    image: mode L or RGB. transparency: mode L, of the same size, 255 for opaque; None where everything is. icc: the profile
    that ``image`` is in, empty for sRGB; exif: without its `Exif` prefix; xmp: a packet; empty where there is none.
    """

    image: Image.Image
    transparency: Image.Image | None = None
    icc: bytes = b""
    exif: bytes = b""
    xmp: bytes = b""

    @property
    def grey(self) -> bool:
        return self.image.mode == "L"


def load(source: str | Path | io.BytesIO, *, max_pixels: int | None = None, **options: Any) -> Picture:
    """Opens and takes a picture file, as `take` does and with its options. Raises ImageError with the reason."""
    try:
        with pillow_limit(max_pixels), _open(source) as image:
            return take(image, max_pixels=max_pixels, own=True, **options)
    except ImageError:
        raise
    except FileNotFoundError:
        raise ImageError("does not exist") from None
    except IsADirectoryError:
        raise ImageError("is a folder") from None
    except UnidentifiedImageError:
        raise ImageError("is not a picture that Pillow can read") from None
    except PILLOW_ERRORS as problem:
        raise ImageError(f"cannot be read: {problem}") from problem


def take(
    image: Image.Image, *, icc: str = "convert", strip: bool = False, first_frame: bool = False, max_pixels: int | None = None,
    own: bool = False,
) -> Picture:
    """What is coded of an opened picture.

    EXIF orientation is applied. icc: 'convert' to sRGB, or 'keep' the numbers as they are and the profile with them, where
    pictures of one or three channels have one; pictures of four channels are converted. strip: leave out EXIF and
    XMP. first_frame: take the first of several frames or pages rather than refuse them. max_pixels: as in
    `codec.limits`. own: ``image`` may be changed, which spares a copy of it.
    Raises ImageError where the picture cannot be read, or reading it would lose something silently.
    """
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and not first_frame and image.format != "MPO":  # MPO: a JPEG that carries its preview along
        raise ImageError(f"holds {frames} frames; only single pictures are coded: --first-frame takes the first")
    if max(image.size) > MAX_SIDE:
        raise ImageError(f"is {image.width}x{image.height}; a side may have at most {MAX_SIDE} pixels")
    limits.check_picture(*image.size, max_pixels)
    given = image
    try:
        if frames > 1:
            image.seek(0)
        image.load()
        exif, xmp = (b"", b"") if strip else metadata.collect(image)
        profile = image.info.get("icc_profile") or colour.png_profile(image.info)
        image = _upright(image)
        transparency, image = _split(image)
        image, kept = colour.reduce(_eight_bits(image), profile, keep=icc == "keep")
    except ImageError:
        raise
    except PILLOW_ERRORS as problem:
        raise ImageError(f"cannot be decoded: {problem}") from problem
    if image is given and not own:
        image = image.copy()
    image.info = {}  # or the encoders of others would write our copy of the metadata too
    if transparency is not None:
        image = alpha.fill(image, transparency)
    return Picture(image, transparency, kept, exif, xmp)


@contextlib.contextmanager
def pillow_limit(max_pixels: int | None) -> Iterator[None]:
    """Pillow's guard against bombs, without its warnings, moved if ``max_pixels`` says so. Pillow has one for all threads."""
    before = Image.MAX_IMAGE_PIXELS
    try:
        Image.MAX_IMAGE_PIXELS = before if max_pixels is None else max_pixels
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of large pictures, and of metadata that Pillow leaves out
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def opaque(picture: Picture) -> Image.Image:
    """The picture alone, RGB. Raises ImageError for transparent ones."""
    if picture.transparency is not None:
        raise ImageError("has transparent pixels; flatten it first")
    return picture.image if not picture.grey else picture.image.convert("RGB")


def quantised(picture: Picture, quality: int) -> Picture:
    """With fewer levels of transparency: `codec.alpha.quantise`."""
    if picture.transparency is None:
        return picture
    return replace(picture, transparency=alpha.quantise(picture.transparency, quality))


def _open(source: str | Path | io.BytesIO) -> Image.Image:
    """Opens a picture, with the package that its format needs."""
    if isinstance(source, io.BytesIO):
        head = bytes(source.getbuffer()[:16])
    else:
        with Path(source).open("rb") as file:
            head = file.read(16)
    if not head:
        raise ImageError("is empty")
    try:
        return Image.open(source)
    except UnidentifiedImageError:
        for name, (begins, module, register, package) in PLUGINS.items():
            if begins(head):
                try:
                    plugin = importlib.import_module(module)
                except ImportError:
                    raise ImageError(f"is {name}, which the package {package} reads: pip install {package}") from None
                if register:
                    getattr(plugin, register)()
                return Image.open(source)
        known = [name for name, (_, accepts) in Image.OPEN.items() if accepts and accepts(head) is True]
        if known:
            raise ImageError(f"is a damaged {known[0]} file, or of a kind that cannot be read") from None
        raise


def _upright(image: Image.Image) -> Image.Image:
    try:  # it copies even what is upright
        return image if image.getexif().get(ExifTags.Base.Orientation, 1) == 1 else ImageOps.exif_transpose(image)
    except PILLOW_ERRORS:  # broken EXIF says nothing of how the picture stands
        return image


def _split(image: Image.Image) -> tuple[Image.Image | None, Image.Image]:
    """Transparency, None if all is opaque, and the picture without it, in any mode."""
    if not image.has_transparency_data:
        return None, image
    if image.mode.startswith("I"):  # 16-bit grey with one transparent level
        mask = np.asarray(image) != image.info["transparency"]
        transparency, image = Image.fromarray(mask.astype(np.uint8) * np.uint8(255)), image.copy()
    else:
        grey = image.mode in ("1", "L", "LA", "La") or (image.mode == "P" and _is_grey(image))
        whole = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
        transparency, image = whole.getchannel("A"), whole.getchannel(0) if grey else whole.convert("RGB")
    image.info.pop("transparency", None)
    return (None if transparency.getextrema()[0] == 255 else transparency), image


def _is_grey(image: Image.Image) -> bool:
    """Whether a palette holds nothing but greys."""
    palette = np.asarray(image.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
    return bool((palette == palette[:, :1]).all())


def _eight_bits(image: Image.Image) -> Image.Image:
    """Mode L, RGB, CMYK or LAB."""
    if image.mode == "F":
        raise ImageError("holds floating-point pixels, whose range is not known")
    if image.mode.startswith("I"):
        levels = np.asarray(image)
        if levels.min() < 0 or levels.max() > 65535:
            raise ImageError("holds 32-bit integers, whose range is not known")
        return Image.fromarray(((levels.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8))
    if image.mode == "1" or (image.mode == "P" and _is_grey(image)):
        return image.convert("RGB").getchannel(0)
    return image if image.mode in ("L", "RGB", "CMYK", "LAB") else image.convert("RGB")
