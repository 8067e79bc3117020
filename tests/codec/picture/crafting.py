"""Picture files that Pillow reads but does not write, byte by byte: PNG, TIFF, YCCK JPEG,
profiles.
"""

import io
import struct
import zlib

import numpy as np
from PIL import Image

from metamer.codec.picture.colour.profiles import BRADFORD, D50, matrix_profile
from metamer.codec.picture.colour.signalled import SRGB_CHROMATICITY

# top, left, steps
ADAM7 = (
    (0, 0, 8, 8),
    (0, 4, 8, 8),
    (4, 0, 8, 4),
    (0, 2, 4, 4),
    (2, 0, 4, 2),
    (0, 1, 2, 2),
    (1, 0, 2, 1),
)


def saved(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(
    pixels: np.ndarray, depth: int, colour: int, *, extra: bytes = b"", interlaced: bool = False
) -> bytes:
    """pixels: (H, W, channels) of ``depth`` bits, 8 or 16 of them, or 1, 2, 4 in one channel;
    colour: PNG's colour type.
    """

    def lines(part: np.ndarray) -> bytes:
        rows = part.reshape(len(part), -1)
        if depth < 8:
            bits = (rows[..., None] >> np.arange(depth)[::-1] & 1).reshape(len(rows), -1)
            packed = np.packbits(bits.astype(np.uint8), axis=1)
            return b"".join(b"\0" + row.tobytes() for row in packed)
        return b"".join(
            b"\0" + row.astype(">u2" if depth == 16 else "u1").tobytes() for row in rows
        )

    passes = (
        [pixels[top::step, left::right] for top, left, step, right in ADAM7]
        if interlaced
        else [pixels]
    )
    data = b"".join(lines(part) for part in passes if part.size)
    head = struct.pack(">2I5B", pixels.shape[1], pixels.shape[0], depth, colour, 0, 0, interlaced)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + extra
        + chunk(b"IDAT", zlib.compress(data))
        + chunk(b"IEND", b"")
    )


def empty_png(width: int, height: int) -> bytes:
    """A header that promises what does not come."""
    head = struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


def tiff(pixels: np.ndarray, *, order: str = "<", planar: bool = False, tile: int = 0) -> bytes:
    """Uncompressed RGB; pixels: (H, W, 3) uint8 or uint16. order: of bytes; planar: plane by plane;
    tile: side of tiles.
    """
    height, width, _ = pixels.shape
    if tile:
        padded = np.pad(pixels, ((0, -height % tile), (0, -width % tile), (0, 0)))
        parts = [
            padded[top : top + tile, left : left + tile]
            for top in range(0, height, tile)
            for left in range(0, width, tile)
        ]
    else:
        parts = [pixels[..., channel] for channel in range(3)] if planar else [pixels]
    strips = [part.astype(pixels.dtype.newbyteorder(order)).tobytes() for part in parts]
    entries = {
        256: (4, [width]),
        257: (4, [height]),
        258: (3, [8 * pixels.itemsize] * 3),
        259: (3, [1]),
        262: (3, [2]),
        277: (3, [3]),
        284: (3, [2 if planar else 1]),
    }
    if tile:
        entries |= {
            322: (4, [tile]),
            323: (4, [tile]),
            324: (4, [0] * len(strips)),
            325: (4, [len(s) for s in strips]),
        }
    else:
        entries |= {
            273: (4, [0] * len(strips)),
            278: (4, [height]),
            279: (4, [len(s) for s in strips]),
        }
    start = 8 + 2 + 12 * len(entries) + 4
    sizes = {tag: {3: 2, 4: 4}[kind] * len(values) for tag, (kind, values) in entries.items()}
    place = start + sum(size for size in sizes.values() if size > 4)
    offsets = place + np.cumsum([0, *(len(s) for s in strips)])[:-1]
    entries[324 if tile else 273] = (4, offsets.tolist())
    head, values_at = (
        struct.pack(f"{order}2sHIH", b"II" if order == "<" else b"MM", 42, 8, len(entries)),
        b"",
    )
    for tag in sorted(entries):
        kind, values = entries[tag]
        data = struct.pack(f"{order}{len(values)}{'H' if kind == 3 else 'I'}", *values)
        field = (
            data.ljust(4, b"\0")
            if len(data) <= 4
            else struct.pack(f"{order}I", start + len(values_at))
        )
        values_at += data if len(data) > 4 else b""
        head += struct.pack(f"{order}2HI", tag, kind, len(values)) + field
    return head + bytes(4) + values_at + b"".join(strips)


def ycck_jpeg(image: Image.Image) -> bytes:
    """Adobe's: inverted CMY as luma and chroma, beside black. Pillow writes CMYK, whose samples
    here mean that.
    """
    colours = np.asarray(Image.fromarray(255 - np.asarray(image)).convert("YCbCr"))
    samples = Image.fromarray(np.dstack([255 - colours, np.zeros_like(colours[..., :1])]), "CMYK")
    data = saved(samples, "JPEG", quality=95, subsampling=0)
    marker = data.index(b"Adobe")
    return data[: marker + 11] + b"\2" + data[marker + 12 :]


def exif(orientation: int, order: str = "<") -> bytes:
    """Orientation, and 40 bytes beyond the directory that only a maker could read."""
    head = struct.pack(f"{order}2sHIH", b"II" if order == "<" else b"MM", 42, 8, 1)
    return (
        head
        + struct.pack(f"{order}2HI2H", 0x0112, 3, 1, orientation, 0)
        + bytes(4)
        + b"maker's note" * 4
    )


def xyz(chromaticity: tuple[float, ...]) -> np.ndarray:
    """(3, 3) XYZ of primaries against D50, from x, y of white, red, green, blue."""
    x, y = np.array(chromaticity).reshape(4, 2).T
    white, *primaries = np.stack([x / y, np.ones(4), (1 - x - y) / y], 1)
    primaries = np.array(primaries).T * np.linalg.solve(np.array(primaries).T, white)
    return (
        np.linalg.inv(BRADFORD)
        @ np.diag((BRADFORD @ D50) / (BRADFORD @ white))
        @ BRADFORD
        @ primaries
    )


P3_CHROMATICITY = (0.3127, 0.329, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06)
DISPLAY_P3 = matrix_profile(xyz(P3_CHROMATICITY), 2.2)  # its curve is sRGB's; near enough here
LINEAR = matrix_profile(xyz(SRGB_CHROMATICITY), 1.0)


def grey_profile(gamma: float) -> bytes:
    """An ICC profile of one channel: matrix_profile's, but for its colour space and its
    only curve.
    """
    profile = matrix_profile(np.eye(3), gamma)
    count = struct.unpack_from(">I", profile, 128)[0]
    entries = [struct.unpack_from(">4s2I", profile, 132 + 12 * index) for index in range(count)]
    tags = {
        b"wtpt": next(e for e in entries if e[0] == b"wtpt"),
        b"kTRC": next(e for e in entries if e[0] == b"rTRC"),
    }
    table, body = struct.pack(">I", len(tags)), b""
    for name, (_, place, length) in tags.items():
        table += struct.pack(">4s2I", name, 132 + 12 * len(tags) + len(body), length)
        body += profile[place : place + length]
    grey = profile[:16] + b"GRAY" + profile[20:128] + table + body
    return struct.pack(">I", len(grey)) + grey[4:]
