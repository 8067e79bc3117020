"""Files that long runs add lines to, so that interrupted ones go on."""

import json
from collections.abc import Iterable
from pathlib import Path

from metamer.codec.errors import FileError
from metamer.codec.system import files


def read_lines(path: Path) -> list:
    """What runs have written, a JSON value a line; half a line at the end does not count. Raises
    FileError.
    """
    values = []
    for number, line in enumerate(
        path.read_text().splitlines(keepends=True) if path.exists() else [], 1
    ):
        if line.endswith("\n"):
            try:
                values.append(json.loads(line))
            except ValueError:
                raise FileError(f"{path}: line {number} is damaged; remove it") from None
    return values


def append_line(path: Path, value: object) -> None:
    """Adds a line, in one write: processes that measure side by side do not mix theirs."""
    with open(path, "a", buffering=1) as log:
        log.write(json.dumps(value) + "\n")


def write_lines(path: Path, values: Iterable[object]) -> None:
    """Replaces a file by lines of these values, whole or not at all. Raises FileError."""
    files.write_file(str(path), "".join(json.dumps(value) + "\n" for value in values).encode())


def drop_half_line(path: Path) -> None:
    """Cuts off what an interrupted run left of a line, to which nothing may be added. Raises
    FileError.
    """
    text = path.read_text() if path.exists() else ""
    if not text.endswith("\n"):
        files.write_file(str(path), text[: text.rfind("\n") + 1].encode())
