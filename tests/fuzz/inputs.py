"""Picture files to be encoded, of every format that is read, damaged and crafted. The networks have
no part in it.

What must hold: an ImageError of one line or a picture as `codec.picture.load` promises it, upright,
with metadata that says so; little time and memory. What libraries write to standard error
themselves is counted: the command keeps it to itself.
"""

import contextlib
import io
import os
import random
import struct
import tempfile
import warnings
import zlib

import numpy as np

from metamer.codec.errors import ImageError
from metamer.codec.picture.formats import FORMATS
from metamer.codec.picture.load import Picture, load_picture
from metamer.codec.picture.metadata import exif
from metamer.codec.picture.metadata.exif import (
    upright,  # as it is, whatever a test makes of the module's
)
from metamer.codec.stream.sections import extra_sections
from tests.codec.picture import crafting
from tests.codec.picture.odd_files import ODD
from tests.fuzz import mutation, outputs
from tests.fuzz.harness import LONGEST, Harness, SilentError

SUFFIX = ".picture"
LARGEST = 4096  # bytes of a seed
# that a picture may declare here: larger ones are refused before they are read, as they are
# anywhere
PIXELS = 1 << 16
BYTES = (0x00, 0x01, 0x02, 0x7F, 0x80, 0xFE, 0xFF)


def seeds() -> list[bytes]:
    """The small ones among the odd files, and a tiny picture in every format and mode that Pillow
    writes it in.
    """
    contents = [data for odd in ODD if (data := odd.make()) is not None and len(data) <= LARGEST]
    metadata = {
        "exif": b"Exif\0\0" + crafting.exif(6),
        "icc_profile": crafting.DISPLAY_P3,
        "xmp": outputs.PACKETS[1],
    }
    for name in FORMATS:
        for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"):
            for options in ({}, {key: metadata[key] for key in ("exif", "icc_profile")}, metadata):
                buffer = io.BytesIO()
                with contextlib.suppress(Exception):  # not of this mode, or not written at all
                    outputs.PICTURES["RGBA" if mode.endswith("A") else "RGB"].convert(mode).save(
                        buffer, name, **options
                    )
                    contents.append(buffer.getvalue())
    return sorted(set(contents))


def mutate(data: bytes, rng: random.Random) -> tuple[bytes, None]:
    """A damaged file, one of whose fields says something else, or a PNG whose checksums are right
    all the same.
    """
    kind = rng.random()
    if data[:4] in (b"II*\0", b"MM\0*") and kind < 0.6:
        return _entry(data, rng), None
    if data[:4] == b"\x89PNG" and kind < 0.8:
        return _chunks(data, rng), None
    if kind < 0.5:
        return mutation.damage(data, rng)[:LONGEST], None
    changed = bytearray(data)
    # numbers, most of which stand at the beginning of a file
    for _ in range(rng.choice((1, 1, 2, 4))):
        size = rng.choice((1, 2, 2, 4))
        place = min(int(rng.expovariate(0.02)), max(0, len(changed) - size))
        value = rng.choice(outputs.NUMBERS) & (1 << 8 * size) - 1
        changed[place : place + size] = value.to_bytes(size, rng.choice(("little", "big")))
    return bytes(changed[:LONGEST]), None


def _entry(data: bytes, rng: random.Random) -> bytes:
    """Tag, type, number or value of an entry of a TIFF's first directory."""
    order, entries = exif.byte_order(data), list(exif.directory(data, exif.first_directory(data)))
    if not entries:
        return mutation.damage(data, rng)
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2))):
        place, field = rng.choice(entries).place, rng.randrange(5)
        if field < 2:
            value = rng.choice(outputs.TAGS) if field == 0 else rng.randrange(19)
            struct.pack_into(f"{order}H", changed, place + 2 * field, value)
        elif field == 4:
            struct.pack_into(f"{order}H", changed, place + 8, rng.randrange(1 << 16))
        else:
            struct.pack_into(
                f"{order}I", changed, place + 4 * (field - 1), rng.choice(outputs.NUMBERS)
            )
    return bytes(changed)


