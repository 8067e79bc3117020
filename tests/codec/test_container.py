"""The file: exact bytes of both versions, and refusal of everything else."""

import zlib
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from metamer.codec.errors import StreamError
from metamer.codec.format.container import (
    ANCILLARY,
    HEADER_BYTES,
    Header,
    Kind,
    Section,
    disorder,
    pack,
    unpack,
    version,
)
from metamer.codec.format.leb128 import leb128, read_leb128

HEADER = Header(bytes.fromhex("01020304"), 77, 768, 512)
TILED = Header(bytes.fromhex("01020304"), 77, 768, 512, grey=True, tiled=True)
PLAIN = [Section(Kind.PICTURE, b"some payload")]
SEVERAL = [
    Section(Kind.PICTURE, b"some"),
    Section(Kind.PICTURE, b"payload" * 20),
    Section(Kind.ICC, b""),
    Section(136, b"x"),
]


def crc(data: bytes) -> bytes:
    return zlib.crc32(data).to_bytes(4, "little")


def test_bytes_of_version_1():
    data = pack(HEADER, [Section(Kind.PICTURE, b"payload")])
    assert data[:14].hex() == "4d544d01" + "01020304" + "4d00" + "ff02" + "ff01"
    assert data[14:18] == crc(data[:14] + b"payload")
    assert data[18:] == b"payload" and HEADER_BYTES == 18 and version(data) == 1


def test_bytes_of_version_2():
    data = pack(TILED, [Section(Kind.PICTURE, b"one"), Section(Kind.XMP, b"x" * 300)])
    assert data[:14].hex() == "4d544d02" + "01020304" + "4d03" + "ff02" + "ff01"
    assert data[14:18] == crc(data[:14])
    short, long = b"\x01\x03", b"\x45\xac\x02"
    assert (
        data[18:]
        == short + crc(short + b"one") + b"one" + long + crc(long + b"x" * 300) + b"x" * 300
    )
    assert version(data) == 2


side = st.integers(1, 65536)
headers = st.builds(
    Header,
    st.binary(min_size=4, max_size=4),
    st.integers(0, 255),
    side,
    side,
    st.booleans(),
    st.booleans(),
)
body = st.binary(max_size=200)


@given(
    headers,
    st.lists(body, min_size=1, max_size=4),
    st.dictionaries(st.sampled_from(list(Kind)[1:]), body),
    st.lists(st.tuples(st.integers(ANCILLARY, ANCILLARY + 63), body), max_size=3),
)
def test_round_trip(header, pictures, metadata, unknown):
    pictures = pictures if header.tiled else pictures[:1]
    sections = [Section(Kind.PICTURE, picture) for picture in pictures]
    sections += [Section(kind, metadata[kind]) for kind in sorted(metadata)] + [
        Section(*pair) for pair in sorted(unknown)
    ]
    header = replace(header, overlaid=Kind.OVERLAY in metadata)
    data = pack(header, sections)
    assert unpack(data) == (header, sections)
    assert version(data) == (2 if header.grey or header.tiled or len(sections) > 1 else 1)


@given(st.binary(max_size=60))
def test_other_bytes_are_refused(data):
    with pytest.raises(StreamError):
        unpack(data)


@given(st.binary(max_size=60))
def test_other_sections_are_refused(trailing):
    start = pack(TILED, SEVERAL)[:HEADER_BYTES]
    with pytest.raises(StreamError):
        unpack(start + trailing)


@pytest.mark.parametrize("header, sections", [(HEADER, PLAIN), (TILED, SEVERAL)])
def test_every_truncation_and_every_flipped_bit_is_refused(header, sections):
    data = pack(header, sections)
    for length in range(len(data)):
        with pytest.raises(StreamError):
            unpack(data[:length])
    for place in range(len(data)):
        for bit in range(8):
            with pytest.raises(StreamError):
                unpack(data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :])
    with pytest.raises(StreamError):
        unpack(data + b"\0")


def fields(at: dict[int, int], header: Header = HEADER) -> bytes:
    """A file of version 1 with other bytes in its header, and the checksum right; no payload."""
    data = bytearray(pack(header, [Section(Kind.PICTURE, b"")])[:14])
    for place, value in at.items():
        data[place] = value
    return bytes(data) + crc(bytes(data))


def sections(*starts: bytes) -> bytes:
    """A tiled file whose sections begin so, have no bodies, and the checksum of such."""
    return pack(TILED, PLAIN)[:HEADER_BYTES] + b"".join(start + crc(start) for start in starts)


GOOD = pack(TILED, SEVERAL)


