"""Pictures to arrays and back, through Pillow."""

import contextlib
import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageCms, ImageOps

from codec.errors import ImageError
from codec.limits import check_picture
from codec.tiles import Box

MAX_SIDE = 65536
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".avif", ".tif", ".tiff", ".bmp", ".ppm"}  # what a folder is searched for
# what Pillow's readers raise on damaged files, by experience
PILLOW_ERRORS = (OSError, SyntaxError, ValueError, EOFError, KeyError, IndexError, TypeError, struct.error, zlib.error,
                 OverflowError, Image.DecompressionBombError)


def to_rgb(image: Image.Image, own: bool = False) -> Image.Image:
    """Upright 8-bit sRGB, whatever came in; raises ImageError where that would lose something silently.

    EXIF orientation is applied, an embedded ICC profile is converted to sRGB, 16 bits are reduced to 8.
    own: ``image`` may be changed, which spares a copy of it.
    """
    if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":  # MPO: a JPEG that carries its preview along
        raise ImageError(f"holds {image.n_frames} frames; only single pictures are coded")
    try:
        image.load()
        given = image
        if image.getexif().get(ExifTags.Base.Orientation, 1) != 1:  # it copies even what is upright
            image = ImageOps.exif_transpose(image)
    except PILLOW_ERRORS as problem:
        raise ImageError(f"cannot be decoded: {problem}") from problem
    profile = image.info.get("icc_profile")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if image.getextrema()[3][0] < 255:
            raise ImageError("has transparent pixels, which this version does not code; flatten it first")
    if image.mode == "F":
        raise ImageError("holds floating-point pixels, whose range is not known")
    if image.mode.startswith("I"):
        image = Image.fromarray((np.asarray(image).clip(0, 65535) / 257).round().astype(np.uint8))
    elif image.mode not in ("RGB", "L", "CMYK"):
        image = image.convert("RGB")
    if profile:
        with contextlib.suppress(ImageCms.PyCMSError, OSError):  # a broken profile: viewers take such files as sRGB
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            image = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    if image.mode != "RGB":
        image = image.convert("RGB")
    if image is given and not own:
        image = image.copy()
    image.info = {}  # or the encoders of others would write our copy of the metadata too
    if max(image.size) > MAX_SIDE:
        raise ImageError(f"is {image.width}x{image.height}; a side may have at most {MAX_SIDE} pixels")
    return image


def read(source: str | Path | io.BytesIO, max_pixels: int | None = None) -> Image.Image:
    """Opens a picture file and returns it as upright 8-bit sRGB. Raises ImageError with the reason.

    max_pixels: how many it may have, as in `codec.limits`.
    """
    try:
        with pillow_limit(max_pixels), Image.open(source) as image:
            check_picture(*image.size, max_pixels)
            return to_rgb(image, own=True)
    except ImageError:
        raise
    except FileNotFoundError:
        raise ImageError("does not exist") from None
    except IsADirectoryError:
        raise ImageError("is a folder") from None
    except Image.UnidentifiedImageError:
        raise ImageError("is not a picture that Pillow can read") from None
    except PILLOW_ERRORS as problem:
        raise ImageError(f"cannot be read: {problem}") from problem


@contextlib.contextmanager
def pillow_limit(max_pixels: int | None) -> Iterator[None]:
    """Pillow's guard against bombs, without warnings, moved if ``max_pixels`` says so. Pillow has one for all threads."""
    before = Image.MAX_IMAGE_PIXELS
    try:
        Image.MAX_IMAGE_PIXELS = before if max_pixels is None else max_pixels
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def padded_size(height: int, width: int) -> tuple[int, int]:
    """The size that is transformed: multiples of 16, at least 32 (the lapped transform needs a block boundary)."""
    return max(32, height + -height % 16), max(32, width + -width % 16)


def to_planes(image: Image.Image, window: Box | None = None) -> np.ndarray:
    """(1, 3, H', W') float32 in [0, 1]: the picture, its edges replicated up to `padded_size`.

    window: in pixels; only that part of what would be returned.
    """
    window = window or Box(0, 0, *padded_size(image.height, image.width))
    there = window.grown(0, 0, Box(0, 0, image.height, image.width))
    pixels = np.asarray(image.crop((there.left, there.top, there.right, there.bottom)))
    beyond = ((0, window.height - there.height), (0, window.width - there.width), (0, 0))
    padded = np.pad(pixels, beyond, mode="edge")
    return np.ascontiguousarray(padded.transpose(2, 0, 1))[None].astype(np.float32) / np.float32(255)


def from_planes(planes: np.ndarray, width: int, height: int) -> Image.Image:
    """The inverse of `to_planes`: clipped, rounded to 8 bits and cropped. Overwrites ``planes`` (large pictures are large)."""
    pixels = planes[0, :, :height, :width]
    pixels *= np.float32(255)
    pixels += np.float32(0.5)
    return Image.fromarray(np.ascontiguousarray(pixels.clip(0, 255, out=pixels).astype(np.uint8).transpose(1, 2, 0)))
