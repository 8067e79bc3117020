"""Lengths in seven bits a byte."""

from metamer.codec.errors import StreamError

LENGTH_BYTES = 5  # at most


def leb128(number: int) -> bytes:
    """A number in seven bits a byte, the lowest first; the high bit says that more follow.

    Example:
        >>> leb128(300).hex()
        'ac02'
    """
    parts = bytearray()
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])


def read_leb128(data: bytes, place: int) -> tuple[int, int]:
    """Reads a number that `leb128` wrote, and nothing else.

    Args:
        data: What holds it.
        place: Where it begins.

    Returns:
        The number, and where it ends.

    Raises:
        StreamError: It has no end, or is written in more bytes than it needs.
    """
    number = 0
    for index, byte in enumerate(data[place : place + LENGTH_BYTES]):
        number |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            if index and not byte:
                raise StreamError("is damaged: a length is written with more bytes than it needs")
            return number, place + index + 1
    if len(data) < place + LENGTH_BYTES:
        raise StreamError("is truncated: it ends early")
    raise StreamError("is damaged: a length has no end")
