"""Effort: better trades, by the rules that `codec.encoder.effort` states, for any picture."""

import functools

import numpy as np
import pytest
import torch
from PIL import Image

import metamer
from metamer import perception
from metamer.codec.encode import cross_entropy
from metamer.codec.encoder.effort import slope
from metamer.codec.encoder.effort.descent import refine
from metamer.codec.encoder.effort.guide import Reanalysis
from metamer.codec.encoder.effort.slope import Slope
from metamer.codec.encoder.effort.view import View
from metamer.codec.errors import ImageError, ModelError
from metamer.codec.grid import Box, latent_area
from metamer.codec.network import colour_axes
from metamer.codec.network import model as models
from metamer.codec.network.colour_axes import Turn, choose_turn
from metamer.codec.options import quality_index
from metamer.codec.system import entry_points
from metamer.perception.errors import MetricError
from metamer.train.gradient_guide import Gradients
from tests.conftest import run_metamer

QUALITY = 30


@pytest.fixture(scope="module")
def picture(otters) -> Image.Image:
    return otters.crop((150, 100, 310, 212))


@pytest.fixture(scope="module")
def plain(picture):
    """Quality → the file without effort."""
    return functools.cache(lambda quality: metamer.encode(picture, quality))


@pytest.fixture(scope="module")
def rate_slope(picture, plain) -> float:
    """Bits that the picture's own curve, around the quality, pays for mean squared error."""
    low, high = plain(QUALITY - 4), plain(QUALITY + 4)
    return 8 * (len(high) - len(low)) / (error(picture, low) - error(picture, high))


def error(picture: Image.Image, data: bytes) -> float:
    """Mean squared error of what is decoded, pixels in [0, 1]."""
    difference = np.asarray(metamer.decode(data), float) - np.asarray(picture, float)
    return float(np.square(difference).mean() / 255**2)


@pytest.mark.parametrize(("level", "share"), [(1, 0.002), (3, 0.003), (4, 0.005), (6, 0.01)])
def test_effort_finds_a_better_trade(picture, plain, rate_slope, level, share):
    """bits + λ·error falls by at least this share."""
    before, after = (
        8 * len(data) + rate_slope * error(picture, data)
        for data in (plain(QUALITY), metamer.encode(picture, QUALITY, effort=level))
    )
    assert after < (1 - share) * before


def test_effort_changes_nothing_but_the_latents(picture, plain):
    before, after = (
        metamer.info(plain(QUALITY)),
        metamer.info(metamer.encode(picture, QUALITY, effort=1)),
    )
    assert (after.quality, after.model_id, after.version) == (
        before.quality,
        before.model_id,
        before.version,
    )
    assert metamer.encode(picture, QUALITY, effort=0) == plain(QUALITY)


