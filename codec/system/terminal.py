"""What a person sees of the command: lines without anything that a terminal obeys, and none but
ours.
"""

import contextlib
import os
import sys
from collections.abc import Iterator

_UNITS = ("KB", "MB", "GB", "TB")


def printable(text: str) -> str:
    r"""Spells out all that is no letter, sign or space, so that a name moves no cursor and changes
    no colour.

    Example:
        >>> printable("a\x1b[31m\n\udcffé")
        'a\\x1b[31m\\n\\xffé'
    """
    return "".join(sign if sign.isprintable() else _spelt(sign) for sign in text)


def _spelt(sign: str) -> str:
    """As Python writes it; a byte of a name that is no UTF-8 as the byte."""
    return (
        f"\\x{ord(sign) - 0xDC00:02x}"
        if "\udc80" <= sign <= "\udcff"
        else sign.encode("unicode_escape").decode()
    )


def format_size(count: int) -> str:
    """A number of bytes for a person.

    Example:
        >>> format_size(65), format_size(22_840), format_size(1_234_567)
        ('65 B', '23 KB', '1.2 MB')
    """
    if count < 1000:
        return f"{count} B"
    number = float(count)
    for unit in _UNITS:
        number /= 1000
        if number < 999.5 or unit == _UNITS[-1]:
            break
    return f"{number:.1f} {unit}" if number < 9.95 else f"{number:.0f} {unit}"


def is_watched() -> bool:
    """Whether standard error is a terminal."""
    return sys.stderr is not None and sys.stderr.isatty()


def occupy_standard_streams() -> None:
    """Opens nothing where a standard stream is closed, or the next file to be opened would stand in
    for it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free


@contextlib.contextmanager
def silence_libraries() -> Iterator[None]:
    """Keeps what libraries in C write to standard error themselves, as libtiff does of damaged
    files, from being seen.
    """
    try:
        ours = sys.stderr.fileno() == 2
    except (AttributeError, OSError, ValueError):  # closed, or not a file
        ours = False
    if not ours:
        yield
        return
    before, kept, nothing = sys.stderr, os.dup(2), os.open(os.devnull, os.O_WRONLY)
    before.flush()
    with open(
        kept, "w", buffering=1, encoding=before.encoding, errors="backslashreplace"
    ) as replacement:
        os.dup2(nothing, 2)
        os.close(nothing)
        sys.stderr = replacement
        try:
            yield
        finally:
            sys.stderr = before
            replacement.flush()
            os.dup2(kept, 2)
