"""Which measurements are at the rate that they were made for, and may be compared at it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

TOLERANCE = 0.03  # of the rate: a file further off is of another rate
MOST_MISSED = 0.5  # of the pictures: a codec that misses the rate on more is not at that rate


@dataclass(frozen=True)
class RateMiss:
    """A picture whose file is off the rate. excess: share of the rate that it has too much, below 0
    too little.
    """

    image: str
    bpp: float
    excess: float

    def __str__(self) -> str:
        return f"{self.image} {100 * self.excess:+.1f} %".replace("-", "−")


@dataclass(frozen=True)
class AtRate:
    """What can be compared at one rate.

    Attributes:
        codecs: Those that are at the rate.
        images: The pictures that all of those have at the rate, in the order of the rows; the same
            for every codec, since means over other pictures would not compare.
        misses: Codec → its pictures that are off the rate, of every codec.
    """

    codecs: Sequence[str]
    images: Sequence[str]
    misses: dict[str, list[RateMiss]] = field(default_factory=dict)


def excess(row: dict) -> float:
    """Share of the target rate that a row's file has too much, below 0 too little."""
    return row["bpp"] / row["target"] - 1


def is_off_rate(row: dict) -> bool:
    """Whether a row was made for a rate and its file is more than 3 % off it."""
    return row.get("target") is not None and abs(excess(row)) > TOLERANCE


def at_rate(rows: Iterable[dict]) -> AtRate:
    """Says what can be compared at one rate.

    A codec that misses the rate on more than half of the pictures is not at the rate; of the others
    every picture that one of them misses is left out of all.

    Args:
        rows: Of `metamer evaluate --bpp`, all with the same target; codec, image and bpp are read.
    """
    misses: dict[str, list[RateMiss]] = {}
    images: dict[str, set[str]] = {}
    order: dict[str, None] = {}
    for row in rows:
        order.setdefault(row["image"])
        images.setdefault(row["codec"], set()).add(row["image"])
        codec_misses = misses.setdefault(row["codec"], [])
        if is_off_rate(row):
            codec_misses.append(RateMiss(row["image"], row["bpp"], excess(row)))
    codecs = [name for name in images if len(misses[name]) <= MOST_MISSED * len(images[name])]
    left_out = {miss.image for name in codecs for miss in misses[name]}
    shared = [
        name for name in order if name not in left_out and all(name in images[by] for by in codecs)
    ]
    return AtRate(codecs, shared if codecs else [], misses)
