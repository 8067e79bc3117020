"""Agreement with people: what must hold for any numbers, values worked by hand, intervals that
cover.
"""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from metamer.evaluation.ratings import agreement
from metamer.evaluation.ratings.items import RatingsError

CORRELATIONS = (agreement.spearman, agreement.kendall, agreement.pearson)
integers = st.integers(-50, 50)
pairs = st.lists(st.tuples(integers, integers), min_size=8, max_size=40)


def columns(rows):
    values, opinions = np.array(rows, float).T
    assume(np.ptp(values) > 0 and np.ptp(opinions) > 0)
    return values, opinions


@given(st.lists(integers, min_size=6, max_size=40, unique=True))
def test_perfect_agreement_is_one(values):
    for statistic in CORRELATIONS:
        assert statistic(np.array(values), np.array(values) * 0.5 + 3) == pytest.approx(1, abs=1e-6)


@given(pairs)
def test_monotone_transforms_leave_ranks(rows):
    values, opinions = columns(rows)
    for statistic in (agreement.spearman, agreement.kendall):
        assert statistic(np.exp(values / 25), np.arctan(opinions)) == pytest.approx(
            statistic(values, opinions), abs=1e-12
        )


@given(pairs)
def test_orientation_flips_the_sign(rows):
    values, opinions = columns(rows)
    for statistic in CORRELATIONS:
        assert statistic(-values, opinions) == pytest.approx(-statistic(values, opinions), abs=1e-9)


@given(pairs)
def test_all_lie_between_minus_one_and_one_and_ranks_are_as_scipy_has_them(rows):
    values, opinions = columns(rows)
    assert all(-1 <= statistic(values, opinions) <= 1 for statistic in CORRELATIONS)
    assert agreement.spearman(values, opinions) == pytest.approx(
        stats.spearmanr(values, opinions).statistic, abs=1e-12
    )
    # a fit never does worse than a straight line
    assert (
        abs(agreement.pearson(values, opinions))
        > abs(stats.pearsonr(values, opinions).statistic) - 1e-8
    )


@given(st.floats(0.5, 8), st.floats(-1, 1), st.sampled_from([-1, 1]))
def test_logistic_data_agree_after_the_fit(slope, middle, sign):
    values = np.random.default_rng(0).normal(size=200)
    opinions = 30 + sign * 40 / (1 + np.exp(-slope * (values - middle)))
    assert agreement.pearson(values, opinions) == pytest.approx(sign, abs=1e-4)


def test_kendall_by_hand():
    # five pairs in order, one not
    assert agreement.kendall([1, 2, 3, 4], [1, 3, 2, 4]) == pytest.approx(4 / 6)
    assert agreement.kendall([1, 1, 2], [1, 2, 3]) == pytest.approx(2 / np.sqrt(2 * 3))  # one tie


def test_what_is_not_defined_is_nan_and_what_is_not_right_an_error():
    for statistic in CORRELATIONS:
        assert np.isnan(statistic([1, 2], [1, 2])) and np.isnan(
            statistic([1, 1, 1, 1], [1, 2, 3, 4])
        )
        with pytest.raises(RatingsError, match="NaN"):
            statistic([1, 2, np.nan], [1, 2, 3])
        with pytest.raises(RatingsError, match="do not pair up"):
            statistic([1, 2, 3, 4], [1, 2, 3])
    values, opinions = np.array([1, 2, 3, np.inf]), np.array([1, 2, 3, 4])
    assert (
        agreement.spearman(values, opinions)
        == agreement.kendall(values, opinions)
        == pytest.approx(1)
    )
    assert np.isnan(agreement.pearson(values, opinions))
    assert np.isnan(agreement.two_afc_credit([], [], [])) and np.isnan(
        agreement.jnd_map([1, 2], [0, 0])
    )


def test_pearson_of_few_items_falls_back():
    values, opinions = np.array([1.0, 2, 3, 4]), np.array([1.0, 2, 4, 3])
    # the linear one: too few for either logistic
    assert agreement.pearson(values, opinions) == pytest.approx(0.8)


def test_credit_for_choices_by_hand():
    # second closer and 0.8 say so; first closer and 0.7 say so; a tie; second closer and nobody
    # says so
    credit = agreement.two_afc_credit([2, 1, 3, 5], [1, 2, 3, 4], [0.8, 0.3, 1.0, 0.0])
    assert credit == pytest.approx((0.8 + 0.7 + 0.5 + 0.0) / 4)


@given(st.lists(st.tuples(integers, integers, st.integers(0, 5)), min_size=1))
def test_credit_of_the_opposite_distance_is_the_rest(rows):
    distances_a, distances_b, preference = np.array(rows, float).T
    total = agreement.two_afc_credit(
        distances_a, distances_b, preference / 5
    ) + agreement.two_afc_credit(-distances_a, -distances_b, preference / 5)
    assert total == pytest.approx(1)


def test_average_precision_by_hand():
    assert agreement.jnd_map([1, 2, 3, 4], [1, 1, 0, 0]) == pytest.approx(1)
    # by distance 1, 0, 1, 0: precision 1, 1/2, 2/3, 1/2 at recall 1/2, 1/2, 1, 1; from there on at
    # best 1, 2/3, 2/3, 1/2
    assert agreement.jnd_map([1, 2, 3, 4], [1, 0, 1, 0]) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    # fractions 1/2 and 1: precision 1/2, 3/4, raised to 3/4 throughout
    assert agreement.jnd_map([2, 1], [1, 0.5]) == pytest.approx(0.75)
    # all at one distance: one call, right in a third of the cases
    assert (
        agreement.jnd_map([5, 5, 5], [1, 0, 0])
        == agreement.jnd_map([5, 5, 5], [0, 0, 1])
        == pytest.approx(1 / 3)
    )


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3)), min_size=1, max_size=40), st.randoms()
)
def test_average_precision_is_a_fraction_of_order_alone(rows, random):
    distance, same = np.array(rows, float).T
    assume(same.sum() > 0)
    value = agreement.jnd_map(distance, same / 3)
    assert 0 < value <= 1 and agreement.jnd_map(np.exp(distance), same / 3) == pytest.approx(value)
    random.shuffle(rows)
    assert agreement.jnd_map(*(np.array(rows, float) / [1, 3]).T) == pytest.approx(value)
