"""Whole files in and out: `-` for the standard streams, outputs moved into place only when complete."""

import os
import sys
import tempfile
from pathlib import Path

from codec.errors import FileError

STREAM = "-"


def read(name: str) -> bytes:
    """The bytes of a file, or of standard input for `-`."""
    if name == STREAM:
        return sys.stdin.buffer.read()
    try:
        return Path(name).read_bytes()
    except OSError as problem:
        raise FileError(problem.strerror.lower()) from None


def target_for(name: str, output: str | None, suffix: str, several: bool) -> str:
    """Where the result for the input ``name`` goes: beside it, into the folder ``output``, or to ``output`` itself.

    ``output`` is a folder when it is one, ends in a separator, or has to hold several results; it is made if need be.
    """
    if output is None:
        return STREAM if name == STREAM else str(Path(name).with_suffix(suffix))
    if output == STREAM:
        if several:
            raise FileError("several results cannot share standard output; name a folder with -o")
        return STREAM
    if several or output.endswith(("/", os.sep)) or Path(output).is_dir():
        try:
            Path(output).mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            raise FileError(f"{output}: {problem.strerror.lower()}") from None
        return str(Path(output) / (Path("stdin" if name == STREAM else name).stem + suffix))
    return output


def targets_for(names: tuple[str, ...], output: str | None, suffix: str) -> dict[str, str]:
    """Input name → output name for all, none twice. Raises FileError."""
    targets, taken = {}, {}
    for name in dict.fromkeys(names):
        if name != STREAM and not Path(name).name:
            raise FileError(f"{name} is a folder")
        target = target_for(name, output, suffix, len(names) > 1)
        if target != STREAM and target in taken:
            raise FileError(f"{taken[target]} and {name} would both be written to {target}")
        targets[name] = target
        taken[target] = name
    return targets


def check_free(target: str, force: bool, source: str | None = None) -> None:
    """Raises FileError when ``target`` is ``source``, or exists and may not be replaced."""
    if target == STREAM:
        return
    if source not in (None, STREAM) and Path(target).exists() and Path(source).exists() and os.path.samefile(target, source):
        raise FileError(f"{target} is the input itself")
    if not force and Path(target).exists():
        raise FileError(f"{target} exists; use --force to replace it")


def write(target: str, data: bytes) -> None:
    """Writes beside ``target`` and moves into place, so that no half file ever bears its name.

    Devices and pipes are written to as they are; a symbolic link stays one.
    """
    if target == STREAM:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    path = Path(os.path.realpath(target))
    beside = None
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(data)
            return
        handle, beside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(beside, 0o666 & ~mask)  # mkstemp's own mode is for the owner alone
        os.replace(beside, path)
        beside = None
    except OSError as problem:
        raise FileError(f"{target} cannot be written: {problem.strerror.lower()}") from None
    finally:
        if beside is not None:
            Path(beside).unlink(missing_ok=True)
