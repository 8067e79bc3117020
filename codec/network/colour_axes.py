"""Colours of a picture turned to where its detail is: a rotation of RGB about the mean colour, six
bytes of the file.

In most photographs detail is grey: R, G and B rise and fall together, and the transforms learn
that. Where a picture is all orange or green, its detail lies along another line of the colour cube,
and what should be one strong plane spills over into three. So the encoder turns the cube: the line
along which neighbouring pixels differ most becomes the grey axis, the next the axis from blue to
red (the Karhunen-Loève transform of colour, for each picture), and the mean colour becomes grey. A
rotation leaves squared errors as they are.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from PIL import Image

# where detail is as a rule, most first
AXES = np.array([[1, 1, 1], [1, 0, -1], [-1, 2, -1]]) / np.sqrt([[3], [2], [6]])
EVERY = 4  # rows: one of so many is looked at, with the one below it
ROTATION_BITS, CENTRE_BITS = 10, 6
STEPS = (1 << ROTATION_BITS - 1) - 1  # of each component of the quaternion, either side of 0
BYTES = 6
# pixels: of a smaller picture's few hundred bytes, six are more than a turn saves
TURNED_FROM = 1 << 14
STRIP = 256  # rows that are looked at together


@dataclass(frozen=True)
class Turn:
    """How colours are turned, as a file says it.

    Attributes:
        rotation: x, y, z of a unit quaternion with w ≥ 0, in units of 1/511.
        centre: The colour that becomes grey, 0 … 63 each of red, green and blue.
    """

    rotation: tuple[int, int, int]
    centre: tuple[int, int, int]

    def affine(self) -> np.ndarray:
        """(3, 4) float32: a rotation and, in the last column, what is added to rotated colours."""
        rotation = matrix(self.rotation)
        centre = np.array(self.centre) / ((1 << CENTRE_BITS) - 1)
        return np.column_stack([rotation, centre.mean() - rotation @ centre]).astype(np.float32)

    def pack(self) -> bytes:
        """Six bytes, little-endian: the rotation in the lowest thirty bits, x first, each plus 511;
        then the centre, red first.
        """
        parts = [(part + STEPS, ROTATION_BITS) for part in self.rotation] + [
            (part, CENTRE_BITS) for part in self.centre
        ]
        packed = place = 0
        for value, bits in parts:
            packed |= value << place
            place += bits
        return packed.to_bytes(BYTES, "little")


def unpack_turn(data: bytes) -> Turn:
    """Reads a turn: the inverse of `Turn.pack`. Any six bytes are one.

    Example:
        >>> unpack_turn(Turn((-20, 3, 511), (0, 31, 63)).pack())
        Turn(rotation=(-20, 3, 511), centre=(0, 31, 63))
    """
    packed, parts = int.from_bytes(data, "little"), []
    for bits in [ROTATION_BITS] * 3 + [CENTRE_BITS] * 3:
        parts.append(packed & (1 << bits) - 1)
        packed >>= bits
    x, y, z, red, green, blue = parts
    return Turn((x - STEPS, y - STEPS, z - STEPS), (red, green, blue))


def choose_turn(picture: Image.Image) -> Turn | None:
    """How an encoder turns a picture's colours.

    Args:
        picture: Mode RGB or L.

    Returns:
        None where six bytes are much for the picture, where it is grey, or has no detail.
    """
    if picture.mode != "RGB" or picture.width * picture.height < TURNED_FROM:
        return None
    strips = range(0, picture.height, STRIP)
    return principal_turn(
        np.asarray(picture.crop((0, top, picture.width, min(top + STRIP, picture.height))))
        for top in strips
    )


def principal_turn(strips: Iterable[np.ndarray]) -> Turn | None:
    """The turn by a picture's principal colour axes.

    Args:
        strips: (h, W, 3) uint8 parts of the picture, one or more.

    Returns:
        None where the picture is grey, or has no detail.

    Example:
        >>> principal_turn([np.full((4, 4, 3), 7, np.uint8)]) is None
        True
    """
    covariance, total, count = np.zeros((3, 3)), np.zeros(3), 0
    for strip in strips:
        rows, below = (
            strip[first::EVERY].transpose(2, 0, 1).astype(np.float32, order="C") for first in (0, 1)
        )
        for step in (np.diff(rows, axis=2), below - rows[:, : below.shape[1]]):
            flat = step.reshape(3, -1)
            covariance += flat @ flat.T
        total += rows.mean((1, 2), dtype=np.float64) * rows[0].size
        count += rows[0].size
    if np.ptp(covariance) <= 1e-6 * np.trace(covariance):
        return None
    red, green, blue = np.rint(total / count / 255 * ((1 << CENTRE_BITS) - 1)).astype(int).tolist()
    return Turn(quaternion(aligned(np.linalg.eigh(covariance)[1].T[::-1])), (red, green, blue))


def aligned(lines: np.ndarray) -> np.ndarray:
    """The rotation that takes lines to `AXES`; each line is pointed the nearer way.

    Args:
        lines: (3, 3) orthonormal, a line a row.

    Returns:
        (3, 3).
    """
    lines = lines * np.where((lines * AXES).sum(1) < 0, -1, 1)[:, None]
    if np.linalg.det(lines) * np.linalg.det(AXES) < 0:
        lines[2] *= -1
    return AXES.T @ lines


def quaternion(rotation: np.ndarray) -> tuple[int, int, int]:
    """A rotation matrix as `Turn.rotation`: the largest eigenvector of a symmetric matrix
    (Bar-Itzhack, J. Guidance 2000).

    Args:
        rotation: (3, 3), orthogonal, determinant 1.
    """
    (a, b, c), (d, e, f), (g, h, i) = rotation
    symmetric = np.array(
        [
            [a + e + i, h - f, c - g, d - b],
            [h - f, a - e - i, b + d, c + g],
            [c - g, b + d, e - a - i, f + h],
            [d - b, c + g, f + h, i - a - e],
        ]
    )
    w, *rest = np.linalg.eigh(symmetric)[1][:, -1]
    x, y, z = (int(np.rint(STEPS * part * (-1 if w < 0 else 1))) for part in rest)
    return x, y, z


def matrix(rotation: tuple[int, int, int]) -> np.ndarray:
    """A rotation as a matrix.

    Args:
        rotation: `Turn.rotation`.

    Returns:
        (3, 3) float64, orthogonal.
    """
    vector = np.array(rotation) / STEPS
    w = np.sqrt(np.maximum(0, 1 - vector @ vector))
    # rounded ones may be a little longer than 1
    x, y, z = vector / np.maximum(1, np.linalg.norm(vector))
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def turn_colours(planes: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Turns colours as they are coded.

    Args:
        planes: (1, 3, H, W) float32 of RGB in [0, 1].
        affine: `Turn.affine`.

    Returns:
        (1, 3, H, W) float32.
    """
    turned = np.tensordot(affine[:, :3], planes[0], 1)
    turned += affine[:, 3, None, None]
    return turned[None]


def restore_colours(planes: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """The inverse of `turn_colours`."""
    restored = np.tensordot(affine[:, :3].T, planes[0], 1)
    restored -= (affine[:, :3].T @ affine[:, 3])[:, None, None]
    return restored[None]
