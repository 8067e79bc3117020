"""Where tiles and windows lie. Everything here is in latent positions, `latents.STRIDE` pixels
each, unless it says pixels.

Tiles are what the format codes apart (bitstreams/FORMAT.md, section 3). Windows are what a network
runs on at a time, to bound memory; a window brings the halo along that the network sees.
"""

from dataclasses import dataclass
from itertools import pairwise

from metamer.codec.network.latents import HYPER_STRIDE, STRIDE

TILE = 64  # positions a side: 1024 pixels. Part of the format
WINDOW = 64  # positions a side at most of what the synthesis makes at a time: some 150 MB
# positions before its first that a hyper-latent sees: two 3x3 convolutions, each of stride 2
HYPER_REACH = 3


@dataclass(frozen=True)
class Box:
    """Rows top … bottom − 1, columns left … right − 1."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @property
    def width(self) -> int:
        return self.right - self.left

    def grown(self, before: int, after: int, limits: "Box") -> "Box":
        """With that much more above and to the left, below and to the right, inside of
        ``limits``.
        """
        return Box(
            max(self.top - before, limits.top),
            max(self.left - before, limits.left),
            min(self.bottom + after, limits.bottom),
            min(self.right + after, limits.right),
        )

    def meets(self, other: "Box") -> bool:
        """Whether the two share a position."""
        return (
            self.top < other.bottom
            and other.top < self.bottom
            and self.left < other.right
            and other.left < self.right
        )

    def scaled(self, factor: int) -> "Box":
        return Box(self.top * factor, self.left * factor, self.bottom * factor, self.right * factor)

    def within(self, other: "Box") -> tuple[slice, slice]:
        """Rows and columns of an array that holds ``other``."""
        return (
            slice(self.top - other.top, self.bottom - other.top),
            slice(self.left - other.left, self.right - other.left),
        )


def split_tiles(box: Box, size: int = TILE) -> list[Box]:
    """Squares of ``size`` in raster order, the last row and column smaller.

    >>> split(Box(0, 0, 1, 5), 4)
    [Box(top=0, left=0, bottom=1, right=4), Box(top=0, left=4, bottom=1, right=5)]
    """
    return [
        Box(top, left, min(top + size, box.bottom), min(left + size, box.right))
        for top in range(box.top, box.bottom, size)
        for left in range(box.left, box.right, size)
    ]


def split_windows(box: Box, size: int = WINDOW) -> list[Box]:
    """As few as `split_tiles` gives, but alike in size: a network that ran on one keeps the memory
    for the next.
    """

    def evenly(start: int, end: int) -> list[int]:
        count = -(-(end - start) // size)
        return (
            [start + index * (end - start) // count for index in range(count + 1)] if count else []
        )

    rows, columns = evenly(box.top, box.bottom), evenly(box.left, box.right)
    return [
        Box(top, left, bottom, right)
        for top, bottom in pairwise(rows)
        for left, right in pairwise(columns)
    ]


def covering_positions(region: Box) -> Box:
    """The positions that the pixels ``region`` lie in."""
    return Box(
        region.top // STRIDE,
        region.left // STRIDE,
        -(-region.bottom // STRIDE),
        -(-region.right // STRIDE),
    )


def analysis_window(box: Box, halo: int, picture: Box) -> Box:
    """What the analysis must be given for the latents and hyper-latents of ``box`` to be those of
    the whole ``picture``.

    Aligned to hyper-latents, as tiles are.
    """
    before = halo + HYPER_REACH
    return box.grown(before + -before % HYPER_STRIDE, halo, picture)
