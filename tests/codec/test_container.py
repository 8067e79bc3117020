"""The header: exact bytes, and refusal of everything else."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec.container import HEADER_BYTES, Header, pack, unpack
from codec.errors import StreamError

HEADER = Header(bytes.fromhex("01020304"), 77, 768, 512)


def test_bytes_are_those_of_the_format():
    data = pack(HEADER, b"payload")
    assert data[:14].hex() == "4d544d01" + "01020304" + "4d00" + "ff02" + "ff01"
    assert data[14:18] == zlib.crc32(data[:14] + b"payload").to_bytes(4, "little")
    assert data[18:] == b"payload" and HEADER_BYTES == 18


side = st.integers(1, 65536)


@given(st.binary(min_size=4, max_size=4), st.integers(0, 255), side, side, st.binary(max_size=99))
def test_round_trip(model_id, quality, width, height, payload):
    header = Header(model_id, quality, width, height)
    assert unpack(pack(header, payload)) == (header, payload)


@given(st.binary(max_size=60))
def test_other_bytes_are_refused(data):
    with pytest.raises(StreamError):
        unpack(data)


def test_every_truncation_and_every_flipped_bit_is_refused():
    data = pack(HEADER, b"some payload")
    for length in range(len(data)):
        with pytest.raises(StreamError):
            unpack(data[:length])
    for place in range(len(data)):
        for bit in range(8):
            with pytest.raises(StreamError):
                unpack(data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :])


@pytest.mark.parametrize(
    "place, value, reason", [(0, 0, "not a Metamer file"), (3, 2, "version 2"), (3, 0, "version 0"), (9, 1, "flags")]
)
def test_reasons_are_told(place, value, reason):
    fields = bytearray(pack(HEADER, b"")[:14])
    fields[place] = value
    data = bytes(fields) + zlib.crc32(bytes(fields)).to_bytes(4, "little")
    with pytest.raises(StreamError, match=reason):
        unpack(data)
