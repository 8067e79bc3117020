"""Errors weighed by the texture around them, and the encoder that goes by it."""

import json
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import metamer
from metamer.codec.encoder.masking import LARGEST_FACTOR, error_weights, log_variance
from metamer.codec.errors import ModelError
from metamer.codec.network.model import WEIGHTS, load_model
from metamer.codec.picture import pixels


@pytest.fixture(scope="module")
def masked(tmp_path_factory):
    """Copies of base whose card says something else of its encoder."""
    folder = tmp_path_factory.mktemp("models")

    def make(**card):
        path = folder / f"{len(list(folder.iterdir()))}.metamer"
        with zipfile.ZipFile(WEIGHTS / "base.metamer") as old, zipfile.ZipFile(path, "w") as new:
            for name in old.namelist():
                data = old.read(name)
                new.writestr(
                    name, json.dumps({**json.loads(data), **card}) if name == "model.json" else data
                )
        return str(path)

    return make


def test_texture_counts_less_than_what_is_smooth(rng):
    planes = np.full((1, 3, 32, 64), 0.5, np.float32)
    planes[..., 32:] += rng.normal(0, 0.1, (1, 3, 32, 32)).astype(np.float32)
    weights = error_weights(log_variance(planes), 0.5)
    assert weights[:, :2].min() > 4 * weights[:, 2:].max()


def test_the_exponent_is_that_of_the_variance():
    """Stripes of amplitude a have variance a²: four times the amplitude, 16^−γ the weight."""
    stripes = np.where(np.arange(16) % 2, 1, -1) * np.repeat([0.05, 0.2], 16)[:, None]  # (32, 16)
    planes = np.broadcast_to(0.5 + stripes, (1, 3, 32, 16)).astype(np.float32)
    light, heavy = error_weights(log_variance(planes), 0.5).ravel()
    assert light / heavy == pytest.approx(16**0.5, rel=0.05)  # the floor takes a little off


@given(st.integers(1, 3), st.integers(1, 3), st.floats(0, 2), st.integers(0, 9))
def test_weights_are_bounded_and_centred(rows, columns, exponent, seed):
    planes = np.random.default_rng(seed).random((1, 3, 16 * rows, 16 * columns), np.float32)
    weights = error_weights(log_variance(planes), exponent)
    assert (
        weights.shape == (rows, columns)
        and weights.min() >= 1 / LARGEST_FACTOR - 1e-6
        and weights.max() <= LARGEST_FACTOR + 1e-5
    )
    assert np.log(weights).mean() == pytest.approx(0, abs=1e-5)
    if not exponent:
        assert (weights == 1).all()


def test_a_masking_model_spends_bits_where_errors_show(masked, otters):
    """At equal size the smooth half of a picture comes out better, the textured one worse."""
    picture = otters.crop((0, 100, 416, 388))
    plain, sparing = masked(), masked(masking=0.5)
    data = metamer.encode(picture, 30, model=plain)
    quality = min(
        np.arange(30, 45, 0.5),
        key=lambda q: abs(len(metamer.encode(picture, q, model=sparing)) - len(data)),
    )
    weights = np.kron(
        error_weights(log_variance(pixels.to_planes(picture)), 0.5), np.ones((16, 16))
    )
    change = []
    for stream in (data, metamer.encode(picture, quality, model=sparing)):
        error = np.square(
            np.asarray(metamer.decode(stream), float) - np.asarray(picture, float)
        ).mean(2)
        change.append(
            [
                error[weights > np.median(weights)].mean(),
                error[weights <= np.median(weights)].mean(),
            ]
        )
    (smooth, textured), (smooth_masked, textured_masked) = change
    assert smooth_masked < smooth and textured_masked > textured


def test_the_stream_and_its_decoding_do_not_depend_on_it(masked, otters):
    picture, sparing = otters.crop((0, 100, 116, 188)), masked(masking=1.0, rdoq_lambda=[60.0])
    stream = metamer.encode(picture, 40, model=sparing)
    assert load_model(sparing).id == load_model("base").id
    assert metamer.decode(stream).tobytes() == metamer.decode(stream, model=sparing).tobytes()


def test_rdoq_lambda_is_interpolated_between_levels(masked):
    # ten levels: the second is at quality 11.1
    rdoq_lambda = load_model(masked(rdoq_lambda=[10.0, 160.0], rdoq_group_weights=[])).rdoq_lambda
    assert rdoq_lambda[0] == pytest.approx(10) and (rdoq_lambda[32:] > 159.9).all()
    assert rdoq_lambda[16] == pytest.approx(10 * 16 ** (16 / 255 * 9), rel=1e-5)


def test_rdoq_lambdas_of_groups_and_steps(masked):
    model = load_model(masked(rdoq_lambda=[10.0], rdoq_group_weights=[3.0, 2.0, 1.0]))
    square = model.arrays["step"][77] ** 2
    assert model.rdoq_lambda[77] == pytest.approx(
        10 * np.repeat([3, 2, 1], model.groups) * square / square.mean(), rel=1e-5
    )


def test_a_low_rdoq_lambda_reaches_lower_rates(masked, otters):
    picture = otters.crop((100, 100, 356, 292))
    low, usual = (
        len(metamer.encode(picture, 0, model=masked(rdoq_lambda=[rdoq_lambda])))
        for rdoq_lambda in (5.0, 22.0)
    )
    assert low < 0.85 * usual


@pytest.mark.parametrize(
    "card",
    [
        {"masking": -1},
        {"masking": "much"},
        {"rdoq_lambda": [0]},
        {"rdoq_lambda": [float("inf")]},
        {"rdoq_lambda": []},
        {"rdoq_lambda": [9.0] * 11},
    ],
)
def test_nonsense_is_refused(masked, card):
    with pytest.raises(ModelError):
        load_model(masked(**card))
