"""How well distances in a network's layers agree with ratings of TID2013's layout."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from metamer.evaluation.images import read_image
from metamer.evaluation.intervals import bootstrap_interval
from metamer.evaluation.measure.panel import Panel
from metamer.evaluation.probes.perceptnet_sweep.points import TrainedPoint
from metamer.evaluation.ratings import agreement, datasets
from metamer.evaluation.ratings.judging import measure_pairs
from metamer.perception import create

BASELINES = ("mse", "ms-ssim")
SAMPLES = 500  # bootstrap resamples
Interval = tuple[float, float, float]


@dataclass(frozen=True)
class RatedPairs:
    """Opinions on pairs of images, all signed so that more means better, and whose reference is
    whose.
    """

    pairs: list[tuple[Path, Path]]
    opinion: np.ndarray
    clusters: np.ndarray

    def spearman(self, values: np.ndarray) -> Interval:
        """Rank correlation of quality by ``values``, more being better, and its 95 % interval over
        references.
        """
        arrays = (values, self.opinion)
        return (
            agreement.spearman(*arrays),
            *bootstrap_interval(agreement.spearman, arrays, self.clusters, SAMPLES),
        )

    def gain(self, values: np.ndarray, other: np.ndarray) -> Interval:
        """By how much ``values`` correlate better than ``other``, with the interval of the
        difference.
        """

        def difference(first: np.ndarray, second: np.ndarray, opinion: np.ndarray) -> float:
            return agreement.spearman(first, opinion) - agreement.spearman(second, opinion)

        arrays = (values, other, self.opinion)
        return (
            difference(*arrays),
            *bootstrap_interval(difference, arrays, self.clusters, SAMPLES),
        )


def load_rated_pairs(folder: Path) -> RatedPairs:
    """What a folder in TID2013's layout holds."""
    opinions = datasets.load_opinions("tid2013", folder)
    items = sorted(opinions.items, key=lambda item: (item.reference, item.image))
    opinion = np.array([item.opinion for item in items]) * (1 if opinions.higher_is_better else -1)
    return RatedPairs(
        [(item.reference, item.image) for item in items],
        opinion,
        np.array([item.reference.name for item in items]),
    )


def measure_baselines(people: RatedPairs, out: Path) -> dict[str, np.ndarray]:
    """Distance → its values, negated where less is better; those that the images are large enough
    for.
    """
    side = min(read_image(people.pairs[0][0]).size)
    distances = [distance for distance in map(create, BASELINES) if distance.min_side <= side]
    rows = measure_pairs(people.pairs, Panel(distances), out / "values" / "baselines")
    return {
        d.label: np.array([row[d.label] for row in rows]) * d.metric.direction for d in distances
    }


def measure_point(
    name: str, point: TrainedPoint, people: RatedPairs, out: Path
) -> dict[str, np.ndarray]:
    """Label → negated distances. What an earlier call measured with the same weights is not
    measured again.
    """
    rows = measure_pairs(people.pairs, Panel([], [point]), out / "values" / f"{name}-{point.mark}")
    return {name: -np.array([row[name] for row in rows]) for name in point.labels}


def best_strength(people: RatedPairs, curve: dict[float, np.ndarray]) -> dict:
    """The strength at which the encoder's end agrees best, and by how much more than either end of
    the curve.

    It is interior where both differences are positive, clearly so where both intervals are.
    """
    best = max(curve, key=lambda strength: agreement.spearman(curve[strength], people.opinion))
    ends = {"over_plain": min(curve), "over_strongest": max(curve)}
    return {
        "strength": best,
        **{name: people.gain(curve[best], curve[end]) for name, end in ends.items()},
    }
