"""Residuals to a range-coded byte string and back (constriction's range coder, 32-bit words, 24-bit
precision).

Residuals of empty tables are zero and take no part. A residual outside its table's reach is written
as the escape symbol; after the pass come, for each escape in coding order, its excess e =
|residual| − reach − 1 in Elias-gamma form (number of bits of e + 1, then the bits below the
highest) and its sign.
"""

import constriction
import numpy as np

from metamer.entropy.order import by_table
from metamer.entropy.tables import ESCAPE_LENGTHS, Tables

WORD = 4
MAX_RESIDUAL = 1 << 20
_LENGTHS = constriction.stream.model.Uniform(ESCAPE_LENGTHS)
_SIGN = constriction.stream.model.Uniform(2)


class DamagedError(ValueError):
    """The words cannot have come from the encoder."""


class Encoder:
    """Collects passes of residuals.

    Example:
        >>> frequencies = np.array([1 << 22, 1 << 23, 1 << 21, 1 << 21], np.uint32)
        >>> tables = Tables(frequencies, np.array([1]))
        >>> encoder = Encoder(tables)
        >>> encoder.write(np.array([0, -1, 1, 0, 7]), np.zeros(5, np.uint8))
        >>> encoder.bytes().hex()
        'abaac65a'
        >>> Decoder(tables, encoder.bytes()).read(np.zeros(5, np.uint8)).tolist()
        [0, -1, 1, 0, 7]
    """

    def __init__(self, tables: Tables):
        self._tables = tables
        self._coder = constriction.stream.queue.RangeEncoder()

    def write(self, residuals: np.ndarray, indices: np.ndarray) -> None:
        """Codes a pass.

        Args:
            residuals: (N,) integers.
            indices: (N,) uint8, the table of each.
        """
        some = self._tables.coded_positions(indices)
        residuals, indices = residuals[some], indices[some]
        escaped = []
        for table, positions in by_table(indices):
            reach = int(self._tables.reach[table])
            values = residuals[positions]
            outside = np.abs(values) > reach
            symbols = np.where(outside, 2 * reach + 1, values + reach).astype(np.int32)
            self._coder.encode(symbols, self._tables.models[table])
            escaped += [(int(value), reach) for value in values[outside]]
        for value, reach in escaped:
            excess = abs(value) - reach  # e + 1
            length = excess.bit_length()
            self._coder.encode(length - 1, _LENGTHS)
            if length > 1:
                self._coder.encode(
                    excess - (1 << length - 1), constriction.stream.model.Uniform(1 << length - 1)
                )
            self._coder.encode(int(value < 0), _SIGN)

    def bytes(self) -> bytes:
        """The stream so far: little-endian words. Zero bytes at the end are left off, the decoder
        takes them as read.
        """
        return self._coder.get_compressed().astype("<u4").tobytes().rstrip(b"\0")


class Decoder:
    """Reads back, pass by pass, what an `Encoder` with the same tables wrote."""

    def __init__(self, tables: Tables, data: bytes):
        self._tables = tables
        padded = data + bytes(-len(data) % WORD)
        self._coder = constriction.stream.queue.RangeDecoder(
            np.frombuffer(padded, "<u4").astype(np.uint32)
        )

    def read(self, indices: np.ndarray) -> np.ndarray:
        """Decodes a pass.

        Args:
            indices: (N,) uint8, the table of each residual.

        Returns:
            (N,) int32 residuals.

        Raises:
            DamagedError: The words cannot have come from the encoder.
        """
        some = self._tables.coded[indices]
        if some.all():
            return self._read(indices)
        residuals = np.zeros(len(indices), np.int32)
        residuals[some] = self._read(indices[some])
        return residuals

    def _read(self, indices: np.ndarray) -> np.ndarray:
        residuals = np.zeros(len(indices), np.int32)
        escaped = []
        try:
            for table, positions in by_table(indices):
                reach = int(self._tables.reach[table])
                values = self._coder.decode(self._tables.models[table], len(positions)) - reach
                residuals[positions] = values
                escaped += [(position, reach) for position in positions[values > reach]]
            for position, reach in escaped:
                residuals[position] = self._escape(reach)
        except AssertionError as problem:  # how constriction reports words that no symbol maps to
            raise DamagedError(str(problem)) from None
        return residuals

    def _escape(self, reach: int) -> int:
        length = int(self._coder.decode(_LENGTHS)) + 1
        low = (
            int(self._coder.decode(constriction.stream.model.Uniform(1 << length - 1)))
            if length > 1
            else 0
        )
        value = reach + (1 << length - 1) + low
        if value > MAX_RESIDUAL:
            raise DamagedError("a residual is out of range")
        return -value if int(self._coder.decode(_SIGN)) else value

    def finish(self) -> None:
        """Ends the stream. Raises DamagedError where words are left over."""
        if not self._coder.maybe_exhausted():
            raise DamagedError("data is left over")


class Meter:
    """Counts the information content of passes, where an `Encoder` would code them.

    Attributes:
        bits: Of all passes so far.
    """

    def __init__(self, tables: Tables):
        self._tables = tables
        self.bits = 0.0

    def write(self, residuals: np.ndarray, indices: np.ndarray) -> None:
        """Counts a pass, as `Encoder.write` codes it."""
        some = self._tables.coded_positions(indices)
        self.bits += float(self._tables.cost(residuals[some], indices[some]).sum())


class Recorder(Meter):
    """A `Meter` that keeps what was written, to write it again.

    Example:
        >>> frequencies = np.array([1 << 22, 1 << 23, 1 << 21, 1 << 21], np.uint32)
        >>> tables = Tables(frequencies, np.array([1]))
        >>> recorder, encoder = Recorder(tables), Encoder(tables)
        >>> recorder.write(np.array([0, -1, 1, 0, 7]), np.zeros(5, np.uint8))
        >>> recorder.replay(encoder)
        >>> encoder.bytes().hex()
        'abaac65a'
    """

    def __init__(self, tables: Tables):
        super().__init__(tables)
        self._passes: list[tuple[np.ndarray, np.ndarray]] = []

    def write(self, residuals: np.ndarray, indices: np.ndarray) -> None:
        """Counts a pass and keeps it."""
        super().write(residuals, indices)
        self._passes.append((residuals, indices))

    def replay(self, writer: Encoder | Meter) -> None:
        """Writes all passes to another writer."""
        for residuals, indices in self._passes:
            writer.write(residuals, indices)
