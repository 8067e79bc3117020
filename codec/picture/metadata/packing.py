"""EXIF and XMP compressed, as sections hold them."""

import zlib

from metamer.codec.errors import StreamError

LIMIT = 16 << 20  # bytes of one of them, uncompressed
STORED, DEFLATED = 0, 1  # first byte of a section's body


def pack_metadata(data: bytes) -> bytes:
    """Compresses metadata where that is smaller: a section's body."""
    squeezed = zlib.compress(data, 9)
    return bytes([DEFLATED]) + squeezed if len(squeezed) < len(data) else bytes([STORED]) + data


def unpack_metadata(body: bytes) -> bytes:
    """Unpacks metadata, and takes no more memory than `LIMIT` whatever the body says.

    Args:
        body: The section's.

    Returns:
        What `pack_metadata` was given.

    Raises:
        StreamError: It is damaged, or too long.
    """
    if not body or body[0] not in (STORED, DEFLATED):
        raise StreamError("is damaged: metadata of an unknown form")
    if body[0] == STORED:
        data = body[1:]
    else:
        unpacker = zlib.decompressobj()
        try:
            data = unpacker.decompress(body[1:], LIMIT + 1)
        except zlib.error as problem:
            raise StreamError(f"is damaged: metadata cannot be decompressed ({problem})") from None
        if len(data) <= LIMIT and (not unpacker.eof or unpacker.unused_data):
            raise StreamError("is damaged: metadata does not end where it should")
    if len(data) > LIMIT:
        raise StreamError(f"holds more than {LIMIT} bytes of metadata of one kind")
    return data
