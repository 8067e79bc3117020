"""Colours that picture files state without a profile: code points, and PNG's chunks."""

import struct
from typing import IO, Any

import numpy as np

from metamer.codec.errors import ImageError
from metamer.codec.picture.colour.profiles import against_d50, matrix_profile

SRGB_GAMMA = 0.45455
# x, y of white, red, green, blue
SRGB_CHROMATICITY = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
P3_CHROMATICITY = (0.3127, 0.329, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06)
REC2020_CHROMATICITY = (0.3127, 0.329, 0.708, 0.292, 0.17, 0.797, 0.131, 0.046)
# code points of ITU-T H.273, tables 2 and 3: primaries; the power that makes numbers linear, None
# for the curve of sRGB, which that of video (1, 6, 14, 15) is shown with too; and what 8 bits of
# sRGB cannot hold
PRIMARIES = {1: SRGB_CHROMATICITY, 9: REC2020_CHROMATICITY, 12: P3_CHROMATICITY}
GAMMAS = {1: None, 4: 2.2, 5: 2.8, 6: None, 8: 1.0, 13: None, 14: None, 15: None}
HDR = {16: "PQ", 18: "HLG"}
# bytes at the beginning of an AVIF or HEIC file, in which its boxes of properties lie
BOXES = 1 << 16
CHUNKS = 1 << 10  # of a PNG that are looked at in search of one that should come first


def signalled_colours(file: IO[bytes], format: str | None, profile: bytes | None) -> dict[str, Any]:
    """Reads what a picture file says of its colours in code points (ITU-T H.273) and Pillow does
    not read.

    PNG's cICP chunk comes before every other (PNG 3, section 11.3.2.6); those of AVIF and HEIC
    stand where there is no profile.

    Args:
        file: Open for reading bytes from any place.
        format: Pillow's name.
        profile: That is embedded, if any.

    Returns:
        Entries for Pillow's ``info``.

    Raises:
        ImageError: Of high dynamic range, or a PNG with code points that no profile is made of
            here.
    """
    points = _cicp(file) if format == "PNG" else _nclx(file) if format in ("AVIF", "HEIF") else None
    if points is None:
        return {}
    primaries, transfer, *rest = points
    if transfer in HDR:
        raise ImageError(
            f"is of high dynamic range ({HDR[transfer]}), which 8 bits of sRGB do not hold: "
            "convert it first"
        )
    if format != "PNG" and profile:
        return {}
    if primaries not in PRIMARIES or transfer not in GAMMAS or rest not in ([], [0, 1]):
        if format == "PNG":
            raise ImageError(
                f"has colours of a kind that is not read (cICP {', '.join(map(str, points))})"
            )
        return {}
    if primaries == 1 and GAMMAS[transfer] is None:
        return {"icc_profile": None, "srgb": 0}
    adapted = against_d50(PRIMARIES[primaries])
    assert adapted is not None
    return {"icc_profile": matrix_profile(adapted, GAMMAS[transfer])}


def _nclx(file: IO[bytes]) -> tuple[int, ...] | None:
    """Primaries and transfer of an AVIF or HEIC file, of the first box that says them."""
    file.seek(0)
    _, box, rest = file.read(BOXES).partition(b"colrnclx")
    return struct.unpack_from(">2H", rest) if box and len(rest) >= 4 else None


def _cicp(file: IO[bytes]) -> tuple[int, ...] | None:
    """The four numbers of a PNG's cICP chunk, if there is one where it belongs."""
    place = 8
    for _ in range(CHUNKS):
        file.seek(place)
        head = file.read(8)
        if len(head) < 8 or head[4:] in (b"IDAT", b"IEND"):
            return None
        (length,) = struct.unpack_from(">I", head)
        if head[4:] == b"cICP" and length == 4:
            return tuple(file.read(4))
        place += 12 + length
    return None


def png_profile(info: dict) -> bytes | None:
    """The profile that a PNG's gAMA and cHRM chunks stand for (PNG section 11.3.2). An sRGB chunk,
    or an embedded profile, comes before them.

    Args:
        info: Pillow's.

    Returns:
        None where there is nothing to convert.
    """
    gamma, chromaticity = info.get("gamma"), info.get("chromaticity") or SRGB_CHROMATICITY
    if "srgb" in info or not gamma or not 0.1 < gamma < 10:
        return None
    if (
        abs(gamma - SRGB_GAMMA) < 0.01
        and np.abs(np.subtract(chromaticity, SRGB_CHROMATICITY)).max() < 0.005
    ):
        return None
    xy = np.array(chromaticity).reshape(4, 2)
    if (xy <= 0).any() or (xy.sum(1) > 1).any():
        return None
    adapted = against_d50(chromaticity)
    return None if adapted is None else matrix_profile(adapted, 1 / gamma)
