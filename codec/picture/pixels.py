"""Pictures to arrays and back."""

import importlib.util
import io
from pathlib import Path

import numpy as np
from PIL import Image

from metamer.codec.grid import Box, padded_size
from metamer.codec.picture.load import convert_picture, load_picture, opaque_rgb

# what a folder is searched for
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".avif", ".tif", ".tiff", ".bmp", ".ppm"}
# what else photographs come in, where the package that reads it is installed
PLUGIN_SUFFIXES = {".heic": "pillow_heif", ".heif": "pillow_heif", ".jxl": "pillow_jxl"}
PHOTOGRAPHS = SUFFIXES | {
    suffix for suffix, module in PLUGIN_SUFFIXES.items() if importlib.util.find_spec(module)
}


def to_rgb(image: Image.Image) -> Image.Image:
    """Upright 8-bit sRGB, whatever came in; `codec.picture.load.convert_picture`. Raises
    ImageError, for transparent pictures too.
    """
    return opaque_rgb(convert_picture(image, strip=True))


def read_rgb(source: str | Path | io.BytesIO, max_pixels: int | None = None) -> Image.Image:
    """Opens a picture file and returns it as upright 8-bit sRGB. Raises ImageError with the reason.

    max_pixels: how many it may have, as in `codec.limits`.
    """
    return opaque_rgb(load_picture(source, strip=True, max_pixels=max_pixels))


def to_planes(image: Image.Image, window: Box | None = None) -> np.ndarray:
    """(1, 3, H', W') float32 in [0, 1]: an RGB picture, or a grey one thrice, its edges replicated
    up to `padded_size`.

    window: in pixels; only that part of what would be returned.
    """
    window = window or Box(0, 0, *padded_size(image.height, image.width))
    there = window.grown(0, 0, Box(0, 0, image.height, image.width))
    pixels = np.asarray(image.crop((there.left, there.top, there.right, there.bottom)))
    if pixels.ndim == 2:
        pixels = np.broadcast_to(pixels[..., None], (*pixels.shape, 3))
    beyond = ((0, window.height - there.height), (0, window.width - there.width), (0, 0))
    padded = np.pad(pixels, beyond, mode="edge")
    return np.ascontiguousarray(padded.transpose(2, 0, 1))[None].astype(np.float32) / np.float32(
        255
    )


def from_planes(planes: np.ndarray, width: int, height: int, grey: bool = False) -> Image.Image:
    """The inverse of `to_planes`: clipped, rounded to 8 bits and cropped. Overwrites ``planes``
    (large pictures are large).

    grey: mode L, of the planes' mean, which is nearer to the original than any one of them.
    """
    pixels = planes[0, :, :height, :width]
    if grey:
        pixels = pixels.mean(0, keepdims=True)
    pixels *= np.float32(255)
    pixels += np.float32(0.5)
    levels = pixels.clip(0, 255, out=pixels).astype(np.uint8)
    return Image.fromarray(levels[0] if grey else np.ascontiguousarray(levels.transpose(1, 2, 0)))