@pytest.mark.parametrize(
    "data, reason",
    [
        (b"", "is not a Metamer file"),
        (b"MTN", "is not a Metamer file"),
        (fields({0: 0}), "is not a Metamer file"),
        (b"MT", "is truncated: the header is incomplete"),
        (GOOD[:17], "is truncated: the header is incomplete"),
        (fields({3: 3}), "is format version 3 or damaged; this program reads up to version 2"),
        (fields({3: 0}), "is damaged: format version 0 does not exist"),
        (fields({8: 1})[:-1] + b"x", "is damaged or truncated: its checksum does not match"),
        (fields({3: 2})[:-1] + b"x", "is damaged: the header's checksum does not match"),
        (
            fields({9: 1}),
            "is damaged or uses features (flags 0x01) that this program does not know",
        ),
        (
            fields({9: 14}),
            "is damaged or uses features (flags 0x0a) that this program does not know",
        ),
        (
            fields({3: 2, 9: 63}),
            "is damaged or uses features (flags 0x30) that this program does not know",
        ),
        (fields({3: 2}), "is truncated: it ends early"),
        (GOOD[:18], "is truncated: it ends early"),
        (GOOD[:23], "is truncated: a section ends early"),
        (GOOD[:24], "is truncated: a section ends early"),
        (sections(b"\x41\xff\xff\xff\xff\x7f"), "is truncated: a section ends early"),
        (GOOD[:24] + b"S" + GOOD[25:], "is damaged: a section's checksum does not match"),
        (GOOD + b"12", "is damaged: 2 bytes follow the last section"),
        (
            sections(b"\x41\x80\x00"),
            "is damaged: a length is written with more bytes than it needs",
        ),
        (sections(b"\x41\xff\xff\xff\xff\xff\x01"), "is damaged: a length has no end"),
        (sections(b"\x47\x00"), "uses features (section 7) that this program does not know"),
        (
            sections(b"\x01\x00", b"\x7f\x00"),
            "uses features (section 63) that this program does not know",
        ),
        (sections(b"\x42\x00"), "is not as the format has it: a file begins with its picture"),
        (
            sections(b"\x01\x00", b"\x04\x00", b"\x43\x00"),
            "is not as the format has it: sections are out of order",
        ),
        (
            sections(b"\x01\x00", b"\x03\x00", b"\x43\x00"),
            "is not as the format has it: a section that may be there only once is there twice",
        ),
    ],
)
def test_reasons_are_reported(data, reason):
    with pytest.raises(StreamError) as error:
        unpack(data)
    assert str(error.value) == reason


@pytest.mark.parametrize("overlaid", [False, True])
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("tiled", [False, True])
@pytest.mark.parametrize("grey", [False, True])
def test_flags_are_kept_apart(grey, tiled, turned, overlaid):
    header = Header(b"abcd", 9, 300, 200, grey=grey, tiled=tiled, turned=turned, overlaid=overlaid)
    data = pack(header, [Section(Kind.OVERLAY, b"some")] if overlaid else PLAIN)
    assert data[9] == grey + 2 * tiled + 4 * turned + 8 * overlaid and version(data) == (
        2 if grey or tiled or overlaid else 1
    )
    assert unpack(data)[0] == header


@given(st.lists(st.sampled_from([1, 2, 3, 4, 5, 130]), max_size=5), st.booleans())
def test_wrong_orders_are_neither_written_nor_read(kinds, tiled):
    header = Header(b"abcd", 0, 1, 1, grey=True, tiled=tiled)
    repeated = [
        kind
        for kind in set(kinds)
        if kinds.count(kind) > 1 and kind != 130 and not (kind == 1 and tiled)
    ]
    assume(kinds[:1] != [1] or kinds != sorted(kinds) or repeated)
    with pytest.raises(ValueError) as error:
        pack(header, [Section(kind, b"") for kind in kinds])
    assert str(error.value) == disorder(header, kinds)
    data = pack(header, PLAIN)[:HEADER_BYTES]
    for index, kind in enumerate(kinds):
        start = bytes([kind | (64 if index == len(kinds) - 1 else 0), 0])
        data += start + crc(start)
    with pytest.raises(StreamError):
        unpack(data)


@given(st.integers(0, 2**35 - 1), st.binary(max_size=9), st.binary(max_size=9))
def test_lengths_have_one_form(number, before, after):
    written = leb128(number)
    assert sum((byte & 0x7F) << 7 * index for index, byte in enumerate(written)) == number
    assert len(written) == max(1, -(-number.bit_length() // 7)) <= 5
    assert read_leb128(before + written + after, len(before)) == (
        number,
        len(before) + len(written),
    )
    longer = written[:-1] + bytes([written[-1] | 0x80, 0])
    with pytest.raises(StreamError, match="no end" if len(written) == 5 else "more bytes"):
        read_leb128(before + longer + after, len(before))
    with pytest.raises(StreamError, match="truncated"):
        read_leb128(before + written[:-1], len(before))
    with pytest.raises(StreamError, match="no end"):
        read_leb128(before + b"\xff" * 5, len(before))


@pytest.mark.parametrize(
    ("overlaid", "kinds"),
    [(False, [1, 6]), (True, [1]), (True, [1, 2]), (True, [6, 6]), (True, [6, 1])],
)
def test_overlays_are_where_the_header_says_so(overlaid, kinds):
    with pytest.raises(ValueError):
        pack(
            Header(b"abcd", 9, 300, 200, overlaid=overlaid), [Section(kind, b"") for kind in kinds]
        )


def test_overlays_without_pictures_repeat_in_tiled_pictures():
    header, sections = (
        Header(b"abcd", 9, 300, 200, tiled=True, overlaid=True),
        [Section(Kind.ALPHA, b"")],
    )
    sections += [Section(Kind.OVERLAY, b"one"), Section(Kind.OVERLAY, b"two")]
    assert unpack(pack(header, sections)) == (header, sections)
