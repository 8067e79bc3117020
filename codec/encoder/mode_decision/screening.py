"""What a picture is, at a glance: whether photographs look so, or networks that learned from them
will make little of it.

All of it together takes some 2 % of what encoding takes.
"""

from collections.abc import Callable
from functools import cached_property

import numpy as np
from PIL import Image

from metamer.codec.picture import vp8l
from metamer.codec.stream.overlays import BLOCK, as_rgb, block_counts

# share of a drawn block's pixels that are what their left neighbour is, to the last bit
REPEATED = 0.4
MANY = 96  # colours of a block's 256 pixels: photographs have more where they have contrast
CONTRAST = 40  # levels between a drawn block's darkest and brightest pixel, in some channel
LEAST = 0.06  # share of a tile's blocks that have to be drawn for it to be looked at more closely
BANDS, BAND = 3, 16  # how many bands of rows lossless data is tried on, and of how many rows
PATCH = 8  # pixels a side
LUMA = np.array([0.25, 0.5, 0.25], np.float32)  # near enough, and exact in float32


class Screening:
    """A look at one tile."""

    def __init__(self, pixels: Callable[[], np.ndarray]):
        """Looks at nothing yet.

        Args:
            pixels: Gives the tile's pixels, (H, W) or (H, W, 3) uint8, when they are needed; they
                are not kept.
        """
        self._pixels = pixels

    @cached_property
    def drawn(self) -> np.ndarray:
        """(rows, columns) bool, blocks of text, line art and what is flat around it; none where
        there is little of it.
        """
        drawn, flat = self._kinds()
        if drawn.mean() < LEAST:
            return np.zeros_like(drawn)
        return _spread(drawn, flat)

    def _kinds(self) -> tuple[np.ndarray, np.ndarray]:
        """Blocks of few colours far apart, and those of one colour; none where there are fewer than
        `LEAST` of the former.
        """
        pixels = self._pixels()
        height, width = pixels.shape[:2]
        rows, columns = block_counts(width, height)
        drawn, flat = np.zeros((rows, columns), bool), np.zeros((rows, columns), bool)
        half = _packed(pixels[::2])  # every second row says which blocks to look at more closely
        same = np.zeros(half.shape, np.uint8)
        np.multiply(half[:, 1:] == half[:, :-1], np.uint8(255), out=same[:, 1:])
        chosen = np.asarray(Image.fromarray(same).reduce((BLOCK, BLOCK // 2))) >= 255 * REPEATED
        if chosen.mean() < LEAST:
            return drawn, flat
        some = (
            _blocks(half, BLOCK // 2)[chosen][:, ::2]
            .copy()
            .view(np.uint8)
            .reshape(chosen.sum(), -1, 4)
        )
        contrasted = (some.max(1).astype(int) - some.min(1)).max(1) >= CONTRAST
        if contrasted.sum() < LEAST * chosen.size:
            return drawn, flat
        blocks = _blocks(_packed(pixels), BLOCK)[chosen]
        blocks = blocks.reshape(len(blocks), -1)
        flat[chosen] = (blocks == blocks[:, :1]).all(1)
        ordered = np.sort(blocks[contrasted], axis=1)
        colours = 1 + (ordered[:, 1:] != ordered[:, :-1]).sum(1)
        drawn[tuple(index[contrasted] for index in np.nonzero(chosen))] = colours <= MANY
        return drawn, flat

    @cached_property
    def lossless_bits(self) -> float:
        """About how many bits the pixels take without loss, from bands of rows.

        As many as at libwebp's least effort, or as differences to the left neighbour hold, as that
        effort misses flat rows.
        """
        pixels = self._pixels()
        height, width = pixels.shape[:2]
        rows = np.arange(height)
        if height > BANDS * BAND:
            middles = (np.arange(BANDS) + 0.5) * height / BANDS
            rows = (middles.astype(int)[:, None] - BAND // 2 + np.arange(BAND)).ravel()
        columns = slice(0, vp8l.MAX_SIDE - 1)
        sample = pixels[rows, columns]
        count = sample.shape[0] * sample.shape[1]
        bits = min(8 * len(vp8l.encode_vp8l(as_rgb(sample), vp8l.QUICK)), _information(sample))
        return bits * (height * width) / count

    @cached_property
    def patchy(self) -> float:
        """Mean squared deviation of colour, luma taken off, from its mean in squares of 8 pixels; 0
        in grey pictures.
        """
        pixels = self._pixels()
        if pixels.ndim == 2 or min(pixels.shape[:2]) < PATCH:
            return 0.0
        colour = _fit(pixels, PATCH)
        colour = colour - (colour @ LUMA)[..., None]
        return float(np.square(colour - colour.mean((1, 3), keepdims=True)).mean())

    @cached_property
    def finest(self) -> float:
        """Mean squared error if no detail of one pixel survived: diagonal in luma, any in colour.
        From an eighth of rows.
        """
        pixels = self._pixels()
        even = pixels[: pixels.shape[0] // 2 * 2, : pixels.shape[1] // 2 * 2]
        if not even.size:
            steps = np.diff(pixels.astype(np.float32), axis=int(np.argmax(pixels.shape[:2])))
            return float(np.square(steps).mean()) if steps.size else 0.0
        upper, lower = (even[first::16].astype(np.float32) for first in (0, 1))
        sums, steps = upper + lower, upper - lower
        diagonal = (steps[:, ::2] - steps[:, 1::2]) / 2
        if even.ndim == 2:
            return float(np.square(diagonal).mean() / 4)
        across, down = (sums[:, ::2] - sums[:, 1::2]) / 2, (steps[:, ::2] + steps[:, 1::2]) / 2
        colour = sum(
            np.square(band - (band @ LUMA)[..., None]).mean() for band in (across, down, diagonal)
        )
        return float((np.square(diagonal @ LUMA).mean() + colour) / 4)


def _packed(pixels: np.ndarray) -> np.ndarray:
    """(H, W) uint32, a colour each."""
    return np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).convert("RGBA")).view(
        np.uint32
    )[..., 0]


def _blocks(packed: np.ndarray, height: int) -> np.ndarray:
    """(rows, columns, height, `BLOCK`), edges repeated."""
    padded = np.pad(
        packed, ((0, -packed.shape[0] % height), (0, -packed.shape[1] % BLOCK)), mode="edge"
    )
    return padded.reshape(len(padded) // height, height, -1, BLOCK).transpose(0, 2, 1, 3)


def _information(pixels: np.ndarray) -> float:
    """Bits of differences between neighbours in a row, of green and of what red and blue differ
    from it.
    """
    steps = pixels[:, 1:] - pixels[:, :-1]  # modulo 256
    planes = (
        [steps]
        if steps.ndim == 2
        else [steps[..., 1], steps[..., 0] - steps[..., 1], steps[..., 2] - steps[..., 1]]
    )
    bits = 0.0
    for plane in planes:
        counts = np.bincount(plane.ravel(), minlength=256)
        some = counts[counts > 0]
        bits -= float((some * np.log2(some / max(1, plane.size))).sum())
    return bits


def _fit(pixels: np.ndarray, side: int) -> np.ndarray:
    """(rows, side, columns, side, 3) float32 squares of a colour picture, every sixteenth row of
    them.
    """
    height, width = (length // side * side for length in pixels.shape[:2])
    return (
        pixels[:height, :width]
        .reshape(height // side, side, width // side, side, 3)[::16]
        .astype(np.float32)
    )


def _spread(drawn: np.ndarray, flat: np.ndarray) -> np.ndarray:
    """``drawn``, with the flat blocks that it reaches through others."""
    reached = drawn
    while True:
        grown = reached.copy()
        grown[1:] |= reached[:-1]
        grown[:-1] |= reached[1:]
        grown[:, 1:] |= reached[:, :-1]
        grown[:, :-1] |= reached[:, 1:]
        grown = drawn | (grown & flat)
        if (grown == reached).all():
            return reached
        reached = grown
