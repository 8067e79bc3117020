"""Lossless WebP image data (VP8L, RFC 9649 section 3), without the file around it: Pillow writes
and reads it.

What is kept begins behind the five bytes of signature and size, which whoever reads it has from
elsewhere.
"""

import io
import struct

import numpy as np
from PIL import Image

from metamer.codec.errors import StreamError

MAX_SIDE = 1 << 14  # that VP8L can hold; libwebp's encoder stops one below
_RIFF, _HEADER = struct.Struct("<4sI4s4sI"), struct.Struct("<BI")
_SIGNATURE, _OPACITY = 0x2F, 1 << 28
# of libwebp's lossless encoder, whose sizes do not fall steadily with them. The first is Pillow's
# own; the last tries everything, which takes ten times as long for a percent, so it is for icons
# alone
EFFORTS = ({"quality": 80, "method": 4}, {"quality": 75, "method": 6})
EXHAUSTIVE = {"quality": 100, "method": 6}
EXHAUSTIVE_UP_TO = 1 << 16  # pixels
QUICK = {"quality": 0, "method": 0}


def encode_vp8l(levels: np.ndarray, effort: dict[str, int]) -> bytes:
    """Codes a picture without loss; colours of opacity 0 are not kept.

    Args:
        levels: (H, W, 3) or (H, W, 4) uint8, opacity last; sides below `MAX_SIDE`.
        effort: libwebp's options.

    Returns:
        Image data behind signature and size.
    """
    buffer = io.BytesIO()
    Image.fromarray(levels).save(buffer, "WEBP", lossless=True, **effort)
    *_, length = _RIFF.unpack_from(buffer.getvalue())
    data = buffer.getvalue()[_RIFF.size : _RIFF.size + length]
    return data[_HEADER.size :]


def encode_smallest(levels: np.ndarray) -> bytes:
    """The least that `encode_vp8l` gives at the efforts that are tried."""
    exhaustive = (EXHAUSTIVE,) if levels.shape[0] * levels.shape[1] <= EXHAUSTIVE_UP_TO else ()
    return min((encode_vp8l(levels, effort) for effort in (*EFFORTS, *exhaustive)), key=len)


def decode_vp8l(data: bytes, width: int, height: int, *, opacity: bool = False) -> np.ndarray:
    """Decodes a picture.

    Args:
        data: As `encode_vp8l` gives them.
        width: Pixels.
        height: Pixels.
        opacity: Whether the fourth channel is wanted.

    Returns:
        (height, width, 3) uint8; with ``opacity`` (height, width, 4).

    Raises:
        StreamError: They are damaged.
    """
    if max(width, height) > MAX_SIDE:
        raise StreamError(f"is damaged: lossless data of {width}x{height} pixels cannot be")
    data = _HEADER.pack(_SIGNATURE, width - 1 | height - 1 << 14 | _OPACITY * opacity) + data
    padding = len(data) % 2
    whole = (
        _RIFF.pack(b"RIFF", len(data) + padding + 12, b"WEBP", b"VP8L", len(data))
        + data
        + bytes(padding)
    )
    try:
        with Image.open(io.BytesIO(whole), formats=["WEBP"]) as picture:
            return np.asarray(picture.convert("RGBA" if opacity else "RGB"))
    except (OSError, SyntaxError, ValueError) as problem:
        raise StreamError(f"is damaged: lossless data cannot be decoded ({problem})") from None
