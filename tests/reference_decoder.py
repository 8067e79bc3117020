"""A range decoder in plain Python integers, written from bitstreams/FORMAT.md and sharing no code with entropy/."""

MASK = (1 << 64) - 1


class RangeDecoder:
    """FORMAT.md, "Range coder"."""

    def __init__(self, data: bytes):
        data += bytes(-len(data) % 4)
        self.words = [int.from_bytes(data[i : i + 4], "little") for i in range(0, len(data), 4)]
        self.lower, self.range = 0, MASK
        self.point = self.next() << 32 | self.next()

    def next(self) -> int:
        return self.words.pop(0) if self.words else 0

    def symbol(self, frequencies) -> int:
        scale = self.range >> 24
        quantile = ((self.point - self.lower) & MASK) // scale
        assert quantile < 1 << 24
        left = 0
        for symbol, frequency in enumerate(map(int, frequencies)):  # noqa: B007
            if quantile < left + frequency:
                break
            left += frequency
        self.lower = (self.lower + scale * left) & MASK
        self.range = scale * frequency
        if self.range < 1 << 32:
            self.lower, self.range = (self.lower << 32) & MASK, self.range << 32
            self.point = (self.point << 32 | self.next()) & MASK
        return symbol

    def uniform(self, size: int) -> int:
        """One of ``size`` equally likely values; the last takes what division leaves over."""
        share = (1 << 24) // size
        return self.symbol([share] * (size - 1) + [(1 << 24) - share * (size - 1)])


def read_pass(decoder: RangeDecoder, tables, indices: list[int]) -> list[int]:
    """FORMAT.md, "A pass"."""
    residuals, escaped = [0] * len(indices), []
    for table in sorted(set(indices)):
        reach = int(tables.reach[table])
        if reach < 0:
            continue
        for place in [place for place, index in enumerate(indices) if index == table]:
            residuals[place] = decoder.symbol(tables.frequency(table)) - reach
            if residuals[place] > reach:
                escaped.append((place, reach))
    for place, reach in escaped:
        bits = decoder.uniform(24)
        low = decoder.uniform(1 << bits) if bits else 0
        value = reach + (1 << bits) + low
        residuals[place] = -value if decoder.uniform(2) else value
    return residuals
