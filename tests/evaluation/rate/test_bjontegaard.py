"""Differences of all to all: against formulas, against published figures, and their intervals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metamer.evaluation.rate import bjontegaard, published

ANCHOR = np.array([[0.1, 28.0], [0.3, 32.0], [0.8, 36.0], [2.0, 40.0]])


def pictures(count: int = 12, rate_factor: float = 0.8) -> bjontegaard.PictureCurves:
    """Pictures of many kinds, on each of which b takes ``better`` times a's bits."""
    draw = np.random.default_rng(0)
    curve = ANCHOR * np.c_[draw.uniform(0.5, 2, count), np.ones(count)][:, None] + draw.normal(
        0, 2, (count, 1, 1)
    ) * [0, 1]
    names = [f"{index:02}" for index in range(count)]
    return bjontegaard.PictureCurves(
        names, {"a": curve, "b": curve * [rate_factor, 1]}, lambda x: x
    )


@pytest.mark.parametrize("method", bjontegaard.METHODS)
def test_published_curves_give_the_published_difference(method):
    """CompressAI's own: mbt2018-mean takes 6.8 % less than bmshj2018-hyperprior on Kodak."""
    anchor, curve = (
        published.find_published(name).curves["psnr"]
        for name in ("bmshj2018-hyperprior", "mbt2018-mean")
    )
    rate, low, high = bjontegaard.bd_rate(anchor, curve, method)
    assert rate == pytest.approx(-6.8, abs=0.05) and (low, high) == pytest.approx(
        (27.7, 40.6), abs=0.15
    )


@settings(max_examples=20)
@given(st.floats(0.2, 5), st.floats(-3, 3))
def test_a_curve_moved_in_rate_or_in_quality(factor, offset):
    dearer, higher = ANCHOR * [factor, 1], ANCHOR + np.array([0, offset])
    by_pair = {
        (difference.anchor, difference.codec, difference.method): difference
        for difference in bjontegaard.pairwise_differences({"a": ANCHOR, "d": dearer, "h": higher})
    }
    assert len(by_pair) == 12
    for method in bjontegaard.METHODS:
        assert by_pair["a", "d", method].rate == pytest.approx(100 * (factor - 1), abs=1e-6)
        assert by_pair["a", "h", method].gain == pytest.approx(offset, abs=1e-9)
        forward, backward = by_pair["d", "h", method], by_pair["h", "d", method]
        assert (1 + forward.rate / 100) * (1 + backward.rate / 100) == pytest.approx(
            1
        ) and forward.gain == pytest.approx(-backward.gain)
        assert forward.quality == backward.quality == (max(28, 28 + offset), min(40, 40 + offset))
        assert (
            forward.rates
            == backward.rates
            == pytest.approx((max(0.1, 0.1 * factor), min(2, 2 * factor)))
        )


def test_curves_apart_have_no_difference():
    differences = bjontegaard.pairwise_differences({"a": ANCHOR, "b": ANCHOR + np.array([10, 20])})
    assert all(
        np.isnan(difference.rate) and np.isnan(difference.gain) for difference in differences
    )


def test_pairing_keeps_intervals_narrow():
    curves = pictures()
    low, high = bjontegaard.bd_rate_interval(curves, "a", "b")
    # pictures differ much, the codecs alike on each
    assert low == pytest.approx(-20) and high == pytest.approx(-20)
    assert np.isnan(bjontegaard.bd_rate_interval(pictures(1), "a", "b")).all()
    values = curves.values | {"b": curves.values["a"] * np.linspace([[0.6, 1]], [[1, 1]], 12)}
    uneven = bjontegaard.PictureCurves(curves.names, values, curves.change)
    low, high = bjontegaard.bd_rate_interval(uneven, "a", "b")
    assert low + 2 < bjontegaard.bd_rate(uneven.curve("a"), uneven.curve("b"))[0] < high - 2


def test_every_picture_has_its_own():
    differences = bjontegaard.differences_by_picture(pictures(), "a")
    assert [difference["image"] for difference in differences] == pictures().names and {
        difference["codec"] for difference in differences
    } == {"b"}
    assert all(
        difference["rate"] == pytest.approx(-20) and difference["gain"] > 0
        for difference in differences
    )


def test_rows_become_pictures():
    rows = [
        {
            "codec": codec,
            "image": image,
            "setting": at,
            "bpp": at * (1 + (codec == "b")),
            "d": value,
        }
        for codec in "ab"
        for image, value in (("x", 1.0), ("y", 3.0), ("z", None))
        for at in (2, 1)
    ]
    curves = bjontegaard.picture_curves(rows, "d", lambda x: -x)
    assert curves.names == ["x", "y"] and curves.curve("b").tolist() == [[2, -2], [4, -2]]
