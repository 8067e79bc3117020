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
    if not count:
        return float("nan"), float("nan")
    labels = (
        np.arange(count)
        if clusters is None
        else np.unique(clusters, return_inverse=True)[1].ravel()
    )
    members = np.split(np.argsort(labels, kind="stable"), np.cumsum(np.bincount(labels))[:-1])

    def of_resample(drawn: np.ndarray) -> float:
        chosen = (
            drawn if clusters is None else np.concatenate([members[cluster] for cluster in drawn])
        )
        return statistic(*(array[chosen] for array in arrays))

    from scipy import stats  # half a second, which what only draws means can do without

    if len(members) == 1:  # SciPy takes two items at least; every resample of one is that one
        values = np.array([of_resample(np.zeros(1, int))])
    else:
        with warnings.catch_warnings():
            # of NaN, which do not count here
            warnings.simplefilter("ignore", stats.DegenerateDataWarning)
            values = stats.bootstrap(
                (np.arange(len(members)),),
                of_resample,
                n_resamples=samples,
                vectorized=False,
                method="percentile",
                random_state=np.random.default_rng(seed),
            ).bootstrap_distribution
    values = values[~np.isnan(values)]
    if not len(values):
        return float("nan"), float("nan")
    low, high = np.quantile(values, ((1 - level) / 2, (1 + level) / 2))
    return float(low), float(high)


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
    values = np.asarray(values, float)
    count = len(values)
    if not count:
        return np.full(values.shape[1:], np.nan), np.full(values.shape[1:], np.nan)
    drawn = np.random.default_rng(seed).integers(0, count, (samples, count))
    # how often each item comes in each resample: one product of matrices makes all means
    weights = np.zeros((samples, count))
    np.add.at(weights, (np.arange(samples)[:, None], drawn), 1 / count)
    means = (weights @ values.reshape(count, -1)).reshape(samples, *values.shape[1:])
    low, high = np.quantile(means, ((1 - level) / 2, (1 + level) / 2), axis=0)
    return low, high


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
    reach = NORMAL * values.std(ddof=1) * (size / (len(pictures) - size)) ** 0.5
    return float(value - reach), float(value + reach)