def _chunks(data: bytes, rng: random.Random) -> bytes:
    """A PNG with a chunk changed, lost, repeated or moved, pixels squeezed anew; every checksum is
    right.
    """
    parts, place = [], 8
    while place + 8 <= len(data):
        (length,) = struct.unpack_from(">I", data, place)
        parts.append((data[place + 4 : place + 8], data[place + 8 : place + 8 + length]))
        place += 12 + length
    if not parts:
        return mutation.damage(data, rng)
    chunk = rng.randrange(len(parts))
    name, body = parts[chunk]
    match rng.randrange(7):
        case 0 | 1 if body:
            parts[chunk] = name, mutation.damage(body, rng)
        case 2:
            parts[chunk] = (
                rng.choice(
                    (
                        b"tRNS",
                        b"PLTE",
                        b"iCCP",
                        b"eXIf",
                        b"iTXt",
                        b"zTXt",
                        b"cICP",
                        b"gAMA",
                        b"cHRM",
                        b"acTL",
                        b"fcTL",
                        b"fdAT",
                        b"IDAT",
                        b"IEND",
                        b"IHDR",
                        name.swapcase(),
                    )
                ),
                body,
            )
        case 3:
            parts.insert(rng.randrange(len(parts) + 1), (name, body))
        case 4:
            del parts[chunk]
        case 5:
            with contextlib.suppress(zlib.error):
                raw = zlib.decompress(b"".join(body for name, body in parts if name == b"IDAT"))
                squeezed = (b"IDAT", zlib.compress(mutation.damage(raw, rng)))
                parts = [part for part in parts if part[0] not in (b"IDAT", b"IEND")] + [
                    squeezed,
                    (b"IEND", b""),
                ]
        case _:
            extra = rng.choice(
                (
                    (b"cICP", bytes(rng.choice((0, 1, 2, 9, 12, 13, 16, 18)) for _ in range(4))),
                    (b"gAMA", struct.pack(">I", rng.choice(outputs.NUMBERS))),
                    (b"tRNS", rng.randbytes(rng.choice((1, 2, 6, 256)))),
                    (b"eXIf", outputs._directories(rng)),
                    (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + rng.choice(outputs.PACKETS)),
                    (
                        b"cHRM",
                        b"".join(struct.pack(">I", rng.choice(outputs.NUMBERS)) for _ in range(8)),
                    ),
                )
            )
            parts.insert(min(1, len(parts)), extra)
    return data[:8] + b"".join(crafting.chunk(name, body) for name, body in parts)


class Target(Harness):
    """Reads a file as `encode` does."""

    def __post_init__(self) -> None:
        warnings.simplefilter("ignore")  # as the command does: of metadata that readers leave out
        self._words = tempfile.TemporaryFile()  # noqa: SIM115, as long as the process
        self._heard = 0

    def check(self, data: bytes, parent: bytes | None) -> int:
        choice = zlib.crc32(data)
        options = {
            "icc": ("convert", "keep")[choice & 1],
            "first_frame": bool(choice & 2),
            "strip": bool(choice & 12 == 12),
        }
        try:
            with self._listening():
                loaded = load_picture(io.BytesIO(data), max_pixels=PIXELS, **options)
        except ImageError as problem:
            if "\n" in str(problem).strip() or not str(problem):
                raise SilentError("a reason of several lines, or none") from None
            self.reached["refused"] += 1
            return 0
        self.reached["taken"] += 1
        self._sound(loaded, options)
        return loaded.image.width * loaded.image.height

    @contextlib.contextmanager
    def _listening(self):
        """Counts what libraries write to standard error."""
        saved = os.dup(2)
        os.dup2(self._words.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)
        end = os.lseek(self._words.fileno(), 0, os.SEEK_END)
        self.reached["a library spoke"] += end > self._heard
        self._heard = end

    def _sound(self, loaded: Picture, options: dict) -> None:
        image, alpha = loaded.image, loaded.transparency
        if image.mode not in ("L", "RGB") or image.width * image.height > PIXELS or image.info:
            raise SilentError("a picture of no kind that is coded")
        np.asarray(image)
        if alpha is not None:
            self.reached["with transparency"] += 1
            if alpha.mode != "L" or alpha.size != image.size:
                raise SilentError("transparency of another size")
        if loaded.exif and (upright(loaded.exif) != loaded.exif or options["strip"]):
            raise SilentError(
                "EXIF of a picture that does not stand upright, or that was to be stripped"
            )
        self.reached["with EXIF"] += bool(loaded.exif)
        self.reached["with a profile"] += bool(loaded.icc)
        self.reached["grey"] += loaded.grey
        if alpha is None:
            extra_sections(loaded)
