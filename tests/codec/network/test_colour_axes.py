"""Turning colours: a rotation that fits six bytes, undone exactly enough, and worth it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import metamer
from metamer.codec.format import container
from metamer.codec.network import colour_axes
from metamer.codec.network.colour_axes import choose_turn


def coloured(seed: int, mixing: np.ndarray | None = None) -> np.ndarray:
    """(160, 96, 3) uint8 whose detail lies along the columns of ``mixing``."""
    rng = np.random.default_rng(seed)
    detail = (
        rng.normal(size=(160, 96, 3))
        * (30, 8, 2)
        @ (rng.normal(size=(3, 3)) if mixing is None else mixing).T
    )
    return (detail + 128).clip(0, 255).astype(np.uint8)


@given(st.binary(min_size=colour_axes.BYTES, max_size=colour_axes.BYTES))
def test_any_six_bytes_are_a_rotation(data):
    affine = colour_axes.unpack_turn(data).affine()
    np.testing.assert_allclose(affine[:, :3] @ affine[:, :3].T, np.eye(3), atol=1e-6)
    assert np.linalg.det(affine[:, :3].astype(float)) == pytest.approx(1, abs=1e-5)


@given(
    st.tuples(*[st.integers(-colour_axes.STEPS, colour_axes.STEPS)] * 3),
    st.tuples(*[st.integers(0, 63)] * 3),
)
def test_packed_and_unpacked(rotation, centre):
    turn = colour_axes.Turn(rotation, centre)
    assert len(turn.pack()) == colour_axes.BYTES
    assert colour_axes.unpack_turn(turn.pack()) == turn


@pytest.mark.parametrize("seed", range(20))
def test_detail_ends_on_the_axes_most_first(seed):
    pixels = coloured(seed)
    affine = colour_axes.principal_turn([pixels]).affine()
    steps = (
        np.diff(pixels.astype(float), axis=1).reshape(-1, 3) @ affine[:, :3].T @ colour_axes.AXES.T
    )
    covariance = steps.T @ steps / len(steps)
    variances = np.diag(covariance)
    assert variances[0] > variances[1] > variances[2]
    # ten bits a component: half a degree at worst
    assert abs(covariance - np.diag(variances)).max() < 0.02 * variances[0]
    # grey
    assert (
        np.ptp(
            colour_axes.turn_colours(
                pixels.transpose(2, 0, 1)[None] / np.float32(255), affine
            ).mean((2, 3))
        )
        < 0.03
    )


@given(st.integers(0, 1000))
def test_restored(seed):
    pixels = coloured(seed)
    planes = pixels.transpose(2, 0, 1)[None] / np.float32(255)
    affine = colour_axes.principal_turn([pixels]).affine()
    turned = colour_axes.turn_colours(planes, affine)
    np.testing.assert_allclose(colour_axes.restore_colours(turned, affine), planes, atol=1e-5)
    other_planes = coloured(seed + 1).transpose(2, 0, 1)[None] / np.float32(255)
    error = np.square(planes - other_planes).mean()
    # a rotation
    assert np.square(
        turned - colour_axes.turn_colours(other_planes, affine)
    ).mean() == pytest.approx(error, rel=1e-4)


@pytest.mark.parametrize(
    "pixels",
    [np.full((20, 20, 3), (200, 30, 90), np.uint8), np.repeat(coloured(0)[..., :1], 3, 2)],
    ids=["flat", "grey"],
)
def test_nothing_to_turn(pixels):
    assert colour_axes.principal_turn([pixels]) is None


def test_strips_make_a_picture():
    pixels = coloured(9)
    at_once, in_strips = (
        colour_axes.principal_turn([pixels]),
        colour_axes.principal_turn(pixels[top : top + 32] for top in range(0, 160, 32)),
    )
    assert (
        abs(np.array(at_once.rotation) - in_strips.rotation).max() < 40
        and at_once.centre == in_strips.centre
    )


def test_usual_colours_hardly_turn():
    x, y, z = colour_axes.principal_turn([coloured(3, colour_axes.AXES.T)]).rotation
    assert max(abs(x), abs(y), abs(z)) < 20


ORANGE = np.array([[1.15, 0.1, 0.0], [0.45, 0.35, 0.05], [0.1, 0.1, 0.2]])


def distance(image: Image.Image, reference: Image.Image) -> float:
    return np.square(np.asarray(image, float) - np.asarray(reference, float)).mean()


@pytest.fixture
def orange(otters) -> Image.Image:
    pixels = np.asarray(otters.crop((200, 100, 440, 292)), float) @ ORANGE.T
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def test_turned_files_are_smaller_and_no_worse(orange, monkeypatch):
    turned = metamer.encode(orange, 50)
    header, (section,) = container.unpack(turned)
    assert header.turned and container.version(turned) == 1
    assert section.body[: colour_axes.BYTES] == choose_turn(orange).pack()
    monkeypatch.setattr(colour_axes, "TURNED_FROM", orange.width * orange.height + 1)
    plain = metamer.encode(orange, 50)
    assert not container.unpack(plain)[0].turned
    assert len(turned) < 0.97 * len(plain)
    assert distance(metamer.decode(turned), orange) < 0.9 * distance(metamer.decode(plain), orange)


def test_other_decoders_turn_back_too(orange):
    data = metamer.encode(orange, 60)
    for options in ({"realism": 1.0}, {"decoder": "pim"}):
        assert distance(metamer.decode(data, **options), orange) < 2 * distance(
            metamer.decode(data), orange
        )


def test_small_and_grey_pictures_stay(otters):
    assert choose_turn(otters.crop((0, 0, 127, 129))) is None
    assert choose_turn(otters.convert("L")) is None
    assert choose_turn(otters.crop((0, 0, 128, 128))) is not None
