"""Odd picture files and what becomes of each: `python -m tests.codec.picture.odd_files` writes them into
codec/PICTURES.md.
"""

import base64
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from metamer.codec.picture.colour.signalled import SRGB_CHROMATICITY
from tests.codec.picture.crafting import (
    DISPLAY_P3,
    LINEAR,
    P3_CHROMATICITY,
    chunk,
    empty_png,
    exif,
    grey_profile,
    png,
    saved,
    tiff,
    xyz,
    ycck_jpeg,
)
from tests.conftest import ROOT

PAGE = ROOT / "codec" / "PICTURES.md"
WIDTH, HEIGHT = 48, 32
PHOTO = (
    Image.open(ROOT / "examples" / "otters.png")
    .convert("RGB")
    .crop((230, 110, 326, 174))
    .resize((WIDTH, HEIGHT))
)
PHOTO.info.clear()  # of its profile
GREY = PHOTO.convert("L")
MASK = Image.radial_gradient("L").resize(PHOTO.size).point(lambda level: max(0, 255 - 2 * level))
DEEP = np.asarray(PHOTO, np.uint16) * 257
ARITHMETIC = (  # a radial gradient, by `cjpeg -arithmetic`
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAA0JCgsKCA0LCgsODg0PEyAVExISEyccHhcgLikxMC4pLSwzOko+MzZGNywtQFdBRkxOUlNSMj5aYVpQYEpR"
    "Uk//yQALCAAQABABAREA/8wABgAQEAX/2gAIAQEAAD8A0BEgmAjoZCcmGrkJq9ncUwrCv11rfCMN7bO1Tf0YgP/Z"
)


@dataclass(frozen=True)
class Odd:
    """file: what it is; make: its bytes, or None where the package that writes it is missing.

    Taken: ``mode`` of what is decoded, ``size``, the pixels of ``near`` to within ``tolerance``
    levels on average. Refused: ``refusal`` is in the reason. says: for the table. suffix: of its
    name.
    """

    file: str
    make: Callable[[], bytes | None]
    says: str = ""
    mode: str = "RGB"
    near: Image.Image | None = None
    tolerance: float = 0.6
    refusal: str = ""
    suffix: str = ".bin"
    options: tuple[str, ...] = ()

    @property
    def outcome(self) -> str:
        kind = {
            "RGB": "colour",
            "L": "grey",
            "RGBA": "colour, transparency",
            "LA": "grey, transparency",
        }[self.mode]
        summary = f"refused: “{self.refusal}”" if self.refusal else f"coded as {kind}"
        return summary + (f"; {self.says}" if self.says else "")


def with_alpha(image: Image.Image) -> Image.Image:
    image = image.copy()
    image.putalpha(MASK)
    return image


def frames(kind: str, **options) -> bytes:
    return saved(
        PHOTO,
        kind,
        save_all=True,
        append_images=[PHOTO.transpose(Image.Transpose.ROTATE_180)],
        **options,
    )


def needs(module: str, make: Callable[[], bytes]) -> Callable[[], bytes | None]:
    def make_if_possible() -> bytes | None:
        try:
            plugin = __import__(module)
        except ImportError:
            return None
        getattr(plugin, "register_heif_opener", lambda: None)()
        return make()

    return make_if_possible


def turned(orientation: int) -> bytes:
    """The photograph stored so that ``orientation`` shows it upright."""
    t = Image.Transpose
    stored = {
        2: t.FLIP_LEFT_RIGHT,
        3: t.ROTATE_180,
        4: t.FLIP_TOP_BOTTOM,
        5: t.TRANSPOSE,
        6: t.ROTATE_90,
        7: t.TRANSVERSE,
        8: t.ROTATE_270,
    }
    picture = PHOTO.transpose(stored[orientation]) if orientation in stored else PHOTO
    return saved(picture, "PNG", exif=b"Exif\0\0" + exif(orientation, "<>"[orientation % 2]))


def linear(levels: np.ndarray) -> np.ndarray:
    """sRGB numbers as linear light, 8 bits."""
    v = levels / 255
    return (
        (np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4) * 255)
        .round()
        .astype(np.uint8)
    )


def with_byte_inverted(data: bytes, place: int) -> bytes:
    """With one byte changed."""
    return data[:place] + bytes([data[place] ^ 0x55]) + data[place + 1 :]


