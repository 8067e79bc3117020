"""How sure a figure is: intervals by resampling."""

import warnings
from collections.abc import Callable, Sequence

import numpy as np

from metamer.codec.errors import MetamerError

HALVES = 100  # that a jackknife interval is made of
LEAST_PICTURES = 4  # for a jackknife interval: two in each half
NORMAL = 1.96  # standard deviations either side hold 95 %


def bootstrap_interval(
    statistic: Callable[..., float],
    arrays: Sequence[np.ndarray],
    clusters: np.ndarray | None = None,
    samples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[float, float]:
    """Percentile interval of a statistic under resampling of the items (Efron, Tibshirani, 1993),
    by SciPy.

    Args:
        statistic: Takes the arrays, resampled together, and returns a number.
        arrays: (N,) each, without NaN.
        clusters: (N,) labels, such as reference images. Whole clusters are drawn then, since
            ratings of one photograph are not independent, and every cluster comes as often as it is
            drawn.
        samples: How many resamples.
        seed: The same seed gives the same resamples to every statistic.
        level: Coverage, between 0 and 1.

    Returns:
        The ends of the interval. Resamples whose statistic is NaN do not count; (NaN, NaN) when
        none is left.

    Raises:
        MetamerError: Arrays of different lengths, NaN in them, or labels for another number of
        items.
    """
    arrays = [np.asarray(array) for array in arrays]
    check_resampled(arrays, clusters)
    members = cluster_members(np.arange(len(arrays[0])) if clusters is None else clusters)

    def of_resample(drawn: np.ndarray, axis: int = 0) -> float:
        chosen = drawn
        if clusters is not None:
            chosen = np.concatenate([members[cluster] for cluster in drawn])
        return statistic(*(array[chosen] for array in arrays))

    values = resampled(np.arange(len(members)), of_resample, samples, seed, vectorized=False)
    low, high = percentiles(values[~np.isnan(values)], level)
    return float(low), float(high)


def check_resampled(arrays: Sequence[np.ndarray], clusters: np.ndarray | None) -> None:
    """Raises MetamerError for arrays that cannot be resampled together."""
    count = len(arrays[0])
    if any(array.shape != (count,) for array in arrays):
        raise MetamerError(
            "arrays to resample differ in length: "
            f"{', '.join(str(array.shape) for array in arrays)}"
        )
    if any(np.isnan(array).any() for array in arrays):
        raise MetamerError("NaN among the values to resample")
    if clusters is not None and len(clusters) != count:
        raise MetamerError(f"{len(clusters)} cluster labels for {count} items")


def cluster_members(labels: np.ndarray) -> list[np.ndarray]:
    """The indices of the items of each cluster, by (N,) labels."""
    if not len(labels):
        return []
    numbers = np.unique(labels, return_inverse=True)[1].ravel()
    return np.split(np.argsort(numbers, kind="stable"), np.cumsum(np.bincount(numbers))[:-1])


def resampled(
    items: np.ndarray, statistic: Callable[..., np.ndarray], samples: int, seed: int, **options
) -> np.ndarray:
    """(…, samples) values of a statistic of (N, …) items, drawn with replacement by SciPy.

    None of no items. options: of `scipy.stats.bootstrap`.
    """
    from scipy import stats  # a third of a second, which what draws nothing can do without

    if not len(items):
        return np.zeros((*items.shape[1:], 0))
    if len(items) == 1:  # SciPy takes two items at least; every resample of one is that one
        return np.asarray(statistic(items, axis=0), float)[..., None]
    with warnings.catch_warnings():
        # of NaN, with which callers deal
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        return stats.bootstrap(
            (items,),
            statistic,
            n_resamples=samples,
            method="percentile",
            random_state=np.random.default_rng(seed),
            **options,
        ).bootstrap_distribution


def percentiles(values: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """The ends between which ``level`` of (…, samples) values lie; NaN of none."""
    if not values.shape[-1]:
        return np.full(values.shape[:-1], np.nan), np.full(values.shape[:-1], np.nan)
    low, high = np.quantile(values, ((1 - level) / 2, (1 + level) / 2), axis=-1)
    return low, high


def mean_intervals(
    values: np.ndarray, samples: int = 1000, seed: int = 0, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """`bootstrap_interval` of many means at once, each of whose items are resampled alike.

    Args:
        values: (N, …), items first. A mean with NaN among its items has NaN for its interval.
        samples: How many resamples.
        seed: As for `bootstrap_interval`, which draws the same resamples from it.
        level: Coverage, between 0 and 1.

    Returns:
        The ends, of the shape of ``values`` without its first axis.
    """
    values = resampled(np.asarray(values, float), np.mean, samples, seed, axis=0, vectorized=True)
    return percentiles(values, level)


def jackknife_interval(
    measure: Callable[[np.ndarray], float], value: float, pictures: np.ndarray, seed: int = 0
) -> tuple[float, float]:
    """95 % interval around ``value``, by how ``measure`` varies between halves of the pictures.

    pictures: (N,) indices, N at least 4; measure: some of them → what is measured on these of both
    sets. The delete-d jackknife with d one half (Shao & Wu, "A general theory for jackknife
    variance estimation", Annals of Statistics 17(3), 1989): the deviation between halves, drawn
    without replacement, estimates that of the whole. A bootstrap would draw pictures twice, and a
    distance that is biased upwards where pictures are few would come out too high in every
    resample; halves are all biased alike, and only their spread counts. The interval is for the
    distance at this number of pictures, its bias included.
    """
    rng = np.random.default_rng(seed)
    size = len(pictures) // 2
    values = np.array([measure(rng.permutation(pictures)[:size]) for _ in range(HALVES)])
    half_width = NORMAL * values.std(ddof=1) * (size / (len(pictures) - size)) ** 0.5
    return float(value - half_width), float(value + half_width)
