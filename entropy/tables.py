"""Coding tables: one integer frequency table a scale index, for residuals around zero.

Table i covers the residuals −reach…reach in order and one escape symbol after them. Frequencies are
positive integers that sum to 2^24; decoding evaluates no transcendental function, so every machine
codes with the same numbers. A table of reach −1 is empty: its residuals are zero and are not coded
at all.
"""

from dataclasses import dataclass, field
from functools import cached_property

import constriction
import numpy as np

PRECISION = 24
TOTAL = 1 << PRECISION
ESCAPE_LENGTHS = 24  # an escape's excess has 1 to 24 bits


@dataclass(frozen=True)
class Tables:
    """Coding tables.

    Attributes:
        frequencies: uint32, all tables end to end.
        reach: (S,) the largest residual that each codes without escape.
        starts: (S + 1,) where each begins in ``frequencies``.
        coded: (S,) bool, whether each is not empty.

    Raises:
        ValueError: Frequencies do not match ``reach``, or do not sum to 2^24.
    """

    frequencies: np.ndarray
    reach: np.ndarray
    starts: np.ndarray = field(init=False, repr=False)
    coded: np.ndarray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        sizes = 2 * self.reach.astype(np.int64) + 2
        starts = np.concatenate([[0], np.cumsum(sizes)])
        if (
            self.reach.ndim != 1
            or not len(self.reach)
            or self.reach.min() < -1
            or len(self.frequencies) != starts[-1]
        ):
            raise ValueError("frequencies do not match the reach of each table")
        sums = np.diff(np.concatenate([[0], np.cumsum(self.frequencies, dtype=np.int64)])[starts])
        if (self.frequencies < 1).any() or (sums[sizes > 0] != TOTAL).any():
            raise ValueError(f"every table must hold positive frequencies that sum to {TOTAL}")
        object.__setattr__(self, "starts", starts)
        object.__setattr__(self, "coded", self.reach >= 0)

    def __len__(self) -> int:
        return len(self.reach)

    def frequency(self, index: int) -> np.ndarray:
        """One table.

        Args:
            index: Which.

        Returns:
            (2·reach + 2,) uint32; the last is the escape's.
        """
        return self.frequencies[self.starts[index] : self.starts[index + 1]]

    def coded_positions(self, indices: np.ndarray) -> np.ndarray:
        """Where residuals are coded at all.

        Args:
            indices: uint8 of any shape, the table of each residual.

        Returns:
            Positions in ``indices``, flattened, whose table is not empty.
        """
        return np.flatnonzero(self.coded[indices])

    @cached_property
    def models(self) -> list:
        """One constriction model a table.

        With ``perfect=False`` constriction gives symbol k the frequency floor(p_k·scale) + 1, where
        the scale makes the float probabilities sum to 2^24 less the number of symbols. Passing
        frequency − 1 makes that scale 1, exactly.
        """
        return [
            constriction.stream.model.Categorical(
                self.frequency(i).astype(np.float64) - 1, perfect=False
            )
            if self.coded[i]
            else None
            for i in range(len(self))
        ]

    @cached_property
    def _bits(self) -> np.ndarray:
        return -np.log2(self.frequencies / TOTAL)

    def cost(self, residuals: np.ndarray, indices: np.ndarray) -> np.ndarray:
        """The information content of residuals, the escapes' tails included.

        Args:
            residuals: (N,) integers.
            indices: (N,) uint8, the table of each, none of them empty.

        Returns:
            (N,) bits.
        """
        reach = self.reach[indices].astype(np.int64)
        excess = np.abs(residuals) - reach
        outside = excess > 0
        bits = self._bits[
            self.starts[indices] + np.where(outside, 2 * reach + 1, residuals + reach)
        ]
        tail = 1 + np.log2(ESCAPE_LENGTHS) + np.floor(np.log2(np.maximum(excess, 1)))
        return bits + np.where(outside, tail, 0.0)


def quantise(probabilities: np.ndarray) -> np.ndarray:
    """Integer frequencies nearest to probabilities, by largest remainder.

    Args:
        probabilities: (N,) positive; their sum need not be 1.

    Returns:
        (N,) uint32, positive, of sum 2^24.
    """
    share = np.asarray(probabilities, np.float64)
    exact = share / share.sum() * (TOTAL - len(share))
    whole = np.floor(exact).astype(np.int64)
    short = TOTAL - len(share) - whole.sum()
    whole[np.argsort(whole - exact, kind="stable")[:short]] += 1
    return (whole + 1).astype(np.uint32)
