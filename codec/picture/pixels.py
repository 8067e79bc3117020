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
# names, a line each, of files in a folder that are kept out of training
HOLD_OUT = "validation.txt"


def to_rgb(image: Image.Image) -> Image.Image:
    """Any picture as upright 8-bit sRGB.

    Args:
        image: A PIL image in whatever mode.

    Returns:
        Mode RGB.

    Raises:
        ImageError: It is transparent, or cannot be converted
            (`codec.picture.load.convert_picture`).
    """
    return opaque_rgb(convert_picture(image, strip=True))


def read_rgb(source: str | Path | io.BytesIO, max_pixels: int | None = None) -> Image.Image:
    """Reads a picture file as upright 8-bit sRGB.

    Args:
        source: A path, or a file opened for reading bytes.
        max_pixels: How many it may have; by default `codec.format.limits.MAX_PIXELS`.

    Returns:
        Mode RGB.

    Raises:
        ImageError: It is transparent, or cannot be read.
    """
    return opaque_rgb(load_picture(source, strip=True, max_pixels=max_pixels))


def to_planes(image: Image.Image, window: Box | None = None) -> np.ndarray:
    """A picture as the networks take it, its edges replicated up to `grid.padded_size`.

    Args:
        image: Mode RGB, or L, which gives three equal planes.
        window: In pixels: only that part of what would be returned.

    Returns:
        (1, 3, H, W) float32 in [0, 1].
    """
    window = window or Box(0, 0, *padded_size(image.height, image.width))
    inside = window.grown(0, 0, Box(0, 0, image.height, image.width))
    pixels = np.asarray(image.crop((inside.left, inside.top, inside.right, inside.bottom)))
    if pixels.ndim == 2:
        pixels = np.broadcast_to(pixels[..., None], (*pixels.shape, 3))
    beyond = ((0, window.height - inside.height), (0, window.width - inside.width), (0, 0))
    padded = np.pad(pixels, beyond, mode="edge")
    return np.ascontiguousarray(padded.transpose(2, 0, 1))[None].astype(np.float32) / np.float32(
        255
    )


def from_planes(planes: np.ndarray, width: int, height: int, grey: bool = False) -> Image.Image:
    """Planes as a picture: the inverse of `to_planes`, clipped, rounded to 8 bits and cropped.

    Args:
        planes: (1, 3, H, W) float32, RGB in [0, 1]. It is overwritten, as large pictures are large.
        width: Of the picture, in pixels.
        height: Of the picture, in pixels.
        grey: Whether a grey picture is wanted: the planes' mean, which is nearer to the original
            than any one of them.

    Returns:
        Mode RGB, or L.
    """
    pixels = planes[0, :, :height, :width]
    if grey:
        pixels = pixels.mean(0, keepdims=True)
    pixels *= np.float32(255)
    pixels += np.float32(0.5)
    levels = pixels.clip(0, 255, out=pixels).astype(np.uint8)
    return Image.fromarray(levels[0] if grey else np.ascontiguousarray(levels.transpose(1, 2, 0)))
