"""Colour profiles: everything to sRGB, or numbers and profile as they are."""

import io

import numpy as np
from PIL import Image, ImageCms

# of profiles, as Pillow's modes
SPACES = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab ": "LAB"}


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
