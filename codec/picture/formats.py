"""Formats of picture files: which are read, and what opens each.

Pillow's readers are called by name, from a list without PostScript and all else that starts
programs; formats of packages that Pillow knows nothing of are opened where those are installed.
"""

import contextlib
import importlib
import struct
from collections.abc import Callable
from typing import IO

from PIL import Image

from metamer.codec.errors import ImageError
from metamer.codec.picture.colour import signalled

# what is read, commonest first; without PostScript and all else that starts programs or that nobody
# photographs in
FORMATS = (
    "JPEG",
    "PNG",
    "WEBP",
    "GIF",
    "BMP",
    "DIB",
    "PPM",
    "TIFF",
    "AVIF",
    "HEIF",
    "JXL",
    "MPO",
    "JPEG2000",
    "ICO",
    "PCX",
    "QOI",
    "SGI",
    "TGA",
)
# formats of packages that Pillow knows nothing of: how such files begin, the module, its function
# if any, and the package
PLUGINS: dict[str, tuple[Callable[[bytes], bool], str, str | None, str]] = {
    "HEIC": (
        lambda head: (
            head[4:8] == b"ftyp"
            and head[8:12] in (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1")
        ),
        "pillow_heif",
        "register_heif_opener",
        "pillow-heif",
    ),
    "JPEG XL": (
        lambda head: head[:2] == b"\xff\x0a" or head[:12] == b"\0\0\0\x0cJXL \r\n\x87\n",
        "pillow_jxl",
        None,
        "pillow-jxl-plugin",
    ),
}


def open_picture(file: IO[bytes]) -> Image.Image:
    """Opens a picture file with the reader, or the package, that its format needs.

    Args:
        file: Open for reading bytes from any place.

    Returns:
        As Pillow opens it; its ``info`` holds colours that Pillow does not read, too.

    Raises:
        ImageError: It is empty, no picture, or of a format whose package is not installed.
    """
    head = file.read(16)
    if not head:
        raise ImageError("is empty")
    image = _opened(file, head)
    if image is None:
        for name, (begins, module, register, package) in PLUGINS.items():
            if begins(head):
                try:
                    plugin = importlib.import_module(module)
                except ImportError:
                    raise ImageError(
                        f"is {name}, which the package {package} reads: pip install {package}"
                    ) from None
                if register:
                    getattr(plugin, register)()
                image = _opened(file, head)
    if image is None:
        names = [name for name in FORMATS if _accepted(name, head)]
        raise ImageError(
            f"is a damaged {names[0]} file, or of a kind that cannot be read"
            if names
            else "is not a picture, or of a kind that is not read"
        )
    image.info.update(
        signalled.signalled_colours(file, image.format, image.info.get("icc_profile"))
    )
    return image


def _opened(file: IO[bytes], head: bytes) -> Image.Image | None:
    """As Image.open with `FORMATS`, but for its guard against large pictures, which is one for all
    threads of a process.

    `codec.format.limits` stands in its place.
    """
    for name in FORMATS:
        if name not in Image.OPEN:
            Image.init()
        if _accepted(name, head) is not False:
            file.seek(0)
            # how readers say that it is not theirs
            with contextlib.suppress(SyntaxError, IndexError, TypeError, struct.error):
                return Image.OPEN[name][0](file, "")
    return None


def _accepted(name: str, head: bytes) -> bool | None:
    """Whether a file that begins so is of this format; None for a format that has no way to tell
    before it is tried.
    """
    factory, accepts = Image.OPEN.get(name, (None, None))
    if factory is None:
        return False
    if accepts is None:
        return None
    try:
        verdict = accepts(head)
    except (IndexError, TypeError, struct.error):  # a file of one byte
        return False
    # text: what this Pillow was built without
    return bool(verdict) and not isinstance(verdict, str)
