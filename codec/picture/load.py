"""Picture files of every kind to what is coded: an upright 8-bit picture, its transparency and its
metadata.

`PICTURES.md` lists what happens to which odd file.
"""

import contextlib
import io
import os
import stat
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import IO, Any

import numpy as np
from PIL import Image

from metamer.codec.errors import ImageError
from metamer.codec.format import limits
from metamer.codec.picture import alpha
from metamer.codec.picture.colour import conversion, signalled
from metamer.codec.picture.formats import open_picture
from metamer.codec.picture.metadata import collection
from metamer.codec.picture.modes import split_transparency, to_eight_bits
from metamer.codec.system import files

MAX_SIDE = 65536
_T = Image.Transpose
TURNS = {
    2: _T.FLIP_LEFT_RIGHT,
    3: _T.ROTATE_180,
    4: _T.FLIP_TOP_BOTTOM,
    5: _T.TRANSPOSE,
    6: _T.ROTATE_270,
    7: _T.TRANSVERSE,
    8: _T.ROTATE_90,
}  # what brings a picture upright, by its EXIF orientation
# what Pillow's readers raise on damaged files, by experience
PILLOW_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    RuntimeError,
    struct.error,
    zlib.error,
    OverflowError,
    AssertionError,
    Image.DecompressionBombError,
)
Source = Image.Image | np.ndarray | str | os.PathLike | bytes | bytearray | memoryview | IO[bytes]


@dataclass(frozen=True)
class Picture:
    """What a file is made of.

    Attributes:
        image: Mode L or RGB.
        transparency: Mode L, of the same size, 255 for opaque; None where everything is.
        icc: The profile that ``image`` is in, empty for sRGB.
        exif: Without its `Exif` prefix; empty where there is none.
        xmp: A packet; empty where there is none.
    """

    image: Image.Image
    transparency: Image.Image | None = None
    icc: bytes = b""
    exif: bytes = b""
    xmp: bytes = b""

    @property
    def grey(self) -> bool:
        """Whether the picture has one plane."""
        return self.image.mode == "L"


def read_source(source: Source, **options: Any) -> Picture:
    """Reads a picture that is given in one of the ways that `encode` takes.

    Args:
        source: A PIL image; a uint8 array (H, W), (H, W, 3) or (H, W, 4); a path, bytes, or a file
            opened for reading bytes.
        **options: `convert_picture`'s.

    Returns:
        What is coded of it.

    Raises:
        ImageError: It is given in none of these ways, or cannot be read.
    """
    if isinstance(source, Image.Image):
        return convert_picture(source, **options)
    if isinstance(source, np.ndarray):
        if source.dtype != np.uint8:
            raise ImageError(f"arrays must hold 8-bit pixels (uint8), not {source.dtype}")
        if not source.size or not (
            source.ndim == 2 or (source.ndim == 3 and source.shape[2] in (3, 4))
        ):
            raise ImageError(f"arrays must be (H, W), (H, W, 3) or (H, W, 4), not {source.shape}")
        return convert_picture(Image.fromarray(source), **options)
    if isinstance(source, (str, os.PathLike)):
        return load_picture(source, **options)
    data = files.read_contents(source)
    if data is None:
        raise ImageError(
            "is not a picture, an array, a path, bytes or an open file, but "
            f"{type(source).__name__}"
        )
    return load_picture(io.BytesIO(data), **options)


def load_picture(
    source: str | os.PathLike | IO[bytes], *, max_pixels: int | None = None, **options: Any
) -> Picture:
    """Opens a picture file and takes what is coded of it.

    Args:
        source: A path, or an open file that can be read from any place.
        max_pixels: How many it may have; by default `codec.format.limits.MAX_PIXELS`.
        **options: `convert_picture`'s.

    Raises:
        ImageError: It cannot be read, or reading it would lose something silently.
    """
    try:
        with _file(source) as file, open_picture(file) as image:
            return convert_picture(image, max_pixels=max_pixels, in_place=True, **options)
    except ImageError:
        raise
    except FileNotFoundError:
        raise ImageError("does not exist") from None
    except IsADirectoryError:
        raise ImageError("is a folder") from None
    except PILLOW_ERRORS as problem:
        raise ImageError(f"cannot be read: {_reason(problem)}") from problem


