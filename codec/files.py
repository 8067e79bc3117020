"""Whole files in and out: `-` for the standard streams, outputs moved into place only when complete."""

import os
import sys
from pathlib import Path

from codec import atomic
from codec.errors import FileError

STREAM = "-"


def read(name: str) -> bytes:
    """The bytes of a file, or of standard input for `-`."""
    if name == STREAM:
        return sys.stdin.buffer.read()
    try:
        return Path(name).read_bytes()
    except OSError as problem:
        raise FileError((problem.strerror or str(problem)).lower()) from None


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
            raise FileError(f"{output}: {(problem.strerror or str(problem)).lower()}") from None
        return str(Path(output) / (Path("stdin" if name == STREAM else name).stem + suffix))
    return output


def targets_for(names: tuple[str, ...], output: str | None, suffix: str) -> dict[str, str]:
    """Input name → output name for all, none twice. Raises FileError."""
    targets: dict[str, str] = {}
    taken: dict[str, str] = {}
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
    """Writes a whole file or none, as `codec.atomic` does. Devices and pipes are written to as they are; a symbolic link
    stays one. Raises FileError."""
    try:
        if target == STREAM:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
            return
        path = Path(os.path.realpath(target))
        if path.exists() and not path.is_file():
            path.write_bytes(data)
        else:
            atomic.write(path, data)
    except BrokenPipeError:
        raise
    except OSError as problem:
        name = "standard output" if target == STREAM else target
        raise FileError(f"{name} cannot be written: {(problem.strerror or str(problem)).lower()}") from None
