"""Where latents, tiles and windows lie.

A latent position stands for `STRIDE` × `STRIDE` pixels; everything here is in latent positions
unless it says pixels. Tiles are what the format codes apart (bitstreams/FORMAT.md, section 3).
Windows are what a network runs on at a time, to bound memory: a window is grown by the network's
receptive field, and files do not show it.
"""

from dataclasses import dataclass
from itertools import pairwise

STRIDE = 16  # pixels a latent position
HYPER_STRIDE = 4  # latent positions a hyper-latent position
LEAST_SIDE = 32  # pixels that are transformed: the lapped transform needs a block boundary
TILE = 64  # positions a side: 1024 pixels. Part of the format
WINDOW = 64  # positions a side at most of what the synthesis makes at a time: some 150 MB
# positions before its first that a hyper-latent sees: two 3x3 convolutions, each of stride 2
HYPER_RECEPTIVE_FIELD = 3


@dataclass(frozen=True)
class Box:
    """Rows top … bottom − 1 and columns left … right − 1, of positions or of pixels."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def height(self) -> int:
        """Rows."""
        return self.bottom - self.top

    @property
    def width(self) -> int:
        """Columns."""
        return self.right - self.left

    def grown(self, before: int, after: int, limits: "Box") -> "Box":
        """The box with a margin.

        Args:
            before: Rows above and columns to the left that are added.
            after: Rows below and columns to the right that are added.
            limits: What it must stay inside of.
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
        """The box in units that are so much finer."""
        return Box(self.top * factor, self.left * factor, self.bottom * factor, self.right * factor)

    def within(self, other: "Box") -> tuple[slice, slice]:
        """The box's rows and columns in an array that holds ``other``."""
        return (
            slice(self.top - other.top, self.bottom - other.top),
            slice(self.left - other.left, self.right - other.left),
        )


def padded_size(height: int, width: int) -> tuple[int, int]:
    """The size in pixels that a picture is padded to before it is transformed.

    Args:
        height: Pixels.
        width: Pixels.

    Returns:
        Multiples of `STRIDE`, at least `LEAST_SIDE`.

    Example:
        >>> padded_size(17, 64)
        (32, 64)
    """
    return max(LEAST_SIDE, height + -height % STRIDE), max(LEAST_SIDE, width + -width % STRIDE)


def latent_area(width: int, height: int) -> Box:
    """All latent positions of a picture of so many pixels.

    Example:
        >>> latent_area(64, 17)
        Box(top=0, left=0, bottom=2, right=4)
    """
    height, width = padded_size(height, width)
    return Box(0, 0, height // STRIDE, width // STRIDE)


def split_tiles(box: Box, size: int = TILE) -> list[Box]:
    """Squares of ``size`` in raster order, the last row and column smaller.

    Example:
        >>> split_tiles(Box(0, 0, 1, 5), 4)
        [Box(top=0, left=0, bottom=1, right=4), Box(top=0, left=4, bottom=1, right=5)]
    """
    return [
        Box(top, left, min(top + size, box.bottom), min(left + size, box.right))
        for top in range(box.top, box.bottom, size)
        for left in range(box.left, box.right, size)
    ]


def split_windows(box: Box, size: int = WINDOW) -> list[Box]:
    """Parts of at most ``size`` a side in raster order, as few as `split_tiles` gives, but alike in
    size.

    A network that ran on one keeps the memory for the next.

    Example:
        >>> [(part.left, part.right) for part in split_windows(Box(0, 0, 1, 5), 4)]
        [(0, 2), (2, 5)]
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


def analysis_window(box: Box, receptive_field: int, picture: Box) -> Box:
    """What the analysis must be given for latents and hyper-latents to be those of the whole
    picture.

    Args:
        box: The positions whose latents and hyper-latents are wanted.
        receptive_field: Positions on each side that the network sees.
        picture: All positions of the picture.

    Returns:
        A box whose first row and column lie on hyper-latents, as those of tiles do.
    """
    before = receptive_field + HYPER_RECEPTIVE_FIELD
    return box.grown(before + -before % HYPER_STRIDE, receptive_field, picture)
