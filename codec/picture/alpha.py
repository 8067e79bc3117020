"""Transparency: coded without loss as WebP codes it (VP8L, RFC 9649), and invisible colours filled
so that they cost little.

A section holds tiles in raster order, each its length (LEB128), a filter, and VP8L data without the
five bytes of header that its size gives.
"""

import numpy as np
from PIL import Image

from metamer.codec.errors import StreamError
from metamer.codec.format.leb128 import leb128, read_leb128
from metamer.codec.grid import Box, split_tiles
from metamer.codec.picture import vp8l

TILE = 2048  # pixels a side: bounds memory, far below the 16,384 that VP8L can hold
# filters, those of WebP's ALPH chunk (RFC 9649 section 2.7.1.2)
NONE, HORIZONTAL, VERTICAL, GRADIENT = range(4)
# of libwebp's lossless encoder, whose sizes do not fall steadily with them; the last tries
# everything, which takes seconds a megapixel, so it is left out of larger pictures
EFFORTS, EXHAUSTIVE = (
    ({"quality": 40, "method": 3}, {"quality": 75, "method": 6}),
    {"quality": 100, "method": 6},
)
EXHAUSTIVE_UP_TO = 1 << 22  # pixels
CONTENDERS = 2  # filters that it is tried with


def encode_alpha(plane: Image.Image) -> bytes:
    """Codes a plane of opacity.

    Args:
        plane: Mode L, 255 for opaque.

    Returns:
        A section's body.
    """
    body = bytearray()
    for box in split_tiles(Box(0, 0, plane.height, plane.width), TILE):
        levels = np.asarray(plane.crop((box.left, box.top, box.right, box.bottom)))
        candidates = []
        for kind in (NONE, HORIZONTAL, VERTICAL, GRADIENT):
            residuals = _filter(levels, kind)
            candidates.append(
                min((bytes([kind]) + _vp8l(residuals, effort) for effort in EFFORTS), key=len)
            )
        candidates.sort(key=len)
        if plane.width * plane.height <= EXHAUSTIVE_UP_TO:
            candidates += [
                data[:1] + _vp8l(_filter(levels, data[0]), EXHAUSTIVE)
                for data in candidates[:CONTENDERS]
            ]
        data = min(candidates, key=len)
        body += leb128(len(data)) + data
    return bytes(body)


def decode_alpha(body: bytes, width: int, height: int, region: Box) -> Image.Image:
    """Decodes a part of a plane of opacity; tiles outside of it are not decoded.

    Args:
        body: The section's.
        width: Of the whole plane, in pixels.
        height: Of the whole plane, in pixels.
        region: The part, in pixels.

    Returns:
        Mode L.

    Raises:
        StreamError: The section is damaged.
    """
    plane, place = Image.new("L", (region.width, region.height)), 0
    for box in split_tiles(Box(0, 0, height, width), TILE):
        length, place = read_leb128(body, place)
        data, place = body[place : place + length], place + length
        if len(data) < max(2, length) or data[0] > GRADIENT:
            raise StreamError("is damaged: its transparency ends early or is of an unknown form")
        if box.meets(region):
            levels = _unfilter(vp8l.decode_vp8l(data[1:], box.width, box.height)[..., 1], data[0])
            plane.paste(Image.fromarray(levels), (box.left - region.left, box.top - region.top))
    if place != len(body):
        raise StreamError("is damaged: data follows its transparency")
    return plane


def quantise_alpha(plane: Image.Image, quality: int) -> Image.Image:
    """Fewer levels of opacity, 0 and 255 always among them, chosen for least squared error (Lloyd's
    algorithm); as many as WebP takes.

    Args:
        plane: Mode L.
        quality: 0 … 100, which changes nothing.

    Returns:
        Mode L.
    """
    count = np.asarray(plane.histogram(), float)
    wanted = (
        256 if quality >= 100 else 2 + quality // 5 if quality <= 70 else 16 + (quality - 70) * 8
    )
    used = np.flatnonzero(count)
    if len(used) <= wanted:
        return plane
    levels = np.linspace(0, 255, wanted)
    for _ in range(50):
        nearest = np.abs(used[:, None] - levels).argmin(1)
        weight = np.bincount(nearest, count[used], wanted)
        mean = np.bincount(nearest, count[used] * used, wanted) / np.maximum(weight, 1)
        levels[1:-1] = np.where(weight > 0, mean, levels)[1:-1]
    table = levels.round()[np.abs(np.arange(256)[:, None] - levels).argmin(1)]
    table[0], table[255] = 0, 255
    return plane.point(table.astype(int).tolist())