def upright_size(source: str | os.PathLike | IO[bytes]) -> tuple[int, int]:
    """Reads the size of an upright picture from a file's header; pixels are decoded for JPEG XL
    alone, whose reader knows no other way.

    Args:
        source: As for `load_picture`.

    Returns:
        Width and height in pixels.

    Raises:
        ImageError: The header already shows that the picture is not coded.
    """
    try:
        with _file(source) as file, open_picture(file) as image:
            if getattr(image, "is_animated", False) and image.format != "MPO":
                raise ImageError("holds several frames or pages; only single pictures are coded")
            _check_size(image, None)
            turned = collection.collect_metadata(image, strip=True)[2] >= 5
            return (image.height, image.width) if turned else image.size
    except ImageError:
        raise
    except PILLOW_ERRORS as problem:
        raise ImageError(f"cannot be read: {_reason(problem)}") from problem


def convert_picture(
    image: Image.Image,
    *,
    icc: str = "convert",
    strip: bool = False,
    first_frame: bool = False,
    max_pixels: int | None = None,
    in_place: bool = False,
) -> Picture:
    """Takes what is coded of an opened picture. EXIF orientation is applied.

    Args:
        image: A PIL image in whatever mode.
        icc: ``convert`` to sRGB, or ``keep`` the numbers as they are and the profile with them,
            where pictures of one or three channels have one; those of four channels are converted.
        strip: Leave out EXIF and XMP.
        first_frame: Take the first of several frames or pages, rather than refuse them.
        max_pixels: How many it may have; by default `codec.format.limits.MAX_PIXELS`.
        in_place: Whether ``image`` may be changed, which spares a copy of it.

    Raises:
        ImageError: It cannot be read, or reading it would lose something silently.
    """
    _check_size(image, max_pixels)
    several = getattr(image, "is_animated", False)  # its `n_frames` would read them all
    # MPO: a JPEG that carries its preview along
    if several and not first_frame and image.format != "MPO":
        raise ImageError(
            "holds several frames or pages; only single pictures are coded: --first-frame takes "
            "the first"
        )
    original = image
    try:
        if several:
            image.seek(0)
        image.load()
        exif, xmp, orientation = collection.collect_metadata(image, strip)
        profile = image.info.get("icc_profile") or signalled.png_profile(image.info)
        if orientation in TURNS:
            image = image.transpose(TURNS[orientation])
        transparency, image = split_transparency(image)
        image, kept = conversion.convert_colours(to_eight_bits(image), profile, keep=icc == "keep")
    except ImageError:
        raise
    except PILLOW_ERRORS as problem:
        raise ImageError(f"cannot be decoded: {_reason(problem)}") from problem
    if image is original and not in_place:
        image = image.copy()
    image.info = {}  # or the encoders of others would write our copy of the metadata too
    if transparency is not None:
        image = alpha.fill_transparent(image, transparency)
    return Picture(image, transparency, kept, exif, xmp)


def _check_size(image: Image.Image, max_pixels: int | None) -> None:
    if not 1 <= min(image.size) <= max(image.size) <= MAX_SIDE:
        raise ImageError(
            f"is {image.width}x{image.height}; a side may have from 1 to {MAX_SIDE} pixels"
        )
    limits.check_picture_size(*image.size, max_pixels)


def opaque_rgb(picture: Picture) -> Image.Image:
    """The picture alone, mode RGB. Raises ImageError where it is transparent."""
    if picture.transparency is not None:
        raise ImageError("has transparent pixels; flatten it first")
    return picture.image if not picture.grey else picture.image.convert("RGB")


def quantise_transparency(picture: Picture, quality: int) -> Picture:
    """A picture with fewer levels of transparency (`codec.picture.alpha.quantise_alpha`).

    Args:
        picture: The picture.
        quality: 0 … 100, which changes nothing.
    """
    if picture.transparency is None:
        return picture
    return replace(picture, transparency=alpha.quantise_alpha(picture.transparency, quality))


@contextlib.contextmanager
def _file(source: str | os.PathLike | IO[bytes]) -> Iterator[IO[bytes]]:
    """A picture file, opened once: what comes through a pipe does not come again."""
    if not isinstance(source, (str, os.PathLike)):
        yield source
        return
    with open(source, "rb") as file:
        status = os.fstat(file.fileno())
        if files.is_device(status):
            raise ImageError("is a device")
        yield file if stat.S_ISREG(status.st_mode) else io.BytesIO(file.read())


def _reason(problem: Exception) -> str:
    """What a reader says is wrong, in one line."""
    return " ".join(str(problem).split()) or type(problem).__name__