def test_more_steps_are_never_a_worse_trade(picture, rate_slope):
    """What is kept is the best of all steps, so of more of them it is no worse."""
    model = models.load_model("base")
    turn, index = choose_turn(picture), quality_index(QUALITY)
    box, rdoq_lambda = latent_area(*picture.size), model.rdoq_lambda[index]
    view = View(picture, box, index, model, turn)
    guide, price = Reanalysis(view), Slope(np.array([rate_slope]), rate_slope)
    costs = [np.inf]
    for steps in (0, 1, 4):
        coded = refine(view, guide, price, rdoq_lambda, np.float32(1), steps)
        error = guide.distances(view.pixels(view.planes(coded.decoded)))[0]
        costs.append(coded.bits + price.mse * error)
    assert costs == sorted(costs, reverse=True) and costs[3] < costs[1]


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_the_nominal_slope_is_near_the_picture_s_own(picture, mode):
    """Which is measured by real files at qualities around."""
    picture = picture.convert(mode)
    low, high = (metamer.encode(picture, QUALITY + step) for step in (-4, 4))
    measured_slope = 8 * (len(high) - len(low)) / (error(picture, low) - error(picture, high))
    nominal = slope.nominal(
        models.load_model("base"), quality_index(QUALITY), picture.width * picture.height
    )
    assert nominal.mse == pytest.approx(measured_slope, rel=0.25) and nominal.weights == [
        nominal.mse
    ]


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_what_a_view_shows_is_what_a_file_shows(picture, mode):
    picture = picture.convert(mode)
    data = metamer.encode(picture, QUALITY)
    model = models.load_model("base") if mode == "RGB" else models.load_model("base").grey_variant
    index, turn = quality_index(QUALITY), choose_turn(picture)
    view = View(picture, latent_area(*picture.size), index, model, turn)
    np.testing.assert_array_equal(
        view.pixels(view.planes(metamer.decode_latents(data))), np.asarray(metamer.decode(data))
    )
    coded = view.code(view.exact[view.inside], model.rdoq_lambda[index])
    np.testing.assert_array_equal(coded.decoded, metamer.decode_latents(data))
    assert coded.bits == pytest.approx(cross_entropy(picture, QUALITY))


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_gradients_say_what_a_small_change_does(picture, mode):
    """Against finite differences of the distance alone, through the synthesis that files are
    decoded with.

    Of the last group: what is decoded from it predicts nothing but its other half, which is left as
    it is.
    """
    picture = picture.convert(mode)
    model = models.load_model("base") if mode == "RGB" else models.load_model("base").grey_variant
    index, turn = 100, Turn((20, -10, 30), (20, 40, 30)) if mode == "RGB" else None
    view = View(picture, latent_area(*picture.size), index, model, turn)
    coded = view.code(view.exact[view.inside], model.rdoq_lambda[index])
    decoded, planes = coded.decoded, view.planes(coded.decoded)
    guide, curvature = Gradients(view, ("mse",)), np.ones(model.latents)
    pull = [
        decoded / 16 - guide.wanted(coded, planes, Slope(np.array([weight]), weight), curvature)
        for weight in (0.0, 1e6)
    ]
    slopes = 2 * (pull[1] - pull[0])  # of 1e6 · mse, a step

    def distance(latents: np.ndarray) -> float:
        rows, columns = view.visible
        restored = colour_axes.restore_colours(
            view.planes(latents)[:, :, rows, columns].astype(float), view.affine
        ).clip(0, 1)
        restored = restored.mean(1) if mode == "L" else restored[0].transpose(1, 2, 0)
        return 1e6 * float(np.square(restored - view.original / 255).mean())

    predicting_nothing = [
        (1, 2),
        (3, 4),
        (4, 5),
    ]  # decoded after the anchors, so they predict nothing
    pairs = []
    for row, column in predicting_nothing:
        for channel in (140, 150, 200):
            moved = [decoded.astype(float), decoded.astype(float)]
            for sign, latents in zip((-1, 1), moved, strict=True):
                latents[row, column, channel] += 0.5 * sign
            pairs.append(
                (slopes[row, column, channel], (distance(moved[1]) - distance(moved[0])) / (1 / 16))
            )
    gradients, differences = np.array(pairs).T
    assert np.linalg.norm(gradients - differences) < 0.15 * np.linalg.norm(
        differences
    )  # rectifiers have kinks


def test_a_tile_is_refined_with_its_neighbours_in_view(picture):
    """Beyond the tile stand the latents of the whole picture's analysis, as near as floating point
    comes.
    """
    picture = picture.resize((1100, 64))
    model, area = models.load_model("base"), latent_area(1100, 64)
    full_view = View(picture, area, 100, model, None)
    tile = View(picture, Box(0, 64, area.bottom, area.right), 100, model, None)
    np.testing.assert_allclose(
        tile.exact, full_view.exact[:, 64 - model.receptive_field :], atol=2e-3
    )
    assert tile.original.shape == (64, 1100 - 1024, 3)
    data = metamer.encode(picture, QUALITY, tile=True, effort=1)
    assert metamer.info(data).tiles == 2 and metamer.decode(data).size == picture.size


