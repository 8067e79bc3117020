"""How well a distance agrees with people: correlations with opinions, credit for choices, and how
sure either is.

Distances and opinions come signed so that more means better (a distance is negated, as is a DMOS);
then +1 is perfect agreement. Numbers of different count, or any NaN, are a RatingsError. Where a
statistic is not defined (fewer than three items, all of them alike, no pair that looked the same)
it is NaN. Infinite values, such as the PSNR of equal images, have a rank; `pearson` alone is NaN
with them.
"""

import warnings

import numpy as np
from scipy.optimize import OptimizeWarning, curve_fit
from scipy.special import expit
from scipy.stats import kendalltau, rankdata

from metamer.evaluation.ratings.items import RatingsError


def _checked(*arrays: np.ndarray) -> list[np.ndarray]:
    """Float64 (N,) of each, all of one N and without NaN."""
    arrays = [np.asarray(array, np.float64) for array in arrays]
    if any(array.ndim != 1 or len(array) != len(arrays[0]) for array in arrays):
        raise RatingsError(
            f"values and ratings do not pair up: {', '.join(str(array.shape) for array in arrays)}"
        )
    if any(np.isnan(array).any() for array in arrays):
        raise RatingsError("NaN among the values or ratings")
    return arrays


def linear_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Pearson's correlation as it stands, from −1 to 1; NaN where an array is constant."""
    first, second = first - first.mean(), second - second.mean()
    scale = np.sqrt((first @ first) * (second @ second))
    return float(np.clip(first @ second / scale, -1, 1)) if scale > 0 else float("nan")


def spearman(values: np.ndarray, opinions: np.ndarray) -> float:
    """Spearman's rank correlation of (N,) and (N,), from −1 to 1; ties share their mean rank."""
    values, opinions = _checked(values, opinions)
    return (
        linear_correlation(rankdata(values), rankdata(opinions))
        if len(values) > 2
        else float("nan")
    )


def kendall(values: np.ndarray, opinions: np.ndarray) -> float:
    """Kendall's τ-b of (N,) and (N,), from −1 to 1: pairs in the same order less pairs in the
    other, ties accounted for.
    """
    values, opinions = _checked(values, opinions)
    return (
        float(kendalltau(values, opinions, method="asymptotic").statistic)
        if len(values) > 2
        else float("nan")
    )


def _five(
    x: np.ndarray, height: float, slope: float, middle: float, tilt: float, offset: float
) -> np.ndarray:
    return height * (expit(slope * (x - middle)) - 0.5) + tilt * x + offset


def _five_gradient(
    x: np.ndarray, height: float, slope: float, middle: float, tilt: float, offset: float
) -> np.ndarray:
    step = expit(slope * (x - middle))
    bell = height * step * (1 - step)
    return np.stack([step - 0.5, bell * (x - middle), -bell * slope, x, np.ones_like(x)], 1)


def _four(x: np.ndarray, height: float, slope: float, middle: float, offset: float) -> np.ndarray:
    return _five(x, height, slope, middle, 0.0, offset)


def _four_gradient(
    x: np.ndarray, height: float, slope: float, middle: float, offset: float
) -> np.ndarray:
    return _five_gradient(x, height, slope, middle, 0.0, offset)[:, [0, 1, 2, 4]]


def pearson(values: np.ndarray, opinions: np.ndarray) -> float:
    """Pearson's correlation of (N,) and (N,) after a logistic fit of the opinions, from −1 to 1.

    The fit is the five-parameter one of Sheikh, Sabir, Bovik (IEEE Transactions on Image Processing
    15(11), 2006), a logistic and a straight line, unconstrained as they and those after them have
    it. It starts from the logistic that rises over the middle half of the values. Where it does not
    converge, or does worse than the line it contains, VQEG's four-parameter logistic takes its
    place, and where that does no better, the linear correlation. A fit bends either way, so its
    correlation has no sense of direction: the sign is that of Spearman's correlation, or where that
    is 0, of the linear one.
    """
    values, opinions = _checked(values, opinions)
    if len(values) < 3 or not (np.isfinite(values).all() and np.isfinite(opinions).all()):
        return float("nan")
    linear = linear_correlation(values, opinions)
    sign = np.sign(spearman(values, opinions)) or np.sign(linear)
    if np.isnan(linear) or sign == 0:
        return linear
    # turned so that it rises: the same fit, to the bit, for a distance and its negative
    x, y = (
        sign * (values - np.median(values)) / values.std(),
        (opinions - opinions.mean()) / opinions.std(),
    )
    low, high = np.quantile(x, (0.25, 0.75))
    # a logistic goes from 1/4 to 3/4 over 2·log 3 of its slope
    slope = 2 * np.log(3) / max(high - low, 0.1)
    rise = (np.ptp(y), slope, 0)
    for model, gradient, start in (
        (_five, _five_gradient, (*rise, 0, 0)),
        (_four, _four_gradient, (*rise, 0)),
    ):
        if len(x) <= len(start):
            continue
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                # of a covariance that is not wanted
                warnings.simplefilter("ignore", OptimizeWarning)
                parameters = curve_fit(model, x, y, start, jac=gradient, maxfev=1000, ftol=1e-6)[0]
        except (RuntimeError, ValueError):  # no convergence; a step to infinity
            continue
        fitted = linear_correlation(model(x, *parameters), y)
        if fitted >= abs(linear) - 1e-9:
            return float(sign * fitted)
    return linear


def two_afc_credit(first: np.ndarray, second: np.ndarray, preference: np.ndarray) -> float:
    """Mean share, 0 to 1, of the observers with whom a distance agrees about which of two images is
    closer to the reference.

    ``first``, ``second``: (N,) distances of both from the reference, less is closer.
    ``preference``: (N,) fraction of observers for the second. Equal distances get one half. As in
    Zhang et al., "The unreasonable effectiveness of deep features as a perceptual metric", CVPR
    2018.
    """
    first, second, preference = _checked(first, second, preference)
    if not len(first):
        return float("nan")
    return float(
        np.mean(
            np.where(first == second, 0.5, np.where(second < first, preference, 1 - preference))
        )
    )


def jnd_map(distance: np.ndarray, same: np.ndarray) -> float:
    """Average precision, 0 to 1, of calling the pairs at the least distance the same.

    ``distance``: (N,), less is more alike. ``same``: (N,) fraction of observers who saw no
    difference; a pair counts so far as a true positive and for the rest as a false one. The area
    under precision over recall, precision being the best at this recall or a greater one, as in
    PASCAL VOC since 2010 and Zhang et al., CVPR 2018. Pairs at one distance are called together, so
    that their order does not matter. NaN where no observer saw any two the same.
    """
    distance, same = _checked(distance, same)
    if not same.sum() > 0:
        return float("nan")
    order = np.argsort(distance, kind="stable")
    last = np.r_[distance[order][1:] != distance[order][:-1], True]  # of each group at one distance
    true = np.cumsum(same[order])[last]
    precision = np.maximum.accumulate((true / (np.flatnonzero(last) + 1))[::-1])[::-1]
    return float(np.sum(np.diff(true, prepend=0) * precision) / true[-1])
