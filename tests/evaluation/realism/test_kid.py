"""Distances of sets of features by their definitions, and that intervals hold what they promise."""

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from metamer.codec.errors import ImageError
from metamer.evaluation.intervals import jackknife_interval
from metamer.evaluation.realism import kid
from metamer.evaluation.realism.frechet import frechet_distance_of_features


@pytest.fixture
def features():
    """Two sets of features, (60, 12) and (50, 12), of different moments."""
    torch.manual_seed(1)
    mix = torch.randn(12, 12)
    return torch.randn(60, 12) @ mix, torch.randn(50, 12) @ (mix + 0.3 * torch.randn(12, 12)) + 0.5


def test_frechet_distance_is_heusels_formula(features):
    x, y = (part.double().numpy() for part in features)
    covariances = [np.cov(part.T) for part in (x, y)]
    cross = sqrtm(covariances[0] @ covariances[1]).real
    expected = ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(
        covariances[0] + covariances[1] - 2 * cross
    )
    assert (
        frechet_distance_of_features(*features) == pytest.approx(expected, rel=1e-6)
        and frechet_distance_of_features(features[0], features[0]) < 1e-9
    )


def test_discrepancy_is_its_double_sum(features):
    x, y = features[0][:7].double(), features[1][:7].double()

    def kernel(a, b):
        return (a @ b / 12 + 1).item() ** 3

    expected = (
        sum(
            kernel(x[i], x[j]) + kernel(y[i], y[j]) - kernel(x[i], y[j]) - kernel(x[j], y[i])
            for i in range(7)
            for j in range(7)
            if i != j
        )
        / 42
    )
    assert kid.paired_squared_mmd(x, y) == pytest.approx(expected, rel=1e-9)
    assert kid.paired_squared_mmd(x, x) == pytest.approx(0, abs=1e-12)
    usual = sum(
        kernel(a[i], a[j]) / 42 for a in (x, y) for i in range(7) for j in range(7) if i != j
    ) - 2 * sum(kernel(a, b) / 49 for a in x for b in y)
    assert kid.squared_mmd(x, y) == pytest.approx(usual, rel=1e-9)
    assert kid.squared_mmd(x, x) < 0  # rows that belong together are not independent


def test_kid_is_nothing_for_one_distribution_and_the_same_every_time(features):
    torch.manual_seed(2)
    x, y = torch.randn(2, 400, 12)
    for paired in (False, True):
        values = kid.kid_of_subsets(x, y, paired)
        assert len(values) == kid.SUBSETS and abs(values.mean()) < values.std()
        assert values.std() < kid.kid_of_subsets(features[0][:50], features[1], paired).mean() / 10
        assert np.array_equal(values, kid.kid_of_subsets(x, y, paired))
    with pytest.raises(ImageError, match="4 patches"):
        kid.kid_of_subsets(x[:3], y)


def test_kid_is_unbiased_where_rows_belong_together():
    """The same rows with noise in the last dimension of one set: on average as far apart as sets
    that share nothing.
    """
    torch.manual_seed(3)

    def noisy(x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x[:, :-1], x[:, -1:] + 1.5], 1)

    def average(pairs) -> tuple[float, float]:
        values = np.array([kid.paired_squared_mmd(*pair) for pair in pairs])
        return values.mean(), values.std() / len(values) ** 0.5

    sets = torch.randn(400, 2, 30, 4, dtype=torch.float64)
    (paired, error), (unpaired, unpaired_error) = (
        average((x, noisy(x)) for x, _ in sets),
        average((x, noisy(y)) for x, y in sets),
    )
    assert abs(paired - unpaired) < 4 * (error**2 + unpaired_error**2) ** 0.5 < unpaired / 2


def test_intervals_of_a_mean_are_the_usual_ones(rng):
    """Of a mean, whose standard error is known, for even and odd numbers of pictures."""
    for count in (40, 41):
        values = rng.normal(3, 2, count)
        low, high = jackknife_interval(
            lambda indices, values=values: values[indices].mean(), values.mean(), np.arange(count)
        )
        assert (low + high) / 2 == pytest.approx(values.mean())
        assert high - low == pytest.approx(2 * 1.96 * values.std(ddof=1) / count**0.5, rel=0.25)


def test_intervals_hold_a_biased_distance_of_this_many_pictures(rng):
    """Fréchet's, where a picture's patches are alike: of intervals of 95 % all but a few hold its
    mean over many such sets.
    """

    def draw_sets():
        originals = rng.normal(size=(24, 1, 6)) + 0.5 * rng.normal(size=(24, 4, 6))
        return [
            torch.from_numpy(part)
            for part in (originals, 0.7 * originals + 0.3 * rng.normal(size=originals.shape) + 0.4)
        ]

    def distance(pair, indices):
        return frechet_distance_of_features(*(part[indices].flatten(0, 1) for part in pair))

    pairs, all_pictures = [draw_sets() for _ in range(60)], np.arange(24)
    values = [distance(pair, all_pictures) for pair in pairs]
    covered = [
        low <= np.mean(values) <= high
        for pair, value in zip(pairs, values, strict=True)
        for low, high in [
            jackknife_interval(
                lambda indices, pair=pair: distance(pair, indices), value, all_pictures
            )
        ]
    ]
    assert np.mean(covered) > 0.8
