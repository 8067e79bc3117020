"""Intervals cover as often as they say, and resample whole clusters."""

import numpy as np
import pytest

from metamer.codec.errors import MetamerError
from metamer.evaluation.intervals import bootstrap_interval, mean_intervals
from metamer.evaluation.ratings import agreement


def mean(array):
    return float(np.mean(array))


def test_intervals_have_their_nominal_coverage():
    draw = np.random.default_rng(1)
    intervals = [
        bootstrap_interval(mean, [draw.normal(size=60)], samples=200, level=0.9) for _ in range(200)
    ]
    assert 0.82 < np.mean([low < 0 < high for low, high in intervals]) < 0.97
    assert np.mean([high - low for low, high in intervals]) == pytest.approx(
        2 * 1.645 / np.sqrt(60), rel=0.1
    )


def test_clusters_widen_the_interval_of_clustered_data():
    draw = np.random.default_rng(2)
    clusters = np.repeat([f"I{n:02}" for n in range(20)], 30)
    array = np.repeat(draw.normal(size=20), 30) + 0.1 * draw.normal(size=600)
    clustered, independent = (
        np.diff(bootstrap_interval(mean, [array], labels, samples=300))[0]
        for labels in (clusters, None)
    )
    assert clustered > 3 * independent
    shuffled = draw.permutation(600)  # the order of the items is nothing to the clusters
    assert np.diff(bootstrap_interval(mean, [array[shuffled]], clusters[shuffled], samples=300))[
        0
    ] == pytest.approx(clustered)


def test_resamples_keep_items_together_and_repeat():
    values = np.random.default_rng(3).normal(size=50)
    assert bootstrap_interval(agreement.spearman, (values, values), samples=50) == pytest.approx(
        (1, 1)
    )
    interval, repeated, other_seed = (
        bootstrap_interval(mean, [values], samples=50, seed=seed) for seed in (4, 4, 5)
    )
    assert interval == repeated != other_seed


def test_every_member_of_a_drawn_cluster_comes():
    counts = []
    bootstrap_interval(
        lambda array: counts.append(np.bincount(array.astype(int), minlength=3)) or 0.0,
        [np.array([0, 0, 0, 1, 2, 2])],
        np.array(["a", "a", "a", "b", "c", "c"]),
        samples=40,
    )
    assert all(
        (count % [3, 1, 2] == 0).all() and (count / [3, 1, 2]).sum() == 3 for count in counts
    )


def test_intervals_without_ground_are_nan_or_an_error():
    assert np.isnan(
        bootstrap_interval(agreement.spearman, ([1.0, 1, 1], [1.0, 2, 3]), samples=20)
    ).all()
    assert np.isnan(bootstrap_interval(mean, [[]])).all()
    with pytest.raises(MetamerError, match="2 cluster labels for 3 items"):
        bootstrap_interval(mean, [[1.0, 2, 3]], ["a", "b"])
    with pytest.raises(MetamerError, match="differ in length"):
        bootstrap_interval(mean, [[1.0, 2, 3], [1.0, 2]])
    with pytest.raises(MetamerError, match="NaN among"):
        bootstrap_interval(mean, [[1.0, np.nan, 3]])


def test_resamples_without_a_value_do_not_count_and_one_item_is_itself():
    low, high = bootstrap_interval(
        lambda array: np.nan if array.min() > 0 else 1.0, [np.arange(4.0)], samples=50
    )
    assert (low, high) == (1, 1)
    assert bootstrap_interval(mean, [[3.0]]) == (3, 3)
    assert bootstrap_interval(mean, [[3.0, 5.0]], ["a", "a"]) == (4, 4)


def test_many_means_at_once_have_the_intervals_that_each_has():
    values = np.random.default_rng(4).normal(size=(9, 3, 2))
    low, high = mean_intervals(values)
    assert low.shape == high.shape == (3, 2)
    for place in np.ndindex(3, 2):
        expected = bootstrap_interval(mean, [values[(slice(None), *place)]])
        assert (low[place], high[place]) == pytest.approx(expected, abs=1e-12)
    values[0, 0, 0] = np.nan
    assert np.isnan(mean_intervals(values)[0]).tolist() == [[True, False], *[[False] * 2] * 2]
    assert np.isnan(mean_intervals(np.zeros((0, 2)))).all()
