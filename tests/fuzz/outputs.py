"""What a decoded file says of its picture, into every output: crafted EXIF, profiles and XMP. The
networks have no part in it.

An input is a `Said`: which output, which picture, and the three as they would stand behind their
sections. What is written must open again and show the picture; a TIFF without a warning of
Pillow's, and every output upright.
"""

import io
import random
import struct
import warnings
from dataclasses import dataclass, replace

from PIL import Image

from metamer.codec.errors import ImageError
from metamer.codec.picture.colour import conversion
from metamer.codec.picture.colour.conversion import (
    profile_suits,  # as they are, whatever a test makes of the module's
)
from metamer.codec.picture.metadata import exif
from metamer.codec.picture.save import find_format, picture_bytes
from tests.codec.picture import crafting
from tests.fuzz import mutation
from tests.fuzz.harness import Harness, SilentError

SUFFIX = ".said"
FORMATS = (".tif", ".png", ".jpg", ".webp", ".bmp", ".ppm")
# hold no profile: to make a transform of one takes as long as fifty other inputs
CONVERTED = (".bmp", ".ppm")
SIDES = 12, 9
_HEAD = struct.Struct("<BB3I")
_RED = Image.linear_gradient("L").resize(SIDES)
_COLOUR = Image.merge(
    "RGB",
    (_RED, _RED.transpose(Image.Transpose.ROTATE_180), Image.radial_gradient("L").resize(SIDES)),
)
PICTURES = {"L": _RED, "RGB": _COLOUR, "LA": _RED.copy(), "RGBA": _COLOUR.copy()}
PICTURES["LA"].putalpha(Image.radial_gradient("L").resize(SIDES))
PICTURES["RGBA"].putalpha(Image.radial_gradient("L").resize(SIDES))
TAGS = (
    0xFE,
    0xFF,
    *range(0x100, 0x155),
    0x15B,
    0x200,
    0x201,
    0x202,
    0x211,
    0x2BC,
    0x8298,
    0x829A,
    0x83BB,
    0x8649,
    0x8769,
    0x8773,
    0x8822,
    0x8825,
    0x8827,
    0x9000,
    0x9003,
    0x9214,
    0x927C,
    0x9286,
    0xA000,
    0xA002,
    0xA005,
    0xA20B,
    0xA302,
    0xA434,
    0xC4A5,
    0xC612,
    0,
    1,
    2,
    29,
    0xFFFF,
)
NUMBERS = (0, 1, 2, 6, 8, 9, 255, 256, 65535, 65536, 5_000_000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
PROFILES = (crafting.DISPLAY_P3, crafting.LINEAR, crafting.grey_profile(1.0))
PACKETS = (
    b"<x:xmpmeta/>",
    b'<r tiff:Orientation="6"/>',
    b"<t:Orientation> 8 </t:Orientation>",
    b"\xff\xfe\0",
    b"tiff:Orientation='3'",
    b'xmlns:a="http://ns.adobe.com/tiff/1.0/" a:Orientation = " 5 "',
    b"xmlns:(=",
    b"\0",
)


@dataclass(frozen=True)
class Said:
    """format: of `FORMATS`, modulo their number; mode: of `PICTURES`, likewise; strip: 128 added to
    it.
    """

    format: int
    mode: int
    exif: bytes = b""
    icc: bytes = b""
    xmp: bytes = b""

    def written(self) -> bytes:
        parts = self.exif, self.icc, self.xmp
        return _HEAD.pack(self.format, self.mode, *map(len, parts)) + b"".join(parts)


def read(data: bytes) -> Said:
    """The inverse of `Said.written`, of any bytes."""
    format, mode, exif_length, icc_length, _ = _HEAD.unpack_from(data.ljust(_HEAD.size, b"\0"))
    body = data[_HEAD.size :]
    return Said(
        format,
        mode,
        body[:exif_length],
        body[exif_length : exif_length + icc_length],
        body[exif_length + icc_length :],
    )


def seeds() -> list[bytes]:
    """Every output and mode, with what photographs have."""
    rng = random.Random(0)
    camera = Image.Exif()
    camera[0x10F], camera[0x100], camera[0x8769], camera[0x8825] = (
        "Otter",
        6000,
        {0x829A: 0.01, 0x8827: 100},
        {1: "N"},
    )
    blocks = camera.tobytes().removeprefix(exif.PREFIX), crafting.exif(6), crafting.exif(8, ">")
    places = [(format, mode) for format in range(len(FORMATS)) for mode in range(len(PICTURES))]
    cases = [
        Said(
            format,
            mode,
            rng.choice(blocks),
            rng.choice(PROFILES) if mode == format % 4 else b"",
            rng.choice(PACKETS),
        )
        for format, mode in places
    ]
    return [case.written() for case in cases]


def mutate(data: bytes, rng: random.Random) -> tuple[bytes, None]:
    """One to three of the things that a file says, said otherwise."""
    case = read(data)
    for _ in range(rng.choice((1, 1, 2, 3))):
        match rng.randrange(8):
            case 0:
                case = replace(case, format=rng.randrange(len(FORMATS)))
            case 1:
                case = replace(case, mode=rng.randrange(len(PICTURES)) | rng.choice((0, 0, 0, 128)))
            case 2 | 3 | 4:
                case = replace(case, exif=_exif(case.exif, rng))
            case 5:
                case = replace(case, icc=_profile(case.icc, rng))
            case 6:
                case = replace(case, xmp=_packet(case.xmp, rng))
            case 7:
                case = replace(case, exif=_directories(rng))
    if FORMATS[case.format % len(FORMATS)] in CONVERTED and rng.random() < 0.9:
        case = replace(case, icc=b"")
    return case.written(), None


def _exif(data: bytes, rng: random.Random) -> bytes:
    """Entries of the first directory, or of one that it points to, changed; else its bytes."""
    order, place = exif.byte_order(data), exif.first_directory(data)
    entries = list(exif.directory(data, place))
    if order is None or not entries or rng.random() < 0.3:
        return mutation.damage(data, rng) if data else _directories(rng)
    if rng.random() < 0.3:
        entries = (
            exif.sub_directory(data, rng.choice((exif.EXIF_DIRECTORY, exif.GPS_DIRECTORY)))
            or entries
        )
    changed, entry = bytearray(data), rng.choice(entries)
    match rng.randrange(4):
        case 0:
            struct.pack_into(f"{order}H", changed, entry.place, rng.choice(TAGS))
        case 1:
            struct.pack_into(f"{order}H", changed, entry.place + 2, rng.randrange(15))
        case 2:
            struct.pack_into(f"{order}I", changed, entry.place + 4, rng.choice(NUMBERS))
        case _:
            struct.pack_into(
                f"{order}I",
                changed,
                entry.place + 8,
                rng.choice((*NUMBERS, rng.randrange(len(data) + 9))),
            )
    return bytes(changed)


def _directories(rng: random.Random) -> bytes:
    """New EXIF, of tags that mean something to somebody, with values within, at the edge and
    beyond.
    """
    order, count, length = (
        rng.choice("<>"),
        rng.choice((0, 1, 1, 2, 5, 20)),
        rng.choice((8, 30, 300)),
    )
    end = 8 + 2 + 12 * count + 4
    rows = b"".join(
        struct.pack(
            f"{order}2H2I",
            rng.choice(TAGS),
            rng.choice((1, 2, 3, 4, 5, 7, 9, 10, 12, rng.randrange(16))),
            rng.choice((1, 1, 1, 2, 4, *NUMBERS)),
            rng.choice((*NUMBERS, 8, end, rng.randrange(end + length))),
        )
        for _ in range(count)
    )
    head = struct.pack(f"{order}2sHIH", b"II" if order == "<" else b"MM", 42, 8, count)
    return (
        head + rows + struct.pack(f"{order}I", rng.choice((0, 0, 8, end))) + rng.randbytes(length)
    )


def _profile(data: bytes, rng: random.Random) -> bytes:
    """Another, or one with fields of its header or of its table of tags changed."""
    data = rng.choice(PROFILES) if len(data) < 200 or rng.random() < 0.2 else data
    changed, place = bytearray(data), 4 * rng.randrange(50)
    match rng.randrange(5):
        case 0:
            changed[place : place + 4] = struct.pack(">I", rng.choice(NUMBERS))
        case 1:
            changed[16:20] = rng.choice((b"RGB ", b"GRAY", b"CMYK", b"Lab ", b"XYZ ", b"    "))
        case 2:
            changed[12:16] = rng.choice((b"mntr", b"scnr", b"prtr", b"link", b"abst", b"nmcl"))
        case 3:
            return mutation.damage(data, rng)
        case _:
            pass
    return bytes(changed)


def _packet(data: bytes, rng: random.Random) -> bytes:
    return rng.choice(
        (
            rng.choice(PACKETS),
            data + rng.choice(PACKETS),
            mutation.damage(data, rng),
            rng.choice(PACKETS) * 300,
        )
    )


class Target(Harness):
    """Writes, opens again, compares."""

    def __post_init__(self) -> None:
        # of readers, of metadata that is broken; TIFF is read without
        warnings.simplefilter("ignore")
        self._plain: dict[tuple[str, str], Image.Image] = {}

    def check(self, data: bytes, parent: bytes | None) -> int:
        case = read(data)
        suffix, (mode, picture) = (
            FORMATS[case.format % len(FORMATS)],
            list(PICTURES.items())[(case.mode & 127) % len(PICTURES)],
        )
        source = picture.copy()
        source.info = {"exif": case.exif, "icc_profile": case.icc, "xmp": case.xmp}
        try:
            reopened = self._written(source, suffix, bool(case.mode & 128))
        except ImageError:
            self.reached[f"{suffix[1:]} refused"] += 1
            return 0
        self.reached[f"{suffix[1:]} written"] += 1
        if (suffix, mode) not in self._plain:
            self._plain[suffix, mode] = self._written(picture, suffix, False)
        self._compare(reopened, self._plain[suffix, mode], case, picture)
        self._check_metadata(reopened, case)
        return 0

    def _written(self, picture: Image.Image, suffix: str, strip: bool) -> Image.Image:
        background = "white" if suffix in (".jpg", ".bmp", ".ppm") else None
        data = picture_bytes(picture, find_format(suffix), background, strip)
        with warnings.catch_warnings():
            if suffix == ".tif":
                warnings.simplefilter("error")
            reopened = Image.open(io.BytesIO(data))
            reopened.load()
            if suffix == ".tif":
                tags = reopened.getexif()
                self.reached["directories in a TIFF"] += bool(tags.get_ifd(exif.EXIF_DIRECTORY))
                tags.get_ifd(exif.GPS_DIRECTORY)
        return reopened

    def _compare(
        self, reopened: Image.Image, plain: Image.Image, case: Said, picture: Image.Image
    ) -> None:
        if (
            reopened.mode != plain.mode
            or reopened.size != picture.size
            or getattr(reopened, "n_frames", 1) != 1
        ):
            raise SilentError("a picture of another kind or size")
        if reopened.tobytes() == plain.tobytes():
            return
        if reopened.info.get("icc_profile") or not profile_suits(case.icc, picture.mode):
            raise SilentError("other pixels")
        self.reached["colours converted"] += 1
        grey = picture.mode[0] == "L"
        converted = conversion.to_srgb(
            plain.getchannel(0) if grey else plain.convert("RGB"), case.icc
        )
        alpha = (
            plain.mode.endswith("A")
            and reopened.getchannel("A").tobytes() != plain.getchannel("A").tobytes()
        )
        if alpha or reopened.convert("RGB").tobytes() != converted.convert("RGB").tobytes():
            raise SilentError("colours converted otherwise, or another transparency")

    def _check_metadata(self, reopened: Image.Image, case: Said) -> None:
        exif_data, packet = reopened.info.get("exif", b""), reopened.info.get("xmp", b"")
        if reopened.info.get("icc_profile") and not profile_suits(
            reopened.info["icc_profile"], reopened.mode
        ):
            raise SilentError("a profile of other pictures")
        self.reached["EXIF carried"] += bool(exif_data)
        self.reached["XMP carried"] += bool(packet)
        self.reached["profiles carried"] += bool(reopened.info.get("icc_profile"))
        if case.mode & 128 and (exif_data or packet):
            raise SilentError("what was to be stripped")
        if (
            exif.orientation(exif_data.removeprefix(exif.PREFIX)) not in (None, 1)
            or reopened.getexif().get(exif.ORIENTATION, 1) != 1
        ):
            raise SilentError("an output that stands otherwise than its picture")