@pytest.mark.parametrize("size", [(1, 1), (17, 33)])
@pytest.mark.parametrize("level", [1, 4])
def test_pictures_without_a_slope_are_coded_as_ever(size, level):
    flat = Image.new("RGB", size, (7, 7, 7))
    assert metamer.decode(metamer.encode(flat, effort=level, lossless=False)).size == size


def test_the_slope_of_a_curve():
    """A tenth less error for a tenth more bits, in distances that count for a half each."""
    shares = np.array([0.5, 0.5])
    rows = [[1000, 1.1e-3, 1.1e-3, 0.11], [1000, 1e-3, 1e-3, 0.1], [1100, 1e-3, 1e-3, 0.1]]
    price = slope.measured(rows, shares)
    assert price.mse == pytest.approx(1e6) and price.weights == pytest.approx([5e5, 5e3])
    for row, column, value in ((2, 0, 900), (2, 1, 2e-3), (0, 2, 0.05e-3), (1, 3, 0)):
        flat = [list(values) for values in rows]
        flat[row][column] = value
        assert slope.measured(flat, shares) is None


def test_what_is_too_small_for_a_distance_is_coded_as_ever(picture):
    small, options = picture.crop((0, 0, 12, 40)), {"lossless": False}
    assert metamer.encode(
        small, QUALITY, effort=5, distortion={"ms-ssim": 1.0}, **options
    ) == metamer.encode(small, QUALITY, **options)


def test_a_size_is_kept_and_used(picture, plain):
    limit = len(plain(QUALITY)) + 20
    data = metamer.encode(picture, max_bytes=limit, effort=2)
    assert 0.95 * limit < len(data) <= limit
    assert error(picture, data) < error(picture, metamer.encode(picture, max_bytes=limit))
    with pytest.raises(ImageError, match="needs at least"):
        metamer.encode(picture, max_bytes=20, effort=1)


def test_other_distances_are_lowered_where_they_are_asked_for(otters):
    """At equal size, what effort for a distance leaves of it is less than what effort for squared
    error leaves.
    """
    picture, judge = otters.crop((100, 100, 292, 292)), perception.create("lpips-squeeze")

    def left(data: bytes) -> float:
        images = (
            torch.from_numpy(np.array(image)).permute(2, 0, 1)[None]
            for image in (picture, metamer.decode(data))
        )
        return float(judge.loss(*images))

    limit = len(metamer.encode(picture, 40))
    by_mse, by_lpips = (
        metamer.encode(picture, max_bytes=limit, effort=5, distortion=mix)
        for mix in (None, {"lpips-squeeze": 1.0})
    )
    assert left(by_lpips) < 0.95 * left(by_mse)


def test_without_gradients_the_extra_is_named(picture, monkeypatch):
    monkeypatch.setattr(entry_points, "entry_points", lambda **_: ())
    with pytest.raises(ImportError, match="an effort above 3 needs the extra `train`"):
        metamer.encode(picture, effort=4, distortion={"mse": 1.0})


def test_impossible_values_are_reported(picture):
    with pytest.raises(ValueError, match="between 0 and 9"):
        metamer.encode(picture, effort=10)
    with pytest.raises(ModelError, match="squared error alone"):
        metamer.encode(picture, effort=2, model="perceptual")
    with pytest.raises(ModelError, match="squared error alone"):
        metamer.encode(picture, effort=3, distortion={"lpips-squeeze": 1.0})
    with pytest.raises(MetricError, match="can only judge"):
        metamer.encode(picture, effort=4, distortion={"psnr": 1.0})


def test_the_command_line_takes_effort(picture, plain, tmp_path):
    source, target = tmp_path / "picture.png", tmp_path / "picture.mtm"
    picture.save(source)
    completed = run_metamer("encode", source, "-q", QUALITY, "--effort", 1)
    assert completed.returncode == 0 and target.read_bytes() == metamer.encode(
        picture, QUALITY, effort=1
    ) != plain(QUALITY)
    completed = run_metamer("encode", source, "-f", "--effort", 4, "--distortion", "psnr")
    assert (
        completed.returncode == 1
        and completed.stderr.count(b"\n") == 1
        and b"can only judge" in completed.stderr
    )
