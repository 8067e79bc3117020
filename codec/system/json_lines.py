"""Files that long runs add lines to, so that interrupted ones go on."""

import json
from pathlib import Path

from metamer.codec.errors import FileError


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
