"""Colour profiles: everything to sRGB, or numbers and profile as they are."""

import io
import struct

import numpy as np
from PIL import Image, ImageCms

SPACES = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab ": "LAB"}  # of profiles, as Pillow's modes
SRGB_GAMMA = 0.45455
SRGB_CHROMATICITY = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)  # x, y of white, red, green, blue
D50 = np.array([0.9642, 1.0, 0.8249])  # white of the profile connection space, ICC.1 section 7.2.16
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])  # ICC.1 annex E


def reduce(image: Image.Image, profile: bytes | None, *, keep: bool = False) -> tuple[Image.Image, bytes]:
    """An L, RGB, CMYK or LAB picture as L or RGB, and the profile that its numbers are in, empty for sRGB.

    Without a profile, or with one that is broken or for another kind of picture, numbers are taken as sRGB: as viewers do.
    """
    profile = profile or b""
    opened = _opened(profile)
    space = SPACES.get(opened.profile.xcolor_space) if opened else None
    if space == image.mode and keep and space in ("L", "RGB"):
        return image, profile
    if space is not None and space != image.mode and {space, image.mode} == {"L", "RGB"}:  # both are met in the wild
        converted = to_srgb(image.convert(space), profile)
        return converted.convert(image.mode), b""
    if space == image.mode:
        converted = to_srgb(image, profile)
        return converted, b""
    if image.mode == "LAB":
        return _transformed(image, ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")), "RGB"), b""
    return image if image.mode in ("L", "RGB") else image.convert("RGB"), b""


def to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """A picture from the space of ``profile`` to sRGB, L where it was L.

    Unchanged where no colour would move by more than a level, and where the profile is of no use.
    """
    opened = _opened(profile)
    if opened is None:
        return image
    try:
        if image.mode in ("L", "RGB"):
            levels = np.linspace(0, 255, 256 if image.mode == "L" else 9).round().astype(np.uint8)
            grid = levels[None] if image.mode == "L" else np.stack(np.meshgrid(levels, levels, levels), -1).reshape(81, 9, 3)
            probe = Image.fromarray(np.ascontiguousarray(grid))
            moved = np.asarray(_transformed(probe, opened, image.mode), int) - np.asarray(probe, int)
            if np.abs(moved).max() <= 1:
                return image
        return _transformed(image, opened, "L" if image.mode == "L" else "RGB")
    except (ImageCms.PyCMSError, OSError):  # it opened, but Little CMS can do nothing with it
        return image.convert("RGB") if image.mode not in ("L", "RGB") else image


def png_profile(info: dict) -> bytes | None:
    """The profile that a PNG's gAMA and cHRM chunks stand for (PNG section 11.3.2); None where there is nothing to convert.

    info: Pillow's. An sRGB chunk, or an embedded profile, comes before them.
    """
    gamma, chromaticity = info.get("gamma"), info.get("chromaticity") or SRGB_CHROMATICITY
    if "srgb" in info or not gamma or not 0.1 < gamma < 10:
        return None
    if abs(gamma - SRGB_GAMMA) < 0.01 and np.abs(np.subtract(chromaticity, SRGB_CHROMATICITY)).max() < 0.005:
        return None
    xy = np.array(chromaticity).reshape(4, 2)
    if (xy <= 0).any() or (xy.sum(1) > 1).any():
        return None
    columns = np.column_stack([xy[:, 0] / xy[:, 1], np.ones(4), (1 - xy.sum(1)) / xy[:, 1]])
    white, primaries = columns[0], columns[1:].T
    if abs(np.linalg.det(primaries)) < 1e-3:
        return None
    primaries = primaries * np.linalg.solve(primaries, white)
    adapted = np.linalg.inv(BRADFORD) @ np.diag((BRADFORD @ D50) / (BRADFORD @ white)) @ BRADFORD @ primaries
    return matrix_profile(adapted, 1 / gamma)


def matrix_profile(primaries: np.ndarray, gamma: float) -> bytes:
    """An ICC version 2 profile: primaries (3, 3), XYZ in columns against D50; numbers to the power of ``gamma`` are linear."""

    def xyz(values: np.ndarray) -> bytes:
        return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(float(value) * 65536) for value in values))

    curve = b"curv\0\0\0\0\0\0\0\1" + struct.pack(">H2x", min(65535, round(gamma * 256)))
    tags = {b"wtpt": xyz(D50)}
    for letter, column in zip("rgb", primaries.T, strict=True):
        tags |= {f"{letter}XYZ".encode(): xyz(column), f"{letter}TRC".encode(): curve}
    table, body, start = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        table += name + struct.pack(">2I", start + len(body), len(data))
        body += data
    head = struct.pack(">4x4s4s4s4s4s12x4s28x", b"lcms", b"\x02\x10\0\0", b"mntr", b"RGB ", b"XYZ ", b"acsp")
    head = (head + xyz(D50)[8:]).ljust(128, b"\0")
    return struct.pack(">I", len(head + table + body)) + (head + table + body)[4:]


def _opened(profile: bytes | None) -> ImageCms.ImageCmsProfile | None:
    try:
        return ImageCms.ImageCmsProfile(io.BytesIO(profile)) if profile else None
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None


def _transformed(image: Image.Image, source: ImageCms.ImageCmsProfile, mode: str) -> Image.Image:
    """To sRGB, in mode L (grey numbers give grey ones) or RGB. Raises PyCMSError."""
    converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    assert converted is not None  # it is when done in place
    return converted.convert(mode)
