"""How well distances in a network's layers agree with ratings of TID2013's layout."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import stats

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

    def gain(
        self, values: Sequence[np.ndarray], others: Sequence[np.ndarray], level: float = 0.95
    ) -> Interval:
        """By how much ``values``, one array a seed, correlate better than ``others`` in the mean,
        with the interval of the difference over references.
        """
        count = len(values)

        def difference(*arrays: np.ndarray) -> float:
            *networks, opinion = arrays
            correlations = [agreement.spearman(network, opinion) for network in networks]
            return float(np.mean(correlations[:count]) - np.mean(correlations[count:]))

        arrays = (*values, *others, self.opinion)
        return (
            difference(*arrays),
            *bootstrap_interval(difference, arrays, self.clusters, SAMPLES, level=level),
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


def scatter_of_trainings(agreements: np.ndarray) -> float:
    """How far trainings that differ in their seed alone scatter, as a standard deviation.

    agreements: (seeds, strengths), two of either at least. What a seed or a strength has in common
    is no scatter: the residuals of the additive model of both are.
    """
    residuals = (
        agreements
        - agreements.mean(0, keepdims=True)
        - agreements.mean(1, keepdims=True)
        + agreements.mean()
    )
    return float(np.sqrt(np.square(residuals).sum() / freedom(agreements)))


def freedom(agreements: np.ndarray) -> int:
    """Degrees of freedom of `scatter_of_trainings`."""
    seeds, strengths = agreements.shape
    return (seeds - 1) * (strengths - 1)


def best_strength(people: RatedPairs, curves: Sequence[Mapping[float, np.ndarray]]) -> dict:
    """The strength at which the encoder's end agrees best, and by how much more than either end of
    the curve.

    curves: strength → values of a network trained so, one curve a seed. Agreements are means over
    seeds. Intervals of differences cover references, by resampling, and where there are several
    seeds also trainings, by Student's t of their scatter; the two are independent and add up in
    quadrature. The best strength is chosen by the same figures, so the intervals hold for all
    strengths at once (Bonferroni). It is interior where both differences are positive, clearly so
    where both intervals are.
    """
    strengths = sorted(curves[0])
    agreements = np.array(
        [[agreement.spearman(curve[at], people.opinion) for at in strengths] for curve in curves]
    )
    best = strengths[int(agreements.mean(0).argmax())]
    level = 1 - 0.05 / max(len(strengths) - 1, 1)
    is_grid = len(curves) > 1 and len(strengths) > 1
    scatter = scatter_of_trainings(agreements) if is_grid else None
    half_width = 0.0
    if scatter is not None:
        quantile = stats.t.ppf((1 + level) / 2, freedom(agreements))
        half_width = quantile * scatter * np.sqrt(2 / len(curves))

    def over(end: float) -> Interval:
        if end == best:
            return 0.0, 0.0, 0.0
        value, low, high = people.gain(
            [curve[best] for curve in curves], [curve[end] for curve in curves], level
        )
        return (
            value,
            value - float(np.hypot(value - low, half_width)),
            value + float(np.hypot(high - value, half_width)),
        )

    return {
        "strength": best,
        "seeds": len(curves),
        "scatter": scatter,
        "over_plain": over(strengths[0]),
        "over_strongest": over(strengths[-1]),
    }
