"""Colour profiles: everything to sRGB, or numbers and profile as they are."""

import io
import struct
from collections.abc import Sequence
from typing import IO, Any

import numpy as np
from PIL import Image, ImageCms

from metamer.codec.errors import ImageError

# of profiles, as Pillow's modes
SPACES = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab ": "LAB"}
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
D50 = np.array([0.9642, 1.0, 0.8249])  # white of the profile connection space, ICC.1 section 7.2.16
# ICC.1 annex E
BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)


def convert_colours(
    image: Image.Image, profile: bytes | None, *, keep: bool = False
) -> tuple[Image.Image, bytes]:
    """A picture as L or RGB, in sRGB or in a profile's space.

    Without a profile, or with one that is broken or for another kind of picture, numbers are taken
    as sRGB: as viewers do.

    Args:
        image: Mode L, RGB, CMYK or LAB.
        profile: That its numbers are in, if any.
        keep: Keep the numbers of L and RGB as they are.

    Returns:
        The picture, and the profile that its numbers are in, empty for sRGB.
    """
    profile = profile or b""
    opened = _opened(profile)
    space = _space(opened) if opened else None
    if space == image.mode and keep and space in ("L", "RGB"):
        return image, profile
    # both are met in the wild
    if space is not None and space != image.mode and {space, image.mode} == {"L", "RGB"}:
        converted = to_srgb(image.convert(space), profile)
        return converted.convert(image.mode), b""
    if space == image.mode:
        converted = to_srgb(image, profile)
        return converted, b""
    if image.mode == "LAB":
        return _transformed(
            image, ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")), "RGB"
        ), b""
    return image if image.mode in ("L", "RGB") else image.convert("RGB"), b""


def profile_suits(profile: bytes, mode: str) -> bool:
    """Whether a profile can be read and is for pictures of ``mode``, L or RGB, with transparency or
    without.
    """
    opened = _opened(profile)
    return opened is not None and _space(opened) == mode.removesuffix("A")


def to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """A picture from the space of a profile to sRGB. Unchanged where no colour would move by more
    than a level, and where the profile is of no use.

    Args:
        image: Mode L, RGB, CMYK or LAB.
        profile: That its numbers are in.

    Returns:
        Mode L where it was L, else RGB.
    """
    opened = _opened(profile)
    if opened is None:
        return image
    try:
        if image.mode in ("L", "RGB"):
            levels = np.linspace(0, 255, 256 if image.mode == "L" else 9).round().astype(np.uint8)
            grid = (
                levels[None]
                if image.mode == "L"
                else np.stack(np.meshgrid(levels, levels, levels), -1).reshape(81, 9, 3)
            )
            probe = Image.fromarray(np.ascontiguousarray(grid))
            moved = np.asarray(_transformed(probe, opened, image.mode), int) - np.asarray(
                probe, int
            )
            if np.abs(moved).max() <= 1:
                return image
        return _transformed(image, opened, "L" if image.mode == "L" else "RGB")
    except (ImageCms.PyCMSError, OSError):  # it opened, but Little CMS can do nothing with it
        return image.convert("RGB") if image.mode not in ("L", "RGB") else image


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


def _opened(profile: bytes | None) -> ImageCms.ImageCmsProfile | None:
    try:
        return ImageCms.ImageCmsProfile(io.BytesIO(profile)) if profile else None
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None


def _space(opened: ImageCms.ImageCmsProfile) -> str | None:
    """The mode that a profile is for, None for one that pictures here do not have."""
    try:
        return SPACES.get(opened.profile.xcolor_space)
    except UnicodeDecodeError:  # four letters, which a broken profile may write with anything
        return None


def _transformed(image: Image.Image, source: ImageCms.ImageCmsProfile, mode: str) -> Image.Image:
    """To sRGB, in mode L (grey numbers give grey ones) or RGB. Raises PyCMSError."""
    converted = ImageCms.profileToProfile(
        image, source, ImageCms.createProfile("sRGB"), outputMode="RGB"
    )
    assert converted is not None  # it is when done in place
    return converted.convert(mode)
