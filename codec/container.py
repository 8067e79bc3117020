"""The `.mtm` file: 18 bytes of header, then one range-coded payload. bitstreams/FORMAT.md is the normative text."""

import struct
import zlib
from dataclasses import dataclass

from codec.errors import StreamError

MAGIC = b"MTM"
VERSION = 1
_FIELDS = struct.Struct("<3sB4sBBHH")  # magic, version, model id, quality, flags, width − 1, height − 1
_CHECKSUM = struct.Struct("<I")
HEADER_BYTES = _FIELDS.size + _CHECKSUM.size


@dataclass(frozen=True)
class Header:
    """model_id: 4 bytes; quality: 0…255; width, height: 1…65536 pixels."""

    model_id: bytes
    quality: int
    width: int
    height: int


def pack(header: Header, payload: bytes) -> bytes:
    """The whole file. The CRC-32 covers every other byte of it."""
    fields = _FIELDS.pack(
        MAGIC, VERSION, header.model_id, header.quality, 0, header.width - 1, header.height - 1
    )
    return fields + _CHECKSUM.pack(zlib.crc32(payload, zlib.crc32(fields))) + payload


def unpack(data: bytes) -> tuple[Header, bytes]:
    """Header and payload of a whole file. Raises StreamError, checksum last, so that the reason is the telling one."""
    if data[: len(MAGIC)] != MAGIC[: len(data)] or not data:
        raise StreamError("is not a Metamer file")
    if len(data) < HEADER_BYTES:
        raise StreamError("is truncated: the header is incomplete")
    _, version, model_id, quality, flags, width, height = _FIELDS.unpack_from(data)
    if version > VERSION:
        raise StreamError(f"is format version {version} or damaged; this program reads up to version {VERSION}")
    if version < 1:
        raise StreamError("is damaged: format version 0 does not exist")
    (checksum,) = _CHECKSUM.unpack_from(data, _FIELDS.size)
    payload = data[HEADER_BYTES:]
    if zlib.crc32(payload, zlib.crc32(data[: _FIELDS.size])) != checksum:
        raise StreamError("is damaged or truncated: its checksum does not match")
    if flags:
        raise StreamError(f"uses features (flags {flags:#04x}) that this program does not know")
    return Header(model_id, quality, width + 1, height + 1), payload
