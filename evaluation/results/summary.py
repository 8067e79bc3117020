"""What measurements of a codec at a rate come to, and how such summaries go together: by codec,
along the realism asked for.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from metamer.evaluation.results.at_rate import RateMiss


@dataclass(frozen=True)
class MeanInterval:
    """A mean over pictures, or of paired differences, and its 95 % bootstrap interval over them."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.4g} [{self.low:.4g}, {self.high:.4g}]"


@dataclass
class RateSummary:
    """A codec at a rate (`at_rate.at_rate`).

    Attributes:
        codec: Its name.
        target: The rate, in bits a pixel.
        pictures: How many count; 0 where the codec is not at the rate, or no picture is for all.
        bpp: Mean over them; over all its pictures where none counts.
        mean_deviation: Mean distance of those pictures from the rate, in bits a pixel.
        largest_deviation: The largest.
        means: Distance's label → mean over those pictures; empty where none counts.
        differences: Distance's label → the codec's value less the anchor's on the same picture;
            empty where either is not at the rate.
        realism: What `evaluation.realism.comparison.compare_sets` finds between the originals of
            those pictures and what was decoded, if it was asked for.
        misses: The codec's pictures that are off the rate.
        at_rate: Whether the codec is at the rate, on half of the pictures at least.
    """

    codec: str
    target: float
    pictures: int
    bpp: float
    mean_deviation: float
    largest_deviation: float
    means: dict[str, MeanInterval]
    differences: dict[str, MeanInterval]
    realism: dict[str, float] | None = None
    misses: list[RateMiss] = field(default_factory=list)
    at_rate: bool = True


def realism_setting(codec: str) -> float | None:
    """How realistic MODEL+DECODER@REALISM was asked to be; none for what has no slider."""
    _, at, number = codec.partition("@")
    return float(number) if at else None


def realism_paths(summaries: Sequence[RateSummary]) -> dict[tuple[float, str], list[RateSummary]]:
    """(rate, MODEL+DECODER) → its path, by rising realism; it starts at MODEL, which is the same as
    realism 0.
    """
    paths = defaultdict(dict)
    for summary in summaries:
        if realism_setting(summary.codec) is not None:
            paths[summary.target, summary.codec.partition("@")[0]][
                realism_setting(summary.codec)
            ] = summary
    for (rate, name), path in paths.items():
        for summary in summaries:
            if (summary.target, summary.codec) == (rate, name.partition("+")[0]):
                path.setdefault(0.0, summary)
    return {key: [path[at] for at in sorted(path)] for key, path in paths.items() if len(path) > 1}


def by_codec(summaries: Sequence[RateSummary]) -> dict[str, list[RateSummary]]:
    """Codec → what it has at each rate, by rising rate."""
    codecs = dict.fromkeys(summary.codec for summary in summaries)
    ordered = sorted(summaries, key=lambda summary: summary.target)
    return {name: [summary for summary in ordered if summary.codec == name] for name in codecs}
