"""The zip file that a model or a decoder is shipped as, read so that nothing in it can take more
than its share.

Zip, JSON and `.npy` have corners that our exporter does not use and that have hurt others: members
that unpack to a thousand times their size, directories of a million entries, pickles inside of
arrays. Only what train/export/ writes is read.
"""

import contextlib
import json
import math
import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from metamer.codec.network.files import old_names

# bytes of a member, and of what is read of a file; ours have 2 MB and 9 MB
MEMBER, ALL = 64 << 20, 128 << 20
DIRECTORY = 1 << 16  # bytes, at the end of the file: some thousand members
# bytes: end of central directory, which must be the file's, and zip64's locator before it
END, LOCATOR = 22, 20
DEPTH = 40  # of brackets in a card
_NPY = b"\x93NUMPY\x01\x00"
_NPY_HEADER = re.compile(
    rb"\{'descr': '([<|][uif][1248])', 'fortran_order': (False|True), "
    rb"'shape': \(((?:[0-9]{1,9},|[0-9]{1,9}(?:, [0-9]{1,9})+,?)?)\), \} *\n"
)


class ArchiveError(ValueError):
    """A file that is not as train/export/ writes it."""


def read_members(path: Path, wanted: Iterable[str]) -> dict[str, bytes]:
    """Reads members of a file.

    Args:
        path: The file.
        wanted: Names of members.

    Returns:
        Those that the file holds, by name.

    Raises:
        ArchiveError: The file is not as train/export/ writes it.
        OSError: It cannot be read.
    """
    with _opened(path) as archive:
        return _members(archive, set(wanted))


def member_checksums(path: Path) -> dict[str, int]:
    """Reads the checksums of all members, as the file says them.

    Args:
        path: The file.

    Returns:
        CRC-32 by name.

    Raises:
        ArchiveError: The file is not as train/export/ writes it.
        OSError: It cannot be read.
    """
    with _opened(path) as archive:
        return {entry.filename: entry.CRC for entry in archive.infolist()}


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        # opening a pipe would wait for somebody to write to it
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise ArchiveError("is not a regular file")
        with open(path, "rb") as file:
            _check_end(file)
            with zipfile.ZipFile(file) as archive:
                yield archive
    except (
        EOFError,
        zipfile.BadZipFile,
        zlib.error,
        NotImplementedError,
        RuntimeError,
        UnicodeError,
        struct.error,
    ) as problem:
        raise ArchiveError(str(problem) or "it ends early") from None


def _check_end(file: BinaryIO) -> None:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - END - LOCATOR))
    end = file.read(END + LOCATOR)
    record = end[-END:]
    if (
        size > ALL
        or record[:4] != b"PK\5\6"
        or record[-2:] != b"\0\0"
        or end[:-END].startswith(b"PK\6\7")
    ):
        raise ArchiveError(f"is no zip file of at most {ALL >> 20} MB that ends without a comment")
    if int.from_bytes(record[12:16], "little") > DIRECTORY:
        raise ArchiveError("lists too many members")


def _members(archive: zipfile.ZipFile, wanted: set[str]) -> dict[str, bytes]:
    entries = [entry for entry in archive.infolist() if entry.filename in wanted]
    if len({entry.filename for entry in entries}) < len(entries):
        raise ArchiveError("holds two members of the same name")
    for entry in entries:
        if (
            entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
            or entry.flag_bits & 1
        ):
            raise ArchiveError(f"member {entry.filename} is packed in a way that is not read")
        if entry.file_size > MEMBER:
            raise ArchiveError(
                f"member {entry.filename} unpacks to {entry.file_size} bytes; at most {MEMBER} are "
                "read"
            )
    total = sum(entry.file_size for entry in entries)
    if total > ALL:
        raise ArchiveError(f"unpacks to {total} bytes; at most {ALL} are read")
    members = {}
    for entry in entries:
        with archive.open(entry) as member:
            # read() unpacks all there is, whatever the size says
            members[entry.filename] = member.read(entry.file_size + 1)
        if len(members[entry.filename]) != entry.file_size:
            raise ArchiveError(f"member {entry.filename} is not as long as it says")
    return members


def parse_card(data: bytes) -> dict:
    """Reads a card.

    Args:
        data: `model.json`.

    Returns:
        The object that it holds, keys of older files by the names of today.

    Raises:
        ArchiveError: It is no JSON object, nested too deep, or holds NaN or infinity.
    """
    if data.count(b"[") + data.count(b"{") > 1 << 16 or _depth(data) > DEPTH:
        raise ArchiveError("its card is too deep or too long")
    try:
        loaded = json.loads(data, parse_constant=_refuse, parse_float=_finite)
    except ArchiveError:
        raise
    except (ValueError, RecursionError) as problem:
        raise ArchiveError(f"its card is no JSON: {problem}") from None
    if not isinstance(loaded, dict):
        raise ArchiveError("its card is no JSON object")
    return old_names.translated(loaded)


def _depth(data: bytes) -> int:
    """An upper bound: brackets in strings count too."""
    deepest = depth = 0
    for byte in re.findall(rb"[\[\]{}]", data):
        depth = max(0, depth + (1 if byte in b"[{" else -1))
        deepest = max(deepest, depth)
    return deepest


def _refuse(name: str) -> float:
    raise ArchiveError(f"its card holds {name}")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ArchiveError(f"its card holds {text[:20]}")
    return value


def parse_array(name: str, data: bytes, dtype: str, dimensions: int) -> np.ndarray:
    """Reads an array.

    Args:
        name: What errors call it.
        data: A `.npy` file.
        dtype: The type that it must have.
        dimensions: How many it must have; none may be empty.

    Returns:
        The array, all of its values finite.

    Raises:
        ArchiveError: It is no such array.
    """
    wrong = ArchiveError(f"array {name} has the wrong type or shape")
    start = len(_NPY) + 2
    end = start + int.from_bytes(data[len(_NPY) : start], "little")
    header = _NPY_HEADER.fullmatch(data[start:end])
    if not data.startswith(_NPY) or not header:
        raise ArchiveError(f"array {name} is no .npy file")
    kind = np.dtype(header[1].decode())
    shape = tuple(int(side) for side in header[3].split(b",") if side.strip())
    if kind != dtype or len(shape) != dimensions or min(shape, default=1) < 1:
        raise wrong
    if math.prod(shape) * kind.itemsize != len(data) - end:
        raise ArchiveError(f"array {name} is not as long as it says")
    values = (
        np.frombuffer(data, kind, offset=end)
        .reshape(shape, order="F" if header[2] == b"True" else "C")
        .copy()
    )
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise ArchiveError(f"array {name} holds infinity or what is not a number")
    return values
