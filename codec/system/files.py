"""Whole files in and out: `-` for the standard streams, outputs moved into place only when
complete.
"""

import os
import stat
import sys
from pathlib import Path

from metamer.codec.errors import FileError
from metamer.codec.system import atomic

STREAM = "-"
TAKEN = "{} exists; use --force to replace it"


def read_file(name: str) -> bytes:
    """Reads a whole file.

    Args:
        name: A path, or `-` for standard input.

    Raises:
        FileError: It cannot be read, or is a device.
    """
    if name == STREAM:
        if sys.stdin is None:
            raise FileError("standard input is closed")
        return sys.stdin.buffer.read()
    return read_path(name)


def read_path(path: str) -> bytes:
    """The same of a path, whatever it is. Raises FileError."""
    try:
        if is_device(os.stat(path)):
            raise FileError("is a device")
        return Path(path).read_bytes()
    except OSError as problem:
        raise FileError(reason(problem)) from None


def reason(problem: OSError) -> str:
    """What is wrong with a file, as the system says it, for the end of a sentence."""
    return (problem.strerror or str(problem)).lower()


def is_device(status: os.stat_result) -> bool:
    """Whether a file is one that may have no end, as /dev/zero has none; pipes have one."""
    return stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode)


def read_contents(source: object) -> bytes | None:
    """Reads what is given as bytes, bytearray, memoryview or an open binary file.

    Args:
        source: Anything.

    Returns:
        Its bytes; None for anything else.

    Raises:
        FileError: It is a file that was opened as text.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        return bytes(source)
    read = getattr(source, "read", None)
    if not callable(read):
        return None
    data = read()
    if not isinstance(data, (bytes, bytearray)):
        raise FileError("is a file that was opened as text; open it with mode 'rb'")
    return bytes(data)


def target_for(name: str, output: str | None, suffix: str, several: bool) -> str:
    """Where the result for an input goes; a folder is made if need be.

    Args:
        name: The input's path, or `-`.
        output: None to put the result next to the input; a folder, which is one, ends in a
            separator, or has to hold several results; or the result itself.
        suffix: Of the result.
        several: Whether there are several results.

    Returns:
        A path, or `-`.

    Raises:
        FileError: Several results cannot go there.
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
            raise FileError(f"{output}: {reason(problem)}") from None
        return str(Path(output) / (Path("stdin" if name == STREAM else name).stem + suffix))
    return output


def targets_for(names: tuple[str, ...], output: str | None, suffix: str) -> dict[str, str]:
    """Where the results for all inputs go, none twice.

    Args:
        names: The inputs' paths, or `-`.
        output: As for `target_for`.
        suffix: Of the results.

    Returns:
        The result's path, or `-`, for each input.

    Raises:
        FileError: Two would go to one place.
    """
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
    """Checks that a result may be written.

    Args:
        target: Its path, or `-`.
        force: Whether a file that is there may be replaced.
        source: The input's path.

    Raises:
        FileError: It is the input, or exists and may not be replaced.
    """
    if target == STREAM:
        return
    if (
        source not in (None, STREAM)
        and Path(target).exists()
        and Path(source).exists()
        and os.path.samefile(target, source)
    ):
        raise FileError(f"{target} is the input itself")
    if not force and Path(target).exists():
        raise FileError(TAKEN.format(target))


def write_file(target: str, data: bytes, force: bool = True) -> None:
    """Writes a whole file or none (`codec.system.atomic`). Devices and pipes are written to as they
    are; a symbolic link stays one.

    Args:
        target: A path, or `-` for standard output.
        data: What the file shall hold.
        force: Whether one that is there by then may be replaced.

    Raises:
        FileError: It cannot be written.
    """
    try:
        if target == STREAM:
            if sys.stdout is None:
                raise FileError("standard output is closed")
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
            return
        path = Path(os.path.realpath(target))
        if path.exists() and not path.is_file():
            path.write_bytes(data)
        else:
            atomic.write_atomically(path, data, force)
    except BrokenPipeError:
        raise
    except FileExistsError:
        raise FileError(TAKEN.format(target)) from None
    except OSError as problem:
        name = "standard output" if target == STREAM else target
        raise FileError(f"{name} cannot be written: {reason(problem)}") from None
