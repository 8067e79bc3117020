"""Tables, order and range coder, against independent formulas and a decoder written from FORMAT.md
alone.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metamer.entropy.coder import MAX_RESIDUAL, DamagedError, Decoder, Encoder, Meter
from metamer.entropy.order import by_table
from metamer.entropy.tables import TOTAL, Tables, quantise
from tests.reference_decoder import RangeDecoder, read_pass


def laplace_tables(scales=(0.3, 2.0, 9.0), reaches=(2, 10, 40), empty_first=False) -> Tables:
    parts = [
        quantise(np.exp(-abs(np.arange(-r, r + 2)) / s))
        for s, r in zip(scales, reaches, strict=True)
    ]
    ranges = np.array([*([-1] if empty_first else []), *reaches], np.int32)
    return Tables(np.concatenate(parts), ranges)


TABLES = laplace_tables()
passes = st.lists(
    st.tuples(st.integers(-200000, 200000) | st.integers(-12, 12), st.integers(0, 2)), max_size=200
)


@given(
    st.lists(st.floats(0, 1e6), min_size=2, max_size=300).filter(lambda values: sum(values) > 1e-3)
)
def test_quantise_sums_and_stays_positive_and_near(values):
    frequencies = quantise(np.array(values)).astype(np.int64)
    assert frequencies.sum() == TOTAL and frequencies.min() >= 1
    expected = np.array(values) / sum(values) * TOTAL
    assert np.abs(frequencies - expected).max() <= len(values) + 1


@pytest.mark.parametrize(
    "values", [np.ones(300), np.ones(300, np.float32), np.ones(300, np.int32)], ids=str
)
def test_what_division_leaves_over_goes_to_the_first_of_equals(values):
    frequencies = quantise(values)
    left = TOTAL % 300
    assert frequencies.dtype == np.uint32 and frequencies.tolist() == [TOTAL // 300 + 1] * left + [
        TOTAL // 300
    ] * (300 - left)


def test_quantise_computes_in_double_precision(rng):
    values = rng.random(300, np.float32)
    np.testing.assert_array_equal(quantise(values), quantise(values.astype(np.float64)))


SHAPE = "frequencies do not match the reach of each table"
SUM = "every table must hold positive frequencies that sum to 16777216"


@pytest.mark.parametrize(
    "frequencies, ranges, reason",
    [
        ([TOTAL - 2, 1], [0, 0], SHAPE),
        ([], [-2], SHAPE),
        ([TOTAL - 1, 1], [-2, 1], SHAPE),
        ([], [], SHAPE),
        ([TOTAL - 1, 1], [[0]], SHAPE),
        ([TOTAL - 2, 1], [0], SUM),
        ([0, TOTAL], [0], SUM),
        ([TOTAL - 1, 1, TOTAL, 1], [0, 0], SUM),
    ],
)
def test_wrong_tables_are_refused(frequencies, ranges, reason):
    with pytest.raises(ValueError) as error:
        Tables(np.array(frequencies, np.uint32), np.array(ranges, np.int32))
    assert str(error.value) == reason


def test_tables_of_reach_0_code_zeros_and_escapes():
    tables = Tables(np.array([TOTAL - 1, 1], np.uint32), np.array([0]))
    values, indices = np.array([0, 0, -1, 0, 9]), np.zeros(5, np.uint8)
    encoder, meter = Encoder(tables), Meter(tables)
    encoder.write(values, indices)
    meter.write(values, indices)
    assert Decoder(tables, encoder.bytes()).read(indices).tolist() == values.tolist()
    assert meter.bits == pytest.approx(
        2 * 24 + 2 * (1 + np.log2(24)) + 3 - 3 * np.log2(1 - 2**-24), abs=1e-9
    )


@given(st.lists(st.integers(0, 255), max_size=300))
def test_order_is_a_stable_partition(indices):
    array = np.array(indices, np.uint8)
    groups = [(table, positions.tolist()) for table, positions in by_table(array)]
    assert [table for table, _ in groups] == sorted(set(indices))
    for table, positions in groups:
        assert positions == [place for place, value in enumerate(indices) if value == table]


@given(st.lists(passes, max_size=4))
def test_round_trip(rounds):
    arrays = [np.array(r, np.int64).reshape(-1, 2).T for r in rounds]
    encoder = Encoder(TABLES)
    for values, tables in arrays:
        encoder.write(values, tables.astype(np.uint8))
    decoder = Decoder(TABLES, encoder.bytes())
    for values, tables in arrays:
        np.testing.assert_array_equal(decoder.read(tables.astype(np.uint8)), values)
    decoder.finish()


@given(passes)
def test_independent_decoder_reads_the_same(pairs):
    values, tables = np.array(pairs, np.int64).reshape(-1, 2).T
    encoder = Encoder(TABLES)
    encoder.write(values, tables.astype(np.uint8))
    assert read_pass(RangeDecoder(encoder.bytes()), TABLES, tables.tolist()) == values.tolist()


def test_zeros_alone_are_left_off_at_the_end(rng):
    """Streams that end in every byte but zero, and are read back all the same."""
    last = set()
    for values in rng.integers(-40, 41, (3000, 12)):
        encoder, indices = Encoder(TABLES), np.full(12, 2, np.uint8)
        encoder.write(values, indices)
        last |= {*encoder.bytes()[-1:]}
        assert Decoder(TABLES, encoder.bytes()).read(indices).tolist() == values.tolist()
    assert last == set(range(1, 256))


def test_size_is_the_information_content(rng):
    tables = rng.integers(0, 3, 50000).astype(np.uint8)
    values = np.rint(rng.laplace(size=50000) * np.array([0.3, 2, 9])[tables]).astype(np.int64)
    encoder, meter = Encoder(TABLES), Meter(TABLES)
    encoder.write(values, tables)
    meter.write(values, tables)
    assert meter.bits / 8 <= len(encoder.bytes()) <= meter.bits / 8 + 8
    assert meter.bits == pytest.approx(TABLES.cost(values, tables).sum())
    meter.write(values[:9], tables[:9])
    assert meter.bits == pytest.approx(
        TABLES.cost(values, tables).sum() + TABLES.cost(values[:9], tables[:9]).sum()
    )


def test_empty_tables_are_marked():
    tables = laplace_tables(empty_first=True)
    assert tables.coded.tolist() == [False, True, True, True]
    np.testing.assert_array_equal(tables.frequency(1), TABLES.frequency(0))
    values, indices = np.array([0, 2, 0, -5]), np.array([0, 1, 0, 2], np.uint8)
    encoder, meter = Encoder(tables), Meter(tables)
    encoder.write(values, indices)
    meter.write(values, indices)
    assert Decoder(tables, encoder.bytes()).read(indices).tolist() == [0, 2, 0, -5]
    assert meter.bits == pytest.approx(TABLES.cost(values[[1, 3]], indices[[1, 3]] - 1).sum())


def test_left_over_words_are_damage():
    encoder = Encoder(TABLES)
    encoder.write(np.zeros(10, np.int64), np.zeros(10, np.uint8))
    decoder = Decoder(TABLES, encoder.bytes() + bytes(range(1, 30)))
    decoder.read(np.zeros(10, np.uint8))
    with pytest.raises(DamagedError) as error:
        decoder.finish()
    assert str(error.value) == "data is left over"


def test_words_that_no_symbol_maps_to():
    with pytest.raises(DamagedError, match="invalid"):
        Decoder(TABLES, b"\xff" * 400).read(np.full(40, 2, np.uint8))


@given(st.binary(max_size=64))
def test_any_bytes_decode_or_are_damage(data):
    decoder = Decoder(TABLES, data)
    try:
        for table in range(3):
            assert decoder.read(np.full(40, table, np.uint8)).shape == (40,)
        decoder.finish()
    except DamagedError:
        pass


@pytest.mark.parametrize("value", [MAX_RESIDUAL, -MAX_RESIDUAL])
def test_residuals_have_a_limit(value):
    index = np.zeros(1, np.uint8)
    for excess in (0, 1):
        encoder = Encoder(TABLES)
        encoder.write(np.array([value + excess * np.sign(value)]), index)
        decoder = Decoder(TABLES, encoder.bytes())
        if excess:
            with pytest.raises(DamagedError) as error:
                decoder.read(index)
            assert str(error.value) == "a residual is out of range"
        else:
            assert decoder.read(index).tolist() == [value]