def fill_transparent(image: Image.Image, plane: Image.Image) -> Image.Image:
    """Fills what is fully transparent smoothly from what is not, by pull-push (Gortler et al., "The
    lumigraph", SIGGRAPH 1996).

    It costs few bits then, and does not bleed into edges.

    Args:
        image: Mode L or RGB.
        plane: Its opacity, mode L.

    Returns:
        A picture of the mode of ``image``.
    """
    visible = plane.point([0] + [255] * 255)
    return _filled(image.convert("RGB"), visible).convert(image.mode)


def _filled(image: Image.Image, visible: Image.Image) -> Image.Image:
    low, high = visible.getextrema()
    if low or not high:  # all visible, or nothing
        return image if low else Image.new("RGB", image.size, (128, 128, 128))
    joined = image.copy()
    joined.putalpha(visible)
    # premultiplied: the mean of what is visible alone
    half = joined.convert("RGBa").reduce(2).convert("RGBA")
    coarse = _filled(half.convert("RGB"), half.getchannel("A").point([0] + [255] * 255))
    # an odd side's last pixel is half of one of the coarser picture
    shared = (0, 0, image.width / 2, image.height / 2)
    fine = coarse.resize(image.size, Image.Resampling.BILINEAR, shared)
    return Image.composite(image, fine, visible)


def _filter(levels: np.ndarray, kind: int) -> np.ndarray:
    """Residuals modulo 256; the first row is always predicted from the left, the first column from
    above.
    """
    if kind == NONE:
        return levels
    left, above = np.zeros_like(levels), np.zeros_like(levels)
    left[:, 1:], above[1:] = levels[:, :-1], levels[:-1]
    predicted = {HORIZONTAL: left, VERTICAL: above}.get(kind)
    if predicted is None:
        corner = np.zeros_like(levels)
        corner[1:, 1:] = levels[:-1, :-1]
        predicted = (left.astype(np.int16) + above - corner).clip(0, 255).astype(np.uint8)
    predicted[0], predicted[:, 0] = left[0], above[:, 0]
    return levels - predicted


def _unfilter(residuals: np.ndarray, kind: int) -> np.ndarray:
    if kind == NONE:
        return residuals
    levels = residuals.copy()
    if kind != VERTICAL:
        levels[:, 0] = np.cumsum(levels[:, 0], dtype=np.uint8)
    if kind == HORIZONTAL:
        return np.cumsum(levels, axis=1, dtype=np.uint8)
    levels[0] = np.cumsum(levels[0], dtype=np.uint8)
    if kind == VERTICAL:
        return np.cumsum(levels, axis=0, dtype=np.uint8)
    height, width = levels.shape
    flat = levels.ravel()  # a view: what lies on a diagonal depends on the two before it alone
    for diagonal in range(2, height + width - 1):
        first, last = max(1, diagonal - width + 1), min(diagonal, height) - 1
        if last < first:
            continue
        begin, end, step = (
            diagonal + first * (width - 1),
            diagonal + last * (width - 1) + 1,
            width - 1,
        )
        left, above, corner = (
            flat[begin - back : end - back : step] for back in (1, width, width + 1)
        )
        flat[begin:end:step] += (
            (left.astype(np.int16) + above - corner).clip(0, 255).astype(np.uint8)
        )
    return levels


def _vp8l(levels: np.ndarray, effort: dict[str, int]) -> bytes:
    """A plane as the green of a picture."""
    nothing = np.zeros_like(levels)
    return vp8l.encode_vp8l(np.stack([nothing, levels, nothing], -1), effort)
