"""Messages of protocol buffers, as strictly as they can be read: one way to write each.

Encoding: https://protobuf.dev/programming-guides/encoding.
"""

from collections.abc import Iterator
from typing import Any

from metamer.codec.format.leb128 import leb128

VARINT, LENGTH, FIXED32 = 0, 2, 5  # wire types


class GraphError(ValueError):
    """A graph that is not what an exported model holds."""


class Message:
    """The fields of one message, by number: integers for `VARINT`, memory for the rest, in
    lists.
    """

    def __init__(
        self, name: str, data: memoryview, wire: dict[int, int], repeated: tuple[int, ...] = ()
    ):
        """Reads a message.

        Args:
            name: What errors call it.
            data: Its bytes.
            wire: The fields that may be there, and their wire types.
            repeated: Those of them that may be there more than once, of which numbers may also be
                packed into one.

        Raises:
            GraphError: There are others, or of another type, or twice.
        """
        self._name = name
        self.parts: dict[int, list] = {}
        for number, kind, value in _fields(name, data):
            packed = kind == LENGTH and number in repeated and wire.get(number) == VARINT
            if wire.get(number) != kind and not packed:
                raise GraphError(f"field {number} of wire type {kind} in a {name}")
            if number in self.parts and number not in repeated:
                raise GraphError(f"field {number} is twice in a {name}")
            self.parts.setdefault(number, []).extend(_packed(name, value) if packed else [value])

    def bytes(self, number: int) -> memoryview:
        """The bytes of a field that must be there. Raises GraphError."""
        if number not in self.parts:
            raise GraphError(f"field {number} is missing in a {self._name}")
        return self.parts[number][0]

    def text(self, number: int, default: str | None = None) -> str:
        """A field as text; without a default it must be there. Raises GraphError."""
        return (
            default
            if default is not None and number not in self.parts
            else read_text(self.bytes(number))
        )

    def number(self, number: int, default: int = -1) -> int:
        """A field as a signed integer."""
        return _signed(self.parts[number][0]) if number in self.parts else default

    def numbers(self, number: int) -> tuple[int, ...]:
        """A repeated field as signed integers."""
        return tuple(map(_signed, self.parts.get(number, [])))


def write_field(number: int, value: int | bytes | memoryview) -> bytes:
    """A field as `Message` reads it: a number that is not negative, or bytes."""
    if isinstance(value, int):
        return leb128(number << 3 | VARINT) + leb128(value)
    return leb128(number << 3 | LENGTH) + leb128(len(value)) + bytes(value)


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def read_text(data: memoryview) -> str:
    """A name: UTF-8 of at most 400 characters that print. Raises GraphError."""
    try:
        text = str(data, "utf-8")
    except UnicodeDecodeError:
        raise GraphError("a name is not UTF-8") from None
    if not text.isprintable() or len(text) > 400:
        raise GraphError("a name is too long, or has characters that do not print")
    return text


def _fields(name: str, data: memoryview) -> Iterator[tuple[int, int, Any]]:
    """(field number, wire type, value) of all fields of a message."""
    place = 0
    while place < len(data):
        tag, after = _varint(name, data, place)
        kind, place = tag & 7, after
        if kind == VARINT:
            value, place = _varint(name, data, place)
            yield tag >> 3, kind, value
            continue
        length = 4
        if kind == LENGTH:
            length, place = _varint(name, data, place)
        elif kind != FIXED32:
            raise GraphError(f"field {tag >> 3} of wire type {kind} in a {name}")
        if length > len(data) - place:
            raise GraphError(f"a {name} ends early")
        yield tag >> 3, kind, data[place : place + length]
        place += length


def _packed(name: str, data: memoryview) -> list[int]:
    values, place = [], 0
    while place < len(data):
        value, place = _varint(name, data, place)
        values.append(value)
    return values


def _varint(name: str, data: memoryview, place: int) -> tuple[int, int]:
    """An unsigned number of 64 bits, seven bits a byte, in as few bytes as will do; and where it
    ends.
    """
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(data):
            raise GraphError(f"a {name} ends early")
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value >> 64 or (shift and not byte):
                break
            return value, place
    raise GraphError(f"a number in a {name} is written as no writer does")
