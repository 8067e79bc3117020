"""A range decoder in plain Python integers, and overlays, written from bitstreams/FORMAT.md and
sharing no code with codec/.
"""

import io
import zlib

import numpy as np
from PIL import Image

MASK = (1 << 64) - 1


class RangeDecoder:
    """FORMAT.md, "Range coder"."""

    def __init__(self, data: bytes):
        data += bytes(-len(data) % 4)
        self.words = [int.from_bytes(data[i : i + 4], "little") for i in range(0, len(data), 4)]
        self.lower, self.range = 0, MASK
        self.point = self.next() << 32 | self.next()

    def next(self) -> int:
        return self.words.pop(0) if self.words else 0

    def symbol(self, frequencies) -> int:
        scale = self.range >> 24
        quantile = ((self.point - self.lower) & MASK) // scale
        assert quantile < 1 << 24
        left = 0
        for symbol, frequency in enumerate(map(int, frequencies)):  # noqa: B007
            if quantile < left + frequency:
                break
            left += frequency
        self.lower = (self.lower + scale * left) & MASK
        self.range = scale * frequency
        if self.range < 1 << 32:
            self.lower, self.range = (self.lower << 32) & MASK, self.range << 32
            self.point = (self.point << 32 | self.next()) & MASK
        return symbol

    def uniform(self, size: int) -> int:
        """One of ``size`` equally likely values; the last takes what division leaves over."""
        share = (1 << 24) // size
        return self.symbol([share] * (size - 1) + [(1 << 24) - share * (size - 1)])


def read_pass(decoder: RangeDecoder, tables, indices: list[int]) -> list[int]:
    """FORMAT.md, "A pass"."""
    residuals, escaped = [0] * len(indices), []
    for table in sorted(set(indices)):
        residual_range = int(tables.reach[table])
        if residual_range < 0:
            continue
        for place in [place for place, index in enumerate(indices) if index == table]:
            residuals[place] = decoder.symbol(tables.frequency(table)) - residual_range
            if residuals[place] > residual_range:
                escaped.append((place, residual_range))
    for place, residual_range in escaped:
        bits = decoder.uniform(24)
        low = decoder.uniform(1 << bits) if bits else 0
        value = residual_range + (1 << bits) + low
        residuals[place] = -value if decoder.uniform(2) else value
    return residuals


def overlay(body: bytes, width: int, height: int, base: np.ndarray | None) -> np.ndarray:
    """FORMAT.md, "Overlays": a tile's pixels (H, W, C), given those that the networks show. body:
    behind the tile's number.
    """
    form, payload = body[0], body[1:]
    if form in (0, 1):
        return vp8l(payload, width, height, form)[..., : 3 + form]
    if form == 3:
        step, levels = payload[0], vp8l(payload[1:], width, height, 0)
        return np.clip(base.astype(int) + step * (levels.astype(int) - 128), 0, 255)
    assert form == 2
    length = place = 0
    while True:
        length |= (payload[place] & 0x7F) << 7 * place
        place += 1
        if payload[place - 1] < 0x80:
            break
    bits = zlib.decompress(payload[place : place + length])
    levels, result = vp8l(payload[place + length :], width, height, 0), np.array(base)
    columns = (width + 15) // 16
    for block in range(columns * ((height + 15) // 16)):
        if bits[block // 8] >> 7 - block % 8 & 1:
            top, left = block // columns * 16, block % columns * 16
            result[top : top + 16, left : left + 16] = levels[top : top + 16, left : left + 16]
    return result


def vp8l(data: bytes, width: int, height: int, opacity: int) -> np.ndarray:
    """(H, W, 3), with opacity (H, W, 4), by libwebp, of the file that RFC 9649 puts around the
    data.
    """
    data = b"\x2f" + (width - 1 | height - 1 << 14 | opacity << 28).to_bytes(4, "little") + data
    padded = data + bytes(len(data) % 2)
    chunk = b"VP8L" + len(data).to_bytes(4, "little") + padded
    file = b"RIFF" + (4 + len(chunk)).to_bytes(4, "little") + b"WEBP" + chunk
    return np.asarray(Image.open(io.BytesIO(file)).convert("RGBA" if opacity else "RGB"))
