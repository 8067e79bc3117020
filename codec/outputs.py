"""Decoded pictures to files, each carrying what its format can; the rest is converted or refused, not dropped silently."""

import io
from dataclasses import dataclass, field
from typing import Any

from PIL import Image, ImageColor
from PIL.PngImagePlugin import PngInfo

from codec import colour
from codec.errors import ImageError
from codec.metadata import PREFIX

XMP_TAG = 700  # of TIFF


@dataclass(frozen=True)
class Format:
    """name: Pillow's; modes: those it holds; carries: of `icc_profile`, `exif`, `xmp`; options: for Pillow."""

    name: str
    modes: tuple[str, ...]
    carries: tuple[str, ...] = ()
    options: dict = field(default_factory=dict)


EVERYTHING = ("icc_profile", "exif", "xmp")
PNG = Format("PNG", ("L", "LA", "RGB", "RGBA"), EVERYTHING)
TIFF = Format("TIFF", ("L", "LA", "RGB", "RGBA"), EVERYTHING, {"compression": "tiff_adobe_deflate"})
JPEG = Format("JPEG", ("L", "RGB"), EVERYTHING, {"quality": 95, "subsampling": 0})
FORMATS = {
    ".png": PNG, ".tif": TIFF, ".tiff": TIFF, ".jpg": JPEG, ".jpeg": JPEG,
    ".webp": Format("WEBP", ("RGB", "RGBA"), EVERYTHING, {"lossless": True, "exact": True}),
    ".bmp": Format("BMP", ("L", "RGB")),
    ".ppm": Format("PPM", ("L", "RGB")), ".pgm": Format("PPM", ("L",)),
}


def find(suffix: str) -> Format:
    """The format that a file name's suffix asks for. Raises ImageError."""
    if suffix.lower() not in FORMATS:
        raise ImageError(f"cannot write '{suffix}' files; known are {' '.join(FORMATS)}")
    return FORMATS[suffix.lower()]


def to_bytes(picture: Image.Image, format: Format, background: str | None = None) -> bytes:
    """The picture, as `codec.decode` gives it, as a file.

    background: a colour as in CSS to put behind transparent pictures. Without it those are refused by formats that hold no
    transparency. Colours with a profile become sRGB in formats that carry none. Raises ImageError.
    """
    info = dict(picture.info)
    picture = _fitting(picture, format, background)
    options = dict(format.options)
    profile = info.pop("icc_profile", b"")
    if profile and ("icc_profile" not in format.carries or (picture.mode[0] == "L" and "L" not in format.modes)):
        picture, profile = _to_srgb(picture, profile), b""
    if "icc_profile" in format.carries:
        options["icc_profile"] = profile or None  # or Pillow takes the picture's
    picture = _widened(picture, format)
    options |= _metadata(format, {name: info[name] for name in ("exif", "xmp") if name in info and name in format.carries})
    buffer = io.BytesIO()
    try:
        picture.save(buffer, format.name, **options)
    except (OSError, ValueError, SyntaxError) as problem:
        raise ImageError(f"cannot be written as {format.name}: {problem}") from None
    return buffer.getvalue()


def _fitting(picture: Image.Image, format: Format, background: str | None) -> Image.Image:
    """Flattened if that was asked for."""
    if not picture.mode.endswith("A"):
        if picture.mode == "RGB" and "RGB" not in format.modes:
            raise ImageError(f"is in colour, which {format.name} files of this name do not hold: .ppm does")
        return picture
    if background is not None:
        try:
            behind = Image.new("RGBA", picture.size, ImageColor.getrgb(background))
        except ValueError:
            raise ImageError(f"there is no colour '{background}'") from None
        flat = Image.alpha_composite(behind, picture.convert("RGBA")).convert("RGB")
        return flat.getchannel(0) if picture.mode == "LA" and len(set(ImageColor.getrgb(background)[:3])) == 1 else flat
    if not any(mode.endswith("A") for mode in format.modes):
        raise ImageError(f"is transparent, which {format.name} files do not hold: choose PNG, TIFF or WebP, or a --background")
    return picture


def _to_srgb(picture: Image.Image, profile: bytes) -> Image.Image:
    if not picture.mode.endswith("A"):
        return colour.to_srgb(picture, profile)
    transparency = picture.getchannel("A")
    picture = colour.to_srgb(picture.convert(picture.mode[:-1]), profile)
    picture.putalpha(transparency)
    return picture


def _widened(picture: Image.Image, format: Format) -> Image.Image:
    """In the first mode of the format that holds what there is."""
    if picture.mode in format.modes:
        return picture
    return picture.convert("RGBA" if picture.mode.endswith("A") else "RGB")


def _metadata(format: Format, held: dict[str, Any]) -> dict[str, Any]:
    """Pillow's options that write EXIF and XMP."""
    if "exif" in held and format.name != "TIFF":
        held["exif"] = PREFIX + held["exif"]
    if format.name == "PNG" and "xmp" in held:
        chunks = PngInfo()
        chunks.add_itxt("XML:com.adobe.xmp", held.pop("xmp").decode("utf-8", "replace"))
        held["pnginfo"] = chunks
    if format.name == "TIFF" and held:
        tags = Image.Exif()
        try:
            tags.load(held.get("exif", b""))
        except Exception:  # Pillow's parser raises what it meets; a TIFF's tags are EXIF, so broken EXIF has no place in one
            tags = Image.Exif()
        if "xmp" in held:
            tags[XMP_TAG] = held["xmp"]
        return {"exif": tags}
    return held
