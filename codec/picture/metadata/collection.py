"""EXIF, XMP and colour profiles of a picture: collected, compressed, and kept true of an upright
picture.
"""

import itertools
import re
import zlib

from PIL import Image

from metamer.codec.errors import ImageError, StreamError
from metamer.codec.picture.metadata import exif, tiff
from metamer.codec.picture.metadata.exif import PREFIX

LIMIT = 16 << 20  # bytes of one of them, uncompressed
STORED, DEFLATED = 0, 1  # first byte of a section's body
PREFIXES = 8  # of XML for one namespace, that are looked at in a packet
# XMP part 1, section 8.3
_NAMESPACE = re.compile(rb"xmlns:([\w.-]+)\s*=\s*[\"']http://ns\.adobe\.com/tiff/1\.0/")


def collect_metadata(image: Image.Image, strip: bool = False) -> tuple[bytes, bytes, int]:
    """Takes EXIF and XMP of a loaded picture, both as of one that orientation upright.

    EXIF keeps its bytes, so that what makers note at offsets of their own stays readable; broken
    EXIF is left out. Pillow turns TIFF itself.

    Args:
        image: The picture.
        strip: Take neither.

    Returns:
        EXIF without its prefix and the XMP packet, each empty if there is none; and the picture's
        orientation, 1 to 8.

    Raises:
        ImageError: One is longer than `LIMIT`.
    """
    exif_data, xmp = (
        _exif(image),
        image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b"",
    )
    xmp = (xmp.encode() if isinstance(xmp, str) else bytes(xmp)).rstrip(b"\0")
    orientation = (
        1 if image.format == "TIFF" else exif.orientation(exif_data) or _orientation(xmp) or 1
    )
    exif_data, xmp = (b"", b"") if strip else (exif.upright(exif_data), upright_xmp(xmp))
    for name, data in (("EXIF", exif_data), ("XMP", xmp)):
        if len(data) > LIMIT:
            raise ImageError(
                f"holds {len(data)} bytes of {name}; at most {LIMIT} are kept: --metadata strip "
                "leaves them out"
            )
    return exif_data, xmp, 1 if image.format == "TIFF" else orientation


def _orientation_pattern(xmp: bytes) -> re.Pattern[bytes]:
    """What finds the orientation in an XMP packet: what stands before the digit, and the digit.
    Readers look no further.
    """
    names = [match[1] for match in itertools.islice(_NAMESPACE.finditer(xmp), PREFIXES)]
    prefixes = b"|".join(sorted({b"tiff", *map(re.escape, names)}))
    return re.compile(rb"((?:" + prefixes + rb"):Orientation\s*(?:=\s*[\"']|>)\s*)([0-9])")


def _orientation(xmp: bytes) -> int | None:
    match = _orientation_pattern(xmp).search(xmp)
    return int(match[2]) if match and int(match[2]) in range(1, 9) else None


def upright_xmp(xmp: bytes) -> bytes:
    """An XMP packet with every orientation in it set to 1."""
    return _orientation_pattern(xmp).sub(rb"\g<1>1", xmp)


def _exif(image: Image.Image) -> bytes:
    given = image.info.get("exif")
    if given:
        return bytes(given).removeprefix(PREFIX)
    try:
        # as ImageMagick writes it into PNG: three lines, then hexadecimal
        profile = image.info.get("Raw profile type exif")
        if profile:
            return bytes.fromhex("".join(profile.split("\n")[3:])).removeprefix(PREFIX)
        if image.format != "TIFF":
            return b""
        tags, chosen = image.getexif(), Image.Exif()
        chosen.update({tag: tags[tag] for tag in tiff.PHOTOGRAPH if tag in tags})
        for directory in (exif.EXIF_DIRECTORY, exif.GPS_DIRECTORY):
            if entries := tags.get_ifd(directory):
                chosen.get_ifd(directory).update(entries)
                chosen[directory] = entries
        return chosen.tobytes().removeprefix(PREFIX) if chosen else b""
    except Exception:  # Pillow's parser raises what it meets: such EXIF is broken
        return b""


def pack_metadata(data: bytes) -> bytes:
    """Compresses metadata where that is smaller: a section's body."""
    squeezed = zlib.compress(data, 9)
    return bytes([DEFLATED]) + squeezed if len(squeezed) < len(data) else bytes([STORED]) + data


def unpack_metadata(body: bytes) -> bytes:
    """Unpacks metadata, and takes no more memory than `LIMIT` whatever the body says.

    Args:
        body: The section's.

    Returns:
        What `pack_metadata` was given.

    Raises:
        StreamError: It is damaged, or too long.
    """
    if not body or body[0] not in (STORED, DEFLATED):
        raise StreamError("is damaged: metadata of an unknown form")
    if body[0] == STORED:
        data = body[1:]
    else:
        unpacker = zlib.decompressobj()
        try:
            data = unpacker.decompress(body[1:], LIMIT + 1)
        except zlib.error as problem:
            raise StreamError(f"is damaged: metadata cannot be decompressed ({problem})") from None
        if len(data) <= LIMIT and (not unpacker.eof or unpacker.unused_data):
            raise StreamError("is damaged: metadata does not end where it should")
    if len(data) > LIMIT:
        raise StreamError(f"holds more than {LIMIT} bytes of metadata of one kind")
    return data