def renamed(data: bytes, old: bytes, new: bytes) -> bytes:
    assert data.count(old) == 1
    return data.replace(old, new)


def cicp(primaries: int, transfer: int) -> bytes:
    """PNG's chunk of code points, for RGB of full range."""
    return chunk(b"cICP", bytes([primaries, transfer, 0, 1]))


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def from_p3(image: Image.Image) -> Image.Image:
    """What sRGB shows of numbers in `DISPLAY_P3`, by their definitions; beyond its range,
    clipped.
    """
    light = (np.asarray(image) / 255) ** 2.2 @ (
        np.linalg.inv(xyz(SRGB_CHROMATICITY)) @ xyz(P3_CHROMATICITY)
    ).T
    light = light.clip(0, 1)
    levels = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return Image.fromarray((levels * 255).round().astype(np.uint8))


PIXELS = np.asarray(PHOTO)
IN_P3, LINEAR_GREY = from_p3(PHOTO), Image.fromarray(linear(np.asarray(GREY)))
FADED = Image.fromarray((PIXELS // 16 * 17).astype(np.uint8))
TWO_BITS = np.asarray(GREY) >> 6
JPEG_95 = {"quality": 95, "subsampling": 0}
gamma_one = chunk(b"gAMA", (100000).to_bytes(4, "big"))
srgb_gamma = chunk(b"gAMA", (45455).to_bytes(4, "big"))
p3 = chunk(b"cHRM", b"".join(round(v * 100000).to_bytes(4, "big") for v in P3_CHROMATICITY))

JPEG = [
    Odd("JPEG, baseline", lambda: saved(PHOTO, "JPEG", **JPEG_95), near=PHOTO, tolerance=3),
    Odd(
        "JPEG, progressive, 4:2:0",
        lambda: saved(PHOTO, "JPEG", progressive=True),
        near=PHOTO,
        tolerance=8,
    ),
    Odd("JPEG, grey", lambda: saved(GREY, "JPEG", quality=95), mode="L", near=GREY, tolerance=3),
    Odd(
        "JPEG, arithmetic coding",
        lambda: base64.b64decode(ARITHMETIC),
        mode="L",
        near=Image.radial_gradient("L").resize((16, 16)),
        tolerance=8,
    ),
    Odd(
        "JPEG, CMYK (Adobe, inverted)",
        lambda: saved(PHOTO.convert("CMYK"), "JPEG", **JPEG_95),
        "converted",
        near=PHOTO,
        tolerance=4,
    ),
    Odd("JPEG, YCCK (Adobe)", lambda: ycck_jpeg(PHOTO), "converted", near=PHOTO, tolerance=4),
    Odd(
        "JPEG, cut off in the middle",
        lambda: cut(saved(PHOTO, "JPEG", quality=95)),
        refusal="truncated",
    ),
    Odd(
        "JPEG, damaged in the middle",
        lambda: with_byte_inverted(saved(PHOTO, "JPEG", **JPEG_95), 1200),
        "wrong from there on, as viewers show it: JPEG has no checksum",
        near=PHOTO,
        tolerance=40,
    ),
    Odd(
        "JPEG, bytes after its end",
        lambda: saved(PHOTO, "JPEG", **JPEG_95) + b"camera's own" * 99,
        "they are left out",
        near=PHOTO,
        tolerance=3,
    ),
    Odd(
        "JPEG, named .png",
        lambda: saved(PHOTO, "JPEG", **JPEG_95),
        near=PHOTO,
        tolerance=3,
        suffix=".png",
    ),
    Odd(
        "JPEG, EXIF of nonsense",
        lambda: saved(PHOTO, "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff" + b"?" * 60, **JPEG_95),
        "its EXIF left out",
        near=PHOTO,
        tolerance=3,
    ),
    Odd(
        "JPEG, profile of nonsense",
        lambda: saved(PHOTO, "JPEG", icc_profile=b"no profile at all", **JPEG_95),
        "taken as sRGB",
        near=PHOTO,
        tolerance=3,
    ),
    Odd(
        "MPO: two JPEGs in one file",
        lambda: frames("MPO", quality=95, subsampling=0),
        "the first, as viewers show it",
        near=PHOTO,
        tolerance=3,
    ),
]
ORIENTATION = [
    Odd(
        f"EXIF orientation {n}",
        lambda n=n: turned(n),
        "upright; orientation becomes 1" if n > 1 else "",
        near=PHOTO,
        tolerance=0,
    )
    for n in range(1, 9)
]
PNG = [
    Odd(
        "PNG, 1 bit",
        lambda: saved(GREY.convert("1"), "PNG"),
        mode="L",
        near=GREY.convert("1").convert("L"),
        tolerance=0,
    ),
    Odd(
        "PNG, grey of 2 bits",
        lambda: png(TWO_BITS[..., None], 2, 0),
        mode="L",
        near=Image.fromarray(TWO_BITS * 85),
        tolerance=0,
    ),
    Odd(
        "PNG, grey of 16 bits",
        lambda: png(DEEP[..., :1], 16, 0),
        "rounded to 8 bits",
        mode="L",
        near=PHOTO.getchannel(0),
        tolerance=0,
    ),
    Odd(
        "PNG, colour of 16 bits", lambda: png(DEEP, 16, 2), "cut to 8 bits", near=PHOTO, tolerance=0
    ),
    Odd(
        "PNG, colour and alpha of 16 bits",
        lambda: png(np.dstack([DEEP, np.asarray(MASK, np.uint16) * 257]), 16, 6),
        "cut to 8 bits",
        mode="RGBA",
        near=with_alpha(PHOTO),
        tolerance=0,
    ),
    Odd(
        "PNG, grey and alpha",
        lambda: saved(with_alpha(GREY), "PNG"),
        mode="LA",
        near=with_alpha(GREY),
        tolerance=0,
    ),
    Odd(
        "PNG, alpha that is opaque everywhere",
        lambda: saved(PHOTO.convert("RGBA"), "PNG"),
        "transparency left out",
        near=PHOTO,
        tolerance=0,
    ),
    Odd("PNG, interlaced", lambda: png(PIXELS, 8, 2, interlaced=True), near=PHOTO, tolerance=0),
    Odd(
        "PNG, palette",
        lambda: saved(PHOTO.quantize(64), "PNG"),
        near=PHOTO.quantize(64).convert("RGB"),
        tolerance=0,
    ),
    Odd(
        "PNG, palette of greys",
        lambda: saved(GREY.quantize(16), "PNG"),
        mode="L",
        near=GREY.quantize(16).convert("RGB").getchannel(0),
        tolerance=0,
    ),
    Odd(
        "PNG, palette with tRNS",
        lambda: saved(PHOTO.quantize(16), "PNG", transparency=0),
        mode="RGBA",
    ),
    Odd(
        "PNG, colour with tRNS",
        lambda: saved(FADED, "PNG", transparency=FADED.getpixel((5, 5))),
        mode="RGBA",
    ),
    Odd(
        "PNG, grey of 16 bits with tRNS",
        lambda: png(
            DEEP[..., :1], 16, 0, extra=chunk(b"tRNS", int(DEEP[5, 5, 0]).to_bytes(2, "big"))
        ),
        mode="LA",
    ),
    Odd(
        "PNG, gAMA of linear light",
        lambda: png(linear(PIXELS), 8, 2, extra=gamma_one),
        "converted to sRGB",
        near=PHOTO,
        tolerance=5,
    ),
    Odd("PNG, gAMA of sRGB", lambda: png(PIXELS, 8, 2, extra=srgb_gamma), near=PHOTO, tolerance=0),
    Odd(
        "PNG, cHRM of Display P3",
        lambda: png(PIXELS, 8, 2, extra=srgb_gamma + p3),
        "converted to sRGB",
        near=IN_P3,
        tolerance=2,
    ),
    Odd(
        "PNG, cICP of sRGB, gAMA of linear light",
        lambda: png(PIXELS, 8, 2, extra=cicp(1, 13) + gamma_one),
        "cICP comes first",
        near=PHOTO,
        tolerance=0,
    ),
    Odd(
        "PNG, cICP of Display P3",
        lambda: png(PIXELS, 8, 2, extra=cicp(12, 13)),
        "converted to sRGB",
        near=IN_P3,
        tolerance=3,
    ),
    Odd(
        "PNG, cICP of PQ",
        lambda: png(PIXELS, 8, 2, extra=cicp(9, 16)),
        refusal="is of high dynamic range (PQ)",
    ),
    Odd(
        "PNG, cICP of HLG",
        lambda: png(PIXELS, 8, 2, extra=cicp(9, 18)),
        refusal="is of high dynamic range (HLG)",
    ),
    Odd(
        "PNG, cICP of a film's negative",
        lambda: png(PIXELS, 8, 2, extra=cicp(8, 9)),
        refusal="colours of a kind",
    ),
    Odd(
        "PNG, damaged in the middle",
        lambda: with_byte_inverted(saved(PHOTO, "PNG"), 1500),
        refusal="cannot be decoded",
    ),
    Odd("PNG, cut off in the middle", lambda: cut(saved(PHOTO, "PNG")), refusal="truncated"),
    Odd(
        "PNG, header of 60,000×60,000 pixels",
        lambda: empty_png(60000, 60000),
        "before memory is taken",
        refusal="unless max-pixels says more",
    ),
    Odd(
        "PNG, header of 100,000×10 pixels",
        lambda: empty_png(100000, 10),
        refusal="from 1 to 65536 pixels",
    ),
    Odd(
        "PNG, text that unpacks to 80 MB",
        lambda: png(PIXELS, 8, 2, extra=chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(80 << 20)))),
        refusal="cannot be read",
    ),
    Odd("APNG", lambda: frames("PNG"), refusal="holds several frames or pages"),
    Odd(
        "APNG, --first-frame",
        lambda: frames("PNG"),
        near=PHOTO,
        tolerance=0,
        options=("--first-frame",),
    ),
]
PROFILES = [
    Odd(
        "profile: Display P3",
        lambda: saved(PHOTO, "PNG", icc_profile=DISPLAY_P3),
        "converted to sRGB",
        near=IN_P3,
        tolerance=2,
    ),
    Odd(
        "profile: Display P3, --icc keep",
        lambda: saved(PHOTO, "PNG", icc_profile=DISPLAY_P3),
        "the profile kept",
        near=PHOTO,
        tolerance=0,
        options=("--icc", "keep"),
    ),
    Odd(
        "profile: linear light",
        lambda: saved(Image.fromarray(linear(PIXELS)), "PNG", icc_profile=LINEAR),
        "converted to sRGB",
        near=PHOTO,
        tolerance=5,
    ),
    Odd(
        "profile: grey, linear light",
        lambda: saved(LINEAR_GREY, "PNG", icc_profile=grey_profile(1.0)),
        "converted to sRGB",
        mode="L",
        near=GREY,
        tolerance=5,
    ),
    Odd(
        "profile: of colour, in a grey picture",
        lambda: saved(LINEAR_GREY, "PNG", icc_profile=LINEAR),
        "converted to sRGB",
        mode="L",
        near=GREY,
        tolerance=5,
    ),
    Odd(
        "profile: of colour, in a CMYK picture",
        lambda: saved(PHOTO.convert("CMYK"), "TIFF", icc_profile=LINEAR),
        "the profile left out",
        near=PHOTO,
        tolerance=3,
    ),
]
TIFF = [
    Odd("TIFF, LZW", lambda: saved(PHOTO, "TIFF", compression="tiff_lzw"), near=PHOTO, tolerance=0),
    Odd(
        "TIFF, JPEG inside",
        lambda: saved(PHOTO, "TIFF", compression="jpeg"),
        near=PHOTO,
        tolerance=8,
    ),
    Odd(
        "TIFF, fax (group 4)",
        lambda: saved(GREY.convert("1"), "TIFF", compression="group4"),
        mode="L",
        near=GREY.convert("1").convert("L"),
        tolerance=0,
    ),
    Odd("TIFF, tiled", lambda: tiff(PIXELS, tile=16), near=PHOTO, tolerance=0),
    Odd("TIFF, planes apart", lambda: tiff(PIXELS, planar=True), near=PHOTO, tolerance=0),
    Odd("TIFF, big-endian", lambda: tiff(PIXELS, order=">"), near=PHOTO, tolerance=0),
    Odd("TIFF, colour of 16 bits", lambda: tiff(DEEP), "cut to 8 bits", near=PHOTO, tolerance=0),
    Odd("BigTIFF", lambda: saved(PHOTO, "TIFF", big_tiff=True), near=PHOTO, tolerance=0),
    Odd(
        "TIFF, grey of 16 bits",
        lambda: saved(Image.fromarray(DEEP[..., 0]), "TIFF"),
        "rounded to 8 bits",
        mode="L",
        near=PHOTO.getchannel(0),
        tolerance=0,
    ),
    Odd("TIFF, floating point", lambda: saved(GREY.convert("F"), "TIFF"), refusal="floating-point"),
    Odd(
        "TIFF, integers of 32 bits",
        lambda: saved(Image.fromarray(DEEP[..., 0].astype(np.int32) * 9), "TIFF"),
        refusal="32-bit",
    ),
    Odd(
        "TIFF, CMYK",
        lambda: saved(PHOTO.convert("CMYK"), "TIFF"),
        "converted",
        near=PHOTO,
        tolerance=3,
    ),
    Odd(
        "TIFF, CIE L*a*b*",
        lambda: saved(Image.new("LAB", (WIDTH, HEIGHT), (128, 128, 128)), "TIFF"),
        "converted",
        near=Image.new("RGB", (WIDTH, HEIGHT), (119, 119, 119)),
        tolerance=2,
    ),
    Odd(
        "TIFF, orientation 6",
        lambda: saved(PHOTO.transpose(Image.Transpose.ROTATE_90), "TIFF", tiffinfo={274: 6}),
        "upright",
        near=PHOTO,
        tolerance=0,
    ),
    Odd("TIFF, two pages", lambda: frames("TIFF"), refusal="holds several frames or pages"),
    Odd(
        "TIFF, two pages, --first-frame",
        lambda: frames("TIFF"),
        near=PHOTO,
        tolerance=0,
        options=("--first-frame",),
    ),
]
OTHERS = [
    Odd(
        "GIF",
        lambda: saved(PHOTO.quantize(64), "GIF"),
        near=PHOTO.quantize(64).convert("RGB"),
        tolerance=0,
    ),
    Odd("GIF, transparent", lambda: saved(PHOTO.quantize(16), "GIF", transparency=0), mode="RGBA"),
    Odd("GIF, animated", lambda: frames("GIF"), refusal="holds several frames or pages"),
    Odd(
        "WebP, lossless with alpha",
        lambda: saved(with_alpha(PHOTO), "WEBP", lossless=True, exact=True),
        mode="RGBA",
        near=with_alpha(PHOTO),
        tolerance=0,
    ),
    Odd(
        "WebP, animated",
        lambda: frames("WEBP", lossless=True),
        refusal="holds several frames or pages",
    ),
    Odd(
        "WebP, animated, --first-frame",
        lambda: frames("WEBP", lossless=True),
        near=PHOTO,
        options=("--first-frame",),
    ),
    Odd(
        "AVIF, code points of PQ",
        lambda: renamed(saved(PHOTO, "AVIF"), b"colrnclx\0\1\0\x0d", b"colrnclx\0\x09\0\x10"),
        refusal="is of high dynamic range (PQ)",
    ),
    Odd(
        "AVIF, code points of Display P3",
        lambda: renamed(
            saved(PHOTO, "AVIF", quality=95, subsampling="4:4:4"),
            b"colrnclx\0\1\0\x0d",
            b"colrnclx\0\x0c\0\x0d",
        ),
        "converted to sRGB",
        near=IN_P3,
        tolerance=4,
    ),
    Odd(
        "AVIF",
        lambda: saved(PHOTO, "AVIF", quality=95, subsampling="4:4:4"),
        near=PHOTO,
        tolerance=3,
    ),
    Odd(
        "HEIC",
        needs("pillow_heif", lambda: saved(PHOTO, "HEIF", quality=95)),
        "with pillow-heif",
        near=PHOTO,
        tolerance=6,
    ),
    Odd(
        "JPEG XL",
        needs("pillow_jxl", lambda: saved(PHOTO, "JXL", lossless=True)),
        "with pillow-jxl-plugin",
        near=PHOTO,
        tolerance=0,
    ),
    Odd("JPEG 2000", lambda: saved(PHOTO, "JPEG2000"), near=PHOTO, tolerance=0),
    Odd("BMP", lambda: saved(PHOTO, "BMP"), near=PHOTO, tolerance=0),
    Odd(
        "BMP, 1 bit",
        lambda: saved(GREY.convert("1"), "BMP"),
        mode="L",
        near=GREY.convert("1").convert("L"),
        tolerance=0,
    ),
    Odd(
        "BMP, palette",
        lambda: saved(PHOTO.quantize(64), "BMP"),
        near=PHOTO.quantize(64).convert("RGB"),
        tolerance=0,
    ),
    Odd(
        "BMP, 32 bits",
        lambda: saved(with_alpha(PHOTO), "BMP"),
        "the fourth byte means nothing there",
        near=PHOTO,
        tolerance=0,
    ),
    Odd("PPM", lambda: saved(PHOTO, "PPM"), near=PHOTO, tolerance=0),
    Odd(
        "PPM, in figures",
        lambda: b"P3 2 1 255\n1 2 3 250 251 252\n",
        near=Image.fromarray(np.uint8([[[1, 2, 3], [250, 251, 252]]])),
        tolerance=0,
    ),
    Odd("PGM", lambda: saved(GREY, "PPM"), mode="L", near=GREY, tolerance=0),
    Odd(
        "PGM of 16 bits",
        lambda: b"P5 48 32 65535\n" + DEEP[..., 0].astype(">u2").tobytes(),
        "rounded to 8 bits",
        mode="L",
        near=PHOTO.getchannel(0),
        tolerance=0,
    ),
    Odd(
        "PBM",
        lambda: saved(GREY.convert("1"), "PPM"),
        mode="L",
        near=GREY.convert("1").convert("L"),
        tolerance=0,
    ),
    Odd("PFM", lambda: saved(GREY.convert("F"), "PPM"), refusal="floating-point"),
    Odd(
        "TGA with alpha",
        lambda: saved(with_alpha(PHOTO), "TGA"),
        mode="RGBA",
        near=with_alpha(PHOTO),
        tolerance=0,
    ),
    Odd(
        "ICO",
        lambda: saved(PHOTO.resize((32, 32)), "ICO", sizes=[(32, 32)]),
        near=PHOTO.resize((32, 32)),
        tolerance=0,
    ),
    Odd("PCX", lambda: saved(PHOTO, "PCX"), near=PHOTO, tolerance=0),
    Odd("SGI", lambda: saved(PHOTO, "SGI"), near=PHOTO, tolerance=0),
    Odd("QOI", lambda: saved(PHOTO, "QOI"), near=PHOTO, tolerance=0),
    Odd(
        "1×1 pixel",
        lambda: saved(PHOTO.crop((5, 5, 6, 6)), "PNG"),
        near=PHOTO.crop((5, 5, 6, 6)),
        tolerance=0,
    ),
    Odd(
        "1×5000 pixels",
        lambda: saved(PHOTO.resize((1, 5000)), "PNG"),
        near=PHOTO.resize((1, 5000)),
        tolerance=0,
    ),
    Odd(
        "5000×1 pixels",
        lambda: saved(PHOTO.resize((5000, 1)), "PNG"),
        near=PHOTO.resize((5000, 1)),
        tolerance=0,
    ),
    Odd(
        "PostScript",
        lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n",
        "no program is started",
        refusal="not a picture",
    ),
    Odd("nothing: 0 bytes", lambda: b"", refusal="empty"),
    Odd("text", lambda: b"To whom it may concern", refusal="not a picture", suffix=".jpg"),
    Odd(
        "SVG",
        lambda: b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
        refusal="not a picture",
    ),
]
GROUPS = {
    "JPEG": JPEG,
    "Orientation": ORIENTATION,
    "PNG": PNG,
    "Colour profiles": PROFILES,
    "TIFF": TIFF,
    "Others": OTHERS,
}
ODD = [odd for group in GROUPS.values() for odd in group]


def rows() -> str:
    """The table of codec/PICTURES.md."""
    lines = ["| file | what happens |", "|---|---|"]
    for group, odds in GROUPS.items():
        lines += [f"| **{group}** | |", *(f"| {odd.file} | {odd.outcome} |" for odd in odds)]
    return "\n".join(lines)


if __name__ == "__main__":
    text = PAGE.read_text()
    begin, end = text.index("| file |"), text.rindex("|\n") + 2
    PAGE.write_text(text[:begin] + rows() + "\n" + text[end:])
