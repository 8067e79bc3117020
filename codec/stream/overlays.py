"""What is coded without the networks: whole tiles without loss, some blocks of a tile, or what the
networks' tile lacks.

Networks that learned from photographs make little of text, line art, icons and noise. An overlay
says what a tile holds instead (`Form.WHOLE`, where no network runs; `Form.BLOCKS`) or besides
(`Form.RESIDUAL`). bitstreams/FORMAT.md, section 8, is normative.
"""

import zlib
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from PIL import Image

from metamer.codec.errors import StreamError
from metamer.codec.format import container
from metamer.codec.format.container import Header
from metamer.codec.format.leb128 import leb128, read_leb128
from metamer.codec.grid import STRIDE, Box
from metamer.codec.picture import vp8l

BLOCK = 16  # pixels a side of what `Form.BLOCKS` replaces, the area of a latent position
MIDDLE = 128  # the level that stands for a residual of 0
MIN_STEP, MAX_STEP = 2, 255


class Form(IntEnum):
    """The first byte of an overlay, behind the tile's number."""

    WHOLE = 0  # all pixels of the tile, without loss
    WITH_OPACITY = container.WITH_OPACITY  # and their opacity, of all tiles
    BLOCKS = 2  # some blocks, without loss
    RESIDUAL = 3  # added to what the networks give, in steps


@dataclass(frozen=True)
class Overlay:
    """What is coded of one tile without the networks.

    Attributes:
        form: How.
        data: VP8L of the whole tile.
        step: Of residuals, in levels.
        blocks: (rows, columns) bool, which blocks are replaced.
    """

    form: Form
    data: bytes
    step: int = 0
    blocks: np.ndarray | None = None

    @property
    def whole(self) -> bool:
        """Whether the tile needs no network."""
        return self.form in (Form.WHOLE, Form.WITH_OPACITY)

    def pack(self) -> bytes:
        """The body of a section, but for the tile's number."""
        start = bytes([self.form])
        if self.form == Form.RESIDUAL:
            start += bytes([self.step])
        if self.blocks is not None:
            packed = zlib.compress(np.packbits(self.blocks).tobytes(), 9)
            start += leb128(len(packed)) + packed
        return start + self.data


def parse_overlay(body: bytes, width: int, height: int) -> Overlay:
    """Reads an overlay: the inverse of `Overlay.pack`. Its VP8L data are not looked at.

    Args:
        body: Of a section, behind the tile's number.
        width: The tile's, in pixels.
        height: The tile's, in pixels.

    Raises:
        StreamError: It is damaged, or of a form that is not known.
    """
    if len(body) < 2 or body[0] not in list(Form):
        raise StreamError("is damaged: an overlay is of an unknown form")
    form, place, step, blocks = Form(body[0]), 1, 0, None
    if form == Form.RESIDUAL:
        step, place = body[1], 2
        if not MIN_STEP <= step <= MAX_STEP:
            raise StreamError(f"is damaged: an overlay with steps of {step}")
    if form == Form.BLOCKS:
        length, place = read_leb128(body, place)
        blocks = _blocks(body[place : place + length], block_counts(width, height))
        place += length
    return Overlay(form, body[place:], step, blocks)


