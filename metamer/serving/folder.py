"""Pictures below a folder: found, described, decoded."""

import dataclasses
import io
import mimetypes
import threading
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from metamer.codec.decode import decode
from metamer.codec.errors import FileError
from metamer.codec.format.container import SUFFIX
from metamer.codec.info import info
from metamer.codec.picture.pixels import SUFFIXES

TYPES = {SUFFIX: "image/x-metamer"} | {
    suffix: mimetypes.types_map.get(suffix, f"image/{suffix[1:]}") for suffix in SUFFIXES
}
MOST = 10_000  # files that are listed
KEPT = 16  # decoded pictures that are kept
_decoding = threading.Lock()  # one at a time: each takes every core


class Folder:
    """The pictures below a folder. Raises FileError where there is no such folder."""

    def __init__(self, path: Path):
        if not path.is_dir():
            raise FileError(f"{path}: no such folder")
        self.root = path.resolve()

    def names(self) -> Iterator[str]:
        """Paths of pictures relative to the folder, in order; hidden ones, and links that lead
        outside, left out.
        """
        count = 0
        for path in sorted(self.root.rglob("*")):
            name = path.relative_to(self.root).as_posix()
            if count < MOST and path.suffix.lower() in TYPES and self.find(name):
                count += 1
                yield name

    def find(self, name: str) -> Path | None:
        """The file of that name, if it is a picture inside of the folder."""
        parts = name.split("/")
        if "\0" in name or any(part.startswith(".") or not part for part in parts):
            return None
        try:
            path = self.root.joinpath(*parts).resolve(strict=True)
        except OSError:
            return None
        inside = path.is_relative_to(self.root) and path.is_file()
        return (
            path
            if inside and path.suffix.lower() in TYPES and Path(name).suffix.lower() in TYPES
            else None
        )


def tag(path: Path, *more: object) -> str:
    """An ETag that changes with the file."""
    status = path.stat()
    return '"' + "-".join([f"{status.st_mtime_ns:x}", f"{status.st_size:x}", *map(str, more)]) + '"'


@lru_cache(maxsize=KEPT)
def decoded(
    path: Path, etag: str, preview: bool, decoder: str | None, realism: float | None
) -> bytes:
    """A PNG of a `.mtm` file. etag: of it, so that a changed one is decoded anew. Raises
    MetamerError.
    """
    with _decoding:
        picture = decode(path, preview=preview, decoder=decoder, realism=realism)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def describe(path: Path) -> dict:
    """What a `.mtm` file says of itself. Raises StreamError."""
    described = info(path)
    return dataclasses.asdict(described) | {"bpp": described.bpp}
