"""What people said of images: a mean opinion, a choice between two, whether they saw a
difference.
"""

from dataclasses import dataclass
from pathlib import Path

from metamer.codec.errors import MetamerError


class RatingsError(MetamerError):
    """A data set of ratings that is not where or what it should be, or numbers that agreement is
    not defined for.
    """


@dataclass(frozen=True)
class RatedImage:
    """An image and its mean opinion, on the scale of its set. ``level``: the distortion's, from 1;
    0 where the set gives none.
    """

    reference: Path
    image: Path
    kind: str
    level: int
    opinion: float


@dataclass(frozen=True)
class OpinionSet:
    """A set of mean opinions; ``higher_is_better`` gives the sense of its scale."""

    name: str
    items: tuple[RatedImage, ...]
    higher_is_better: bool


@dataclass(frozen=True)
class RatedTriplet:
    """Which of two images is closer to the reference: ``preference`` is the fraction of observers
    who said ``second``.
    """

    reference: Path
    first: Path
    second: Path
    kind: str
    preference: float


@dataclass(frozen=True)
class RatedPair:
    """Two images and the fraction of observers, ``same``, who saw no difference in a brief look."""

    first: Path
    second: Path
    kind: str
    same: float