def _blocks(packed: bytes, shape: tuple[int, int]) -> np.ndarray:
    count = shape[0] * shape[1]
    unpacker = zlib.decompressobj()
    try:
        bits = unpacker.decompress(packed, -(-count // 8) + 1)
    except zlib.error as problem:
        raise StreamError(
            f"is damaged: an overlay's blocks cannot be decompressed ({problem})"
        ) from None
    if len(bits) != -(-count // 8) or not unpacker.eof or unpacker.unused_data:
        raise StreamError("is damaged: an overlay's blocks are not as many as the tile has")
    return np.unpackbits(np.frombuffer(bits, np.uint8), count=count).astype(bool).reshape(shape)


def block_counts(width: int, height: int) -> tuple[int, int]:
    """Rows and columns of blocks that so many pixels have."""
    return -(-height // BLOCK), -(-width // BLOCK)


def pixel_area(box: Box, header: Header) -> Box:
    """The pixels of a tile that is given in latent positions."""
    return box.scaled(STRIDE).grown(0, 0, Box(0, 0, header.height, header.width))


def block_mask(blocks: np.ndarray, width: int, height: int) -> Image.Image:
    """Draws blocks.

    Args:
        blocks: (rows, columns) bool.
        width: Pixels.
        height: Pixels.

    Returns:
        Mode L, 255 in the blocks that are set.
    """
    levels = Image.fromarray(blocks.astype(np.uint8) * np.uint8(255))
    return levels.resize(
        (levels.width * BLOCK, levels.height * BLOCK), Image.Resampling.NEAREST
    ).crop((0, 0, width, height))


def paint_overlay(
    overlay: Overlay, tile: Box, area: Box, picture: Image.Image, opacity: Image.Image | None
) -> Image.Image | None:
    """Puts what an overlay holds into a decoded picture.

    Args:
        overlay: The overlay.
        tile: The pixels of its tile.
        area: The pixels that ``picture`` shows.
        picture: Mode L or RGB, with what the networks decoded of the tile; it is changed.
        opacity: Mode L, of ``area``, if there is any yet.

    Returns:
        ``opacity``, or one in its place where the overlay holds it.

    Raises:
        StreamError: The overlay is damaged.
    """
    visible = tile.grown(0, 0, area)
    inside, place = visible.within(tile), (visible.left - area.left, visible.top - area.top)
    levels = vp8l.decode_vp8l(
        overlay.data, tile.width, tile.height, opacity=overlay.form == Form.WITH_OPACITY
    )[inside]
    colours = levels[..., 1] if picture.mode == "L" else levels[..., :3]
    if overlay.form == Form.RESIDUAL:
        right, bottom = place[0] + visible.width, place[1] + visible.height
        colours = add_residual(
            np.asarray(picture.crop((*place, right, bottom))), colours, overlay.step
        )
    replaced = None
    if overlay.blocks is not None:
        replaced = Image.fromarray(
            np.asarray(block_mask(overlay.blocks, tile.width, tile.height))[inside]
        )
    picture.paste(Image.fromarray(np.ascontiguousarray(colours)), place, replaced)
    if overlay.form == Form.WITH_OPACITY:
        opacity = opacity or Image.new("L", picture.size)
        opacity.paste(Image.fromarray(np.ascontiguousarray(levels[..., 3])), place)
    return opacity


def residual_levels(original: np.ndarray, decoded: np.ndarray, step: int) -> np.ndarray:
    """Quantises what a decoded picture lacks.

    Args:
        original: 8-bit levels of the original.
        decoded: Those of the decoded picture, of the same shape.
        step: Levels that a step of the residual stands for.

    Returns:
        uint8 of that shape, `MIDDLE` where nothing is lacking.
    """
    lacking = original.astype(np.float32) - decoded
    return np.asarray(np.rint(lacking / step) + MIDDLE).clip(0, 255).astype(np.uint8)


def add_residual(decoded: np.ndarray, levels: np.ndarray, step: int) -> np.ndarray:
    """Adds a residual to a decoded picture: the inverse of `residual_levels`.

    Args:
        decoded: 8-bit levels.
        levels: The residual's, of the same shape.
        step: Levels that a step of it stands for.

    Returns:
        uint8 of that shape.
    """
    return (decoded + step * (levels.astype(np.int32) - MIDDLE)).clip(0, 255).astype(np.uint8)


def as_rgb(levels: np.ndarray) -> np.ndarray:
    """(H, W, 3) levels of a picture that may be (H, W), a grey one."""
    return np.repeat(levels[..., None], 3, -1) if levels.ndim == 2 else levels
