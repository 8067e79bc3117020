"""EXIF, XMP and colour profiles beside the picture: collected, compressed, and kept true of an upright picture."""

import re
import struct
import zlib

from PIL import Image

from codec.errors import ImageError, StreamError

LIMIT = 16 << 20  # bytes of one of them, uncompressed
STORED, DEFLATED = 0, 1  # first byte of a section's body
PREFIX = b"Exif\0\0"
ORIENTATION = 0x0112
# of a TIFF's own tags, those that tell of the photograph and not of the file: description, make, model, software, time,
# artist, copyright
TIFF_TAGS = (0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x8298)
SUB_DIRECTORIES = (0x8769, 0x8825)  # EXIF, GPS


def collect(image: Image.Image) -> tuple[bytes, bytes]:
    """EXIF without its prefix and the XMP packet of a loaded picture, as of one that stands upright; empty if there is none.

    EXIF keeps its bytes, so that what makers note at offsets of their own stays readable; broken EXIF is left out.
    """
    xmp = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
    xmp = xmp.encode() if isinstance(xmp, str) else bytes(xmp)
    xmp = re.sub(rb"(tiff:Orientation(?:=\"|=\'|>))[2-8]", rb"\g<1>1", xmp.rstrip(b"\0"))
    exif = upright(_exif(image).removeprefix(PREFIX))
    for name, data in (("EXIF", exif), ("XMP", xmp)):
        if len(data) > LIMIT:
            raise ImageError(f"holds {len(data)} bytes of {name}; at most {LIMIT} are kept: --metadata strip leaves them out")
    return exif, xmp


def _exif(image: Image.Image) -> bytes:
    given = image.info.get("exif")
    if given:
        return bytes(given)
    try:
        found = image.getexif()
        if not found:
            return b""
        if image.format == "TIFF":
            chosen = Image.Exif()
            chosen.update({tag: found[tag] for tag in TIFF_TAGS if tag in found})
            for directory in SUB_DIRECTORIES:
                if entries := found.get_ifd(directory):
                    chosen.get_ifd(directory).update(entries)
                    chosen[directory] = entries
            found = chosen
        return found.tobytes() if found else b""
    except Exception:  # Pillow's parser raises what it meets: such EXIF is broken
        return b""


def upright(exif: bytes) -> bytes:
    """EXIF (a TIFF header and directories) with its orientation set to 1 in place; empty if it is not EXIF."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is None or len(exif) < 14:
        return b""
    (place,) = struct.unpack_from(f"{order}I", exif, 4)
    if place + 2 > len(exif):
        return b""
    changed = bytearray(exif)
    (entries,) = struct.unpack_from(f"{order}H", exif, place)
    for start in range(place + 2, min(place + 2 + 12 * entries, len(exif) - 11), 12):
        tag, kind = struct.unpack_from(f"{order}2H", exif, start)
        if tag == ORIENTATION and kind == 3:  # SHORT
            struct.pack_into(f"{order}H", changed, start + 8, 1)
    return bytes(changed)


def pack(data: bytes) -> bytes:
    """A section's body: compressed where that is smaller."""
    squeezed = zlib.compress(data, 9)
    return bytes([DEFLATED]) + squeezed if len(squeezed) < len(data) else bytes([STORED]) + data


def unpack(body: bytes) -> bytes:
    """What `pack` was given. Raises StreamError, and takes no more memory than `LIMIT` whatever the body says."""
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
