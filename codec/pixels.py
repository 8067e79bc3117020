"""Pictures to arrays and back, through Pillow."""

import contextlib
import io
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from codec.errors import ImageError

MAX_SIDE = 65536
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".avif", ".tif", ".tiff", ".bmp", ".ppm"}  # what a folder is searched for
# what Pillow's readers raise on damaged files, by experience
PILLOW_ERRORS = (OSError, SyntaxError, ValueError, EOFError, KeyError, IndexError, TypeError, struct.error, zlib.error,
                 OverflowError, Image.DecompressionBombError)


def to_rgb(image: Image.Image) -> Image.Image:
    """Upright 8-bit sRGB, whatever came in; raises ImageError where that would lose something silently.

    EXIF orientation is applied, an embedded ICC profile is converted to sRGB, 16 bits are reduced to 8.
    """
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":  # MPO: a JPEG that carries its preview along
        raise ImageError(f"holds {frames} frames; only single pictures are coded")
    try:
        image.load()
        image = ImageOps.exif_transpose(image)
    except PILLOW_ERRORS as problem:
        raise ImageError(f"cannot be decoded: {problem}") from problem
    profile = image.info.get("icc_profile")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if np.asarray(image.getchannel("A")).min() < 255:
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
            image = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB") or image
    image = image.convert("RGB")
    image.info = {}  # or the encoders of others would write our copy of the metadata too
    if max(image.size) > MAX_SIDE:
        raise ImageError(f"is {image.width}x{image.height}; a side may have at most {MAX_SIDE} pixels")
    return image


def read(source: str | Path | io.BytesIO) -> Image.Image:
    """Opens a picture file and returns it as upright 8-bit sRGB. Raises ImageError with the reason."""
    try:
        with Image.open(source) as image:
            return to_rgb(image)
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


def padded_size(height: int, width: int) -> tuple[int, int]:
    """The size that is transformed: multiples of 16, at least 32 (the lapped transform needs a block boundary)."""
    return max(32, height + -height % 16), max(32, width + -width % 16)


def to_planes(image: Image.Image) -> np.ndarray:
    """(1, 3, H', W') float32 in [0, 1]: the picture, its edges replicated up to `padded_size`."""
    pixels = np.asarray(image)
    height, width = padded_size(image.height, image.width)
    padded = np.pad(pixels, ((0, height - image.height), (0, width - image.width), (0, 0)), mode="edge")
    return np.ascontiguousarray(padded.transpose(2, 0, 1))[None].astype(np.float32) / np.float32(255)


def from_planes(planes: np.ndarray, width: int, height: int) -> Image.Image:
    """The inverse of `to_planes`: clipped, rounded to 8 bits and cropped. Overwrites ``planes`` (large pictures are large)."""
    pixels = planes[0, :, :height, :width]
    pixels *= np.float32(255)
    pixels += np.float32(0.5)
    return Image.fromarray(np.ascontiguousarray(pixels.clip(0, 255, out=pixels).astype(np.uint8).transpose(1, 2, 0)))
