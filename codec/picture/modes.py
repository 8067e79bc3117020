"""Pillow's modes, all of them, to 8 bits of grey or colour, and transparency."""

import numpy as np
from PIL import Image

from metamer.codec.errors import ImageError


def split_transparency(image: Image.Image) -> tuple[Image.Image | None, Image.Image]:
    """Transparency, None if all is opaque, and the picture without it, in any mode."""
    if not image.has_transparency_data:
        return None, image
    if image.mode.startswith("I"):  # 16-bit grey with one transparent level
        mask = np.asarray(image) != image.info["transparency"]
        transparency, image = Image.fromarray(mask.astype(np.uint8) * np.uint8(255)), image.copy()
    else:
        grey = image.mode in ("1", "L", "LA", "La") or (
            image.mode == "P" and has_grey_palette(image)
        )
        whole = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
        transparency, image = (
            whole.getchannel("A"),
            whole.getchannel(0) if grey else whole.convert("RGB"),
        )
    image.info.pop("transparency", None)
    return (None if transparency.getextrema()[0] == 255 else transparency), image


def has_grey_palette(image: Image.Image) -> bool:
    """Whether a palette holds nothing but greys."""
    palette = np.asarray(image.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
    return bool((palette == palette[:, :1]).all())


def to_eight_bits(image: Image.Image) -> Image.Image:
    """Mode L, RGB, CMYK or LAB."""
    if image.mode == "F":
        raise ImageError("holds floating-point pixels, whose range is not known")
    if image.mode.startswith("I"):
        levels = np.asarray(image)
        if levels.min() < 0 or levels.max() > 65535:
            raise ImageError("holds 32-bit integers, whose range is not known")
        return Image.fromarray(((levels.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8))
    if image.mode == "1" or (image.mode == "P" and has_grey_palette(image)):
        return image.convert("RGB").getchannel(0)
    return image if image.mode in ("L", "RGB", "CMYK", "LAB") else image.convert("RGB")
