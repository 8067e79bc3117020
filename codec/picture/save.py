"""Decoded pictures to files, each carrying what its format can; the rest is converted or refused,
not dropped silently.
"""

import io
from dataclasses import dataclass, field
from typing import Any

from PIL import Image, ImageColor, PngImagePlugin

from metamer.codec.errors import ImageError
from metamer.codec.picture.colour import conversion
from metamer.codec.picture.metadata import exif, tiff, xmp


@dataclass(frozen=True)
class Format:
    """A format of picture files.

    Attributes:
        name: Pillow's.
        modes: Those it holds.
        carries: Most bytes of `icc_profile`, `exif` and `xmp`.
        options: For Pillow.
    """

    name: str
    modes: tuple[str, ...]
    carries: dict[str, int] = field(default_factory=dict)
    options: dict = field(default_factory=dict)


JPEG_XMP = b"http://ns.adobe.com/xap/1.0/\0"  # what a packet begins with there
# bytes that one of JPEG holds; a profile may have 255, each with 14 bytes that say which it is
SEGMENT = 65533
EVERYTHING = dict.fromkeys(("icc_profile", "exif", "xmp"), 1 << 30)
# Pillow reads no larger profile from a PNG
PNG = Format(
    "PNG", ("L", "LA", "RGB", "RGBA"), EVERYTHING | {"icc_profile": PngImagePlugin.MAX_TEXT_CHUNK}
)
TIFF = Format("TIFF", ("L", "LA", "RGB", "RGBA"), EVERYTHING, {"compression": "tiff_adobe_deflate"})
JPEG = Format(
    "JPEG",
    ("L", "RGB"),
    {
        "icc_profile": 255 * (SEGMENT - 14),
        "exif": SEGMENT - len(exif.PREFIX),
        "xmp": SEGMENT - len(JPEG_XMP),
    },
    {"quality": 95, "subsampling": 0},
)
FORMATS = {
    ".png": PNG,
    ".tif": TIFF,
    ".tiff": TIFF,
    ".jpg": JPEG,
    ".jpeg": JPEG,
    ".webp": Format("WEBP", ("RGB", "RGBA"), EVERYTHING, {"lossless": True, "exact": True}),
    ".bmp": Format("BMP", ("L", "RGB")),
    ".ppm": Format("PPM", ("L", "RGB")),
    ".pgm": Format("PPM", ("L",)),
}


def find_format(suffix: str) -> Format:
    """The format that a file name asks for.

    Args:
        suffix: Of the name, with its dot.

    Raises:
        ImageError: It is not one of `FORMATS`.
    """
    if suffix.lower() not in FORMATS:
        raise ImageError(
            f"cannot write '{suffix}' files; those that can be are {' '.join(FORMATS)}"
        )
    return FORMATS[suffix.lower()]


def picture_bytes(
    picture: Image.Image, format: Format, background: str | None = None, strip: bool = False
) -> bytes:
    """A decoded picture as a file.

    Colours with a profile become sRGB in formats that carry none, or none of its size. What the
    picture's ``info`` says goes into the file only as far as it is EXIF, XMP or a profile for such
    pictures, and a TIFF takes of EXIF what describes the photograph alone.

    Args:
        picture: As `codec.decode` gives it.
        format: The file's.
        background: A colour as in CSS to put behind transparent pictures. Without it those are
            refused by formats that hold no transparency.
        strip: Leave out EXIF and XMP.

    Returns:
        The file.

    Raises:
        ImageError: The format does not hold the picture.
    """
    info = dict(picture.info)
    picture = _fitting(picture, format, background)
    profile = info.get("icc_profile", b"")
    if not conversion.profile_suits(profile, picture.mode):
        profile = b""  # viewers take the numbers for sRGB then
    grey_as_colour = picture.mode[0] == "L" and "L" not in format.modes
    if profile and (len(profile) > format.carries.get("icc_profile", 0) or grey_as_colour):
        picture, profile = _to_srgb(picture, profile), b""
    picture = _widened(picture, format)
    held = {} if strip else _metadata(format, info)
    options = format.options | {"icc_profile": profile or None}  # or Pillow takes the picture's
    options |= {} if format is TIFF else _options(format, held)
    buffer = io.BytesIO()
    try:
        picture.save(buffer, format.name, **options)
    except (OSError, ValueError, SyntaxError) as problem:
        raise ImageError(f"cannot be written as {format.name}: {problem}") from None
    data = buffer.getvalue()
    return (
        tiff.described(data, held.get("exif", b""), held.get("xmp", b""))
        if format is TIFF and held
        else data
    )


def _fitting(picture: Image.Image, format: Format, background: str | None) -> Image.Image:
    """Flattened if that was asked for."""
    if not picture.mode.endswith("A"):
        if picture.mode == "RGB" and "RGB" not in format.modes:
            raise ImageError(
                f"is in colour, which {format.name} files of this name do not hold: .ppm does"
            )
        return picture
    if background is not None:
        try:
            behind = Image.new("RGBA", picture.size, ImageColor.getrgb(background))
        except ValueError:
            raise ImageError(f"there is no colour '{background}'") from None
        flat = Image.alpha_composite(behind, picture.convert("RGBA")).convert("RGB")
        return (
            flat.getchannel(0)
            if picture.mode == "LA" and len(set(ImageColor.getrgb(background)[:3])) == 1
            else flat
        )
    if not any(mode.endswith("A") for mode in format.modes):
        raise ImageError(
            f"is transparent, which {format.name} files do not hold: choose PNG, TIFF or WebP, or "
            "a --background"
        )
    return picture


def _to_srgb(picture: Image.Image, profile: bytes) -> Image.Image:
    if not picture.mode.endswith("A"):
        return conversion.to_srgb(picture, profile)
    transparency = picture.getchannel("A")
    picture = conversion.to_srgb(picture.convert(picture.mode[:-1]), profile)
    picture.putalpha(transparency)
    return picture


def _widened(picture: Image.Image, format: Format) -> Image.Image:
    """In the first mode of the format that holds what there is."""
    if picture.mode in format.modes:
        return picture
    return picture.convert("RGBA" if picture.mode.endswith("A") else "RGB")


def _metadata(format: Format, info: dict[Any, Any]) -> dict[str, bytes]:
    """EXIF and XMP of an upright picture, where the format carries them. Raises ImageError for what
    is too long for it.
    """
    held = {
        name: upright(info.get(name, b""))
        for name, upright in (("exif", exif.upright), ("xmp", xmp.upright_xmp))
        if name in format.carries
    }
    for name, data in held.items():
        if len(data) > format.carries[name]:
            raise ImageError(
                f"holds {len(data)} bytes of {name.upper()}; {format.name} files take "
                f"{format.carries[name]}: "
                "--metadata strip leaves them out"
            )
    return {name: data for name, data in held.items() if data}


def _options(format: Format, held: dict[str, bytes]) -> dict[str, Any]:
    """Pillow's, that write EXIF and XMP."""
    options: dict[str, Any] = dict(held)
    if "exif" in held:
        options["exif"] = exif.PREFIX + held["exif"]
    if format is PNG and "xmp" in held:
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_itxt(
            "XML:com.adobe.xmp", options.pop("xmp").decode("utf-8", "replace")
        )
    return options
