"""ICC profiles made of primaries and a curve."""

import struct
from collections.abc import Sequence

import numpy as np

D50 = np.array([0.9642, 1.0, 0.8249])  # white of the profile connection space, ICC.1 section 7.2.16
# ICC.1 annex E
BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)


def against_d50(chromaticity: Sequence[float]) -> np.ndarray | None:
    """Primaries adapted to D50 (ICC.1 annex E).

    Args:
        chromaticity: x and y of white, red, green and blue.

    Returns:
        (3, 3) XYZ of primaries in columns; None for degenerate ones.
    """
    xy = np.array(chromaticity).reshape(4, 2)
    columns = np.column_stack([xy[:, 0] / xy[:, 1], np.ones(4), (1 - xy.sum(1)) / xy[:, 1]])
    white, primaries = columns[0], columns[1:].T
    if abs(np.linalg.det(primaries)) < 1e-3:
        return None
    primaries = primaries * np.linalg.solve(primaries, white)
    return (
        np.linalg.inv(BRADFORD)
        @ np.diag((BRADFORD @ D50) / (BRADFORD @ white))
        @ BRADFORD
        @ primaries
    )


def matrix_profile(primaries: np.ndarray, gamma: float | None) -> bytes:
    """An ICC version 2 profile: primaries (3, 3), XYZ in columns against D50; numbers to the power
    of ``gamma`` are linear.

    gamma: None for the curve of sRGB.
    """

    def xyz(values: np.ndarray) -> bytes:
        return b"XYZ \0\0\0\0" + struct.pack(
            ">3i", *(round(float(value) * 65536) for value in values)
        )

    if gamma is None:
        v = np.linspace(0, 1, 1024)  # IEC 61966-2-1
        linear = np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)
        curve = (
            b"curv\0\0\0\0"
            + struct.pack(">I", len(v))
            + (linear * 65535).round().astype(">u2").tobytes()
        )
    else:
        curve = b"curv\0\0\0\0\0\0\0\1" + struct.pack(">H2x", min(65535, round(gamma * 256)))
    tags = {b"wtpt": xyz(D50)}
    for letter, column in zip("rgb", primaries.T, strict=True):
        tags |= {f"{letter}XYZ".encode(): xyz(column), f"{letter}TRC".encode(): curve}
    table, body, start = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        table += name + struct.pack(">2I", start + len(body), len(data))
        body += data
    head = struct.pack(
        ">4x4s4s4s4s4s12x4s28x", b"lcms", b"\x02\x10\0\0", b"mntr", b"RGB ", b"XYZ ", b"acsp"
    )
    head = (head + xyz(D50)[8:]).ljust(128, b"\0")
    return struct.pack(">I", len(head + table + body)) + (head + table + body)[4:]
