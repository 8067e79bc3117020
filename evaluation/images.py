"""Pictures between files, Pillow and tensors."""

import hashlib
import io
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from metamer.codec.errors import FileError, ImageError
from metamer.codec.picture import pixels
from metamer.codec.system import files

if TYPE_CHECKING:
    from torch import Tensor


def read_image(path: Path) -> Image.Image:
    """The picture at ``path``, 8-bit sRGB; an `ImageError` names it."""
    try:
        return pixels.read_rgb(path)
    except ImageError as problem:
        raise ImageError(f"{path} {problem}") from None


def picture_digest(picture: Image.Image) -> str:
    """SHA-256 of a picture's size and pixels, whatever its file's name or format."""
    return hashlib.sha256(b"%dx%d " % picture.size + picture.tobytes()).hexdigest()


def picture_paths(folder: Path) -> list[Path]:
    """The pictures in a folder, in order. Raises FileError."""
    try:
        paths = sorted(folder.iterdir())
    except OSError as problem:
        raise FileError(f"{folder}: {files.reason(problem)}") from None
    return [path for path in paths if path.suffix.lower() in pixels.PHOTOGRAPHS]


def pictures_by_name(folder: Path) -> dict[str, Path]:
    """Name without suffix → picture, in order. Raises FileError; ImageError for two of one name."""
    named: dict[str, Path] = {}
    for path in picture_paths(folder):
        if path.stem in named:
            raise ImageError(f"{folder} has two pictures called {path.stem}")
        named[path.stem] = path
    return named


def held_out_paths(folder: Path) -> list[Path]:
    """The pictures in a folder that its validation.txt keeps out of training; all where there is no
    such file.

    Raises FileError, also for a name in the list that is not there; ImageError where there is none.
    """
    listed = folder / pixels.HOLD_OUT
    if not listed.exists():
        paths = picture_paths(folder)
        if not paths:
            raise ImageError(f"{folder}: no pictures there")
        return paths
    try:
        names = {name.strip() for name in listed.read_text().splitlines()} - {""}
    except OSError as problem:
        raise FileError(f"{listed}: {files.reason(problem)}") from None
    if not names:
        raise ImageError(f"{listed}: names no pictures")
    for name in sorted(names):
        if not (folder / name).exists():
            raise FileError(f"{listed}: there is no {name}")
    return sorted(folder / name for name in names)


def save_image(picture: Image.Image, path: Path) -> None:
    """Writes a PNG, whole or not at all."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    files.write_file(str(path), buffer.getvalue())


def round_trip(picture: Image.Image, kind: str, **options) -> Image.Image:
    """The picture after Pillow's codec ``kind``, with its options for saving."""
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return Image.open(buffer).convert("RGB")


def to_tensor(picture: Image.Image | np.ndarray) -> "Tensor":
    """(1, 3, H, W) in [0, 1]."""
    import torch  # here, since what only draws results should start without it

    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].float() / 255


def from_tensor(image: "Tensor") -> Image.Image:
    """The picture of a (1, 3, H, W) image in [0, 1], rounded to 8 bits."""
    return Image.fromarray(
        (image[0].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()
    )


def jpeg_round_trip(image: "Tensor", quality: int) -> "Tensor":
    """The (1, 3, H, W) image after Pillow's JPEG."""
    return to_tensor(round_trip(from_tensor(image), "JPEG", quality=quality))


def image_checksum(image: "Tensor") -> str:
    """Tells images apart, size included."""
    return f"{image.shape[-1]}x{image.shape[-2]}:{zlib.crc32(from_tensor(image).tobytes()):08x}"


def centre_crop(image: "Tensor", side: int) -> "Tensor":
    """The central ``side``² pixels of (1, 3, H, W); `ImageError` when there are not that many."""
    height, width = image.shape[-2:]
    if min(height, width) < side:
        raise ImageError(f"the photograph has {width}x{height} pixels, {side}x{side} are used")
    top, left = (height - side) // 2, (width - side) // 2
    return image[..., top : top + side, left : left + side]
