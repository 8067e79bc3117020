"""Whole files in and out: `-` for the standard streams, outputs moved into place only when complete."""

import os
import sys
import tempfile
from pathlib import Path

from codec.errors import MetamerError

STREAM = "-"


class FileError(MetamerError):
    """A file that cannot be read or written."""


def read(name: str) -> bytes:
    """The bytes of a file, or of standard input for `-`."""
    if name == STREAM:
        return sys.stdin.buffer.read()
    try:
        return Path(name).read_bytes()
    except OSError as problem:
        raise FileError(problem.strerror.lower()) from None


def check_free(target: str, force: bool) -> None:
    """Raises FileError when ``target`` exists and may not be replaced."""
    if target != STREAM and not force and Path(target).exists():
        raise FileError(f"{target} exists; use --force to replace it")


def write(target: str, data: bytes, force: bool) -> None:
    """Writes beside ``target`` and moves into place; never leaves half a file."""
    if target == STREAM:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    check_free(target, force)
    path = Path(target)
    beside = None
    try:
        handle, beside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(beside, 0o666 & ~mask)
        os.replace(beside, path)
    except OSError as problem:
        if beside is not None:
            Path(beside).unlink(missing_ok=True)
        raise FileError(f"{target} cannot be written: {problem.strerror.lower()}") from None
