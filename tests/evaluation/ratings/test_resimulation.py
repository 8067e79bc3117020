"""TID2013-resim: levels are reached, each distortion is what its name says, and the few true images
agree.
"""

import csv

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from metamer.codec.errors import MetamerError
from metamer.evaluation.ratings.resimulation import (
    dataset,
    definitions,
    distortions,
    palettes,
    validation,
)
from metamer.evaluation.ratings.resimulation.definitions import DISTORTIONS, LEVELS
from metamer.evaluation.ratings.resimulation.strengths import (
    TARGETS,
    distort,
    level_strengths,
    psnr,
    solve_strength,
)
from tests.conftest import SHARED

KODAK, RATINGS = SHARED / "kodak", SHARED / "ratings" / "tid2013"
needs_tid2013 = pytest.mark.skipif(
    not (KODAK.is_dir() and RATINGS.is_dir()), reason="needs ../shared/data"
)


@pytest.fixture(scope="module")
def crop(otters) -> np.ndarray:
    return np.asarray(otters.crop((200, 100, 392, 244)))


def entry(crop: np.ndarray, number: int, level: int) -> np.ndarray:
    kind = DISTORTIONS[number]
    return distort(kind, "I01", crop, level, level_strengths(kind, level, {"I01": crop})["I01"])


@pytest.mark.parametrize("number", DISTORTIONS)
def test_entries_are_pictures_and_repeat(crop, number):
    image = entry(crop, number, 3)
    assert image.dtype == np.uint8 and image.shape == crop.shape and (image != crop).any()
    assert (entry(crop, number, 3) == image).all()


@pytest.mark.parametrize(
    "number",
    [number for number, kind in DISTORTIONS.items() if not kind.strengths and not kind.whole],
)
def test_levels_reach_their_psnr(crop, number):
    for level in (1, 5):
        assert psnr(crop, entry(crop, number, level)) == pytest.approx(
            TARGETS[level], abs=0.5 if number in (11, 16) else 0.05
        )


@pytest.mark.parametrize("number", [7, 10, 22])
def test_whole_strengths_come_near(crop, number):
    for level in LEVELS:
        assert psnr(crop, entry(crop, number, level)) == pytest.approx(TARGETS[level], abs=1)


def test_noise_has_the_published_variance_in_independent_channels():
    grey = np.full((128, 160, 3), 128, np.uint8)
    for level in LEVELS:
        statistics = validation.error_statistics(
            grey, distort(DISTORTIONS[1], "I02", grey, level, definitions.VARIANCES[level])
        )
        for channel in ("std_r", "std_g", "std_b"):
            assert statistics[channel] == pytest.approx(
                np.sqrt(definitions.VARIANCES[level] + 1 / 12), rel=0.03
            )
        assert max(abs(statistics[pair]) for pair in ("rg", "rb", "gb", "across", "down")) < 0.03


def test_noises_differ_between_references_and_levels():
    grey = np.full((64, 64, 3), 128, np.uint8)
    noises = [
        distort(DISTORTIONS[1], name, grey, level, 100.0).ravel()
        for name, level in (("I01", 1), ("I02", 1), ("I01", 2))
    ]
    assert np.abs(np.corrcoef(noises) - np.eye(3)).max() < 0.05


def test_noises_have_their_colour_and_spectrum():
    grey = np.full((128, 160, 3), 128, np.uint8)

    def found(function) -> dict:
        return validation.error_statistics(grey, function(grey, 10.0, np.random.default_rng(1)))

    assert found(distortions.correlated_noise)["across"] == pytest.approx(2 / 3, abs=0.05)
    assert found(distortions.high_frequency_noise)["across"] < -0.1
    error = distortions.colour_noise(grey, 10.0, np.random.default_rng(1)) - 128.0
    luma = error @ [0.299, 0.587, 0.114]
    assert luma.std() == pytest.approx(5, rel=0.05) and (
        (error[..., 2] - luma) / 1.772
    ).std() == pytest.approx(10, rel=0.05)
    ramp = np.broadcast_to(np.arange(160, dtype=np.uint8)[None, :, None], grey.shape) + np.uint8(40)
    wide = distortions.multiplicative_noise(ramp, 0.1, np.random.default_rng(1)) - ramp.astype(
        float
    )
    assert wide[:, 120:].std() > 2 * wide[:, :40].std()


def test_masked_noise_hides_in_texture(crop):
    flat = crop.copy()
    flat[:, :96] = 128
    error = np.abs(
        distortions.masked_noise(flat, 8.0, np.random.default_rng(1)) - flat.astype(float)
    )
    assert error[:, :96].max() == 0 and error[:, 96:].mean() > 1


def test_impulses_are_black_or_white_and_as_many_as_asked(crop):
    image = distortions.impulse_noise(crop, 0.1, np.random.default_rng(1))
    changed = image != crop
    assert np.isin(image[changed], (0, 255)).all() and changed.mean() == pytest.approx(
        0.1, abs=0.01
    )


def test_blur_is_blur(crop):
    image = distortions.blur(crop, 2.0, None)
    assert (
        np.abs(np.diff(image.astype(float), axis=1)).mean()
        < 0.6 * np.abs(np.diff(crop.astype(float), axis=1)).mean()
    )
    assert image.mean() == pytest.approx(crop.mean(), abs=0.2)


def test_quantisation_and_palettes_hold_few_values(crop):
    assert len(np.unique(distortions.quantisation(crop, 64, None))) <= 5
    for colours in (4, 31):
        image = palettes.colour_quantisation(crop, colours, None)
        assert len(np.unique(image.reshape(-1, 3), axis=0)) <= colours
        blurred = [
            ndimage.gaussian_filter(picture.astype(float), (6, 6, 0)) for picture in (image, crop)
        ]
        assert np.abs(blurred[0] - blurred[1]).mean() < 6  # dither keeps local means


def test_pattern_noise_moves_what_is_there(crop):
    image = distortions.pattern_noise(crop, 20, np.random.default_rng(1))
    colours = {tuple(colour) for colour in crop.reshape(-1, 3)}
    assert {tuple(colour) for colour in image.reshape(-1, 3)} <= colours


def test_more_blocks_are_weaker_at_one_psnr():
    grey = np.full((384, 512, 3), 110, np.uint8)
    depths, errors = [], []
    for count in (2, 8, 32):
        error = distortions.blocks(grey, count, np.random.default_rng(1)) - 110.0
        assert np.count_nonzero(error[..., 0]) == count * 32**2
        depths.append(np.abs(error).max())
        errors.append(np.square(error).mean())
    assert depths == sorted(depths, reverse=True) and np.allclose(errors, 130, rtol=0.05)


def test_signs_of_mean_shift_and_contrast(crop):
    for level, sign in zip(LEVELS, (-1, 1, -1, 1, -1), strict=True):
        assert np.sign(entry(crop, 16, level).mean() - crop.mean()) == sign
        assert np.sign(entry(crop, 17, level).std() - crop.std()) == sign


def test_saturation_keeps_luma(crop):
    weights = [0.299, 0.587, 0.114]
    image = distortions.saturation(crop, 1.0, None)
    assert (
        np.ptp(image, axis=2).max() == 0 and np.abs(image @ weights - crop @ weights).max() <= 0.51
    )


def test_chromatic_aberration_shifts_red_and_blue_apart(crop):
    image = distortions.chromatic_aberration(crop, 1, None)
    assert (image[:, 1:-1, 0] == crop[:, :-2, 0]).all() and (
        image[:, 1:-1, 2] == crop[:, 2:, 2]
    ).all()
    assert (image[..., 1] == crop[..., 1]).all() and (image[:, 0] == crop[:, 0]).all()


def test_solve_takes_the_nearer_end_when_a_target_is_out_of_reach():
    kind = DISTORTIONS[8]
    assert solve_strength(lambda strength: 50 - strength, 10, kind) == kind.strong
    assert solve_strength(lambda strength: 20 - strength, 40, kind) == kind.mild
    assert solve_strength(lambda strength: 40 - strength, 30, kind) == pytest.approx(10, rel=1e-3)


def test_missing_folders_are_reported(tmp_path):
    with pytest.raises(MetamerError, match=r"kodim01.png does not exist"):
        dataset.resimulate(tmp_path, tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@needs_tid2013
def test_folder_has_the_layout_and_continues(tmp_path, monkeypatch):
    monkeypatch.setattr(dataset, "DISTORTIONS", {number: DISTORTIONS[number] for number in (1, 14)})
    dataset.resimulate(KODAK, RATINGS, tmp_path)
    assert len(list((tmp_path / "reference_images").iterdir())) == 24
    with open(tmp_path / "entries.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    opinions = dict(
        line.split()[::-1] for line in (tmp_path / "mos_with_names.txt").read_text().splitlines()
    )
    assert (
        {row["file"] for row in rows}
        == set(opinions)
        == {path.name for path in (tmp_path / "distorted_images").iterdir()}
    )
    assert len(rows) == 240 and opinions["i01_01_1.png"] == "5.51429"
    assert sum(row["reference"] == "exact" for row in rows) == 7 * 10
    assert Image.open(tmp_path / "distorted_images" / "i04_14_5.png").size == (512, 384)
    (tmp_path / "distorted_images" / "i03_01_2.png").unlink()
    modified = (tmp_path / "distorted_images" / "i03_01_3.png").stat().st_mtime_ns
    dataset.resimulate(KODAK, RATINGS, tmp_path)
    assert (tmp_path / "distorted_images" / "i03_01_2.png").exists()
    assert (tmp_path / "distorted_images" / "i03_01_3.png").stat().st_mtime_ns == modified


@needs_tid2013
def test_true_images_agree():
    rows = validation.validate(KODAK, RATINGS)
    assert [row["made"] for row in rows] == ["TID2013", "here"] * 7
    for true, resimulated in zip(rows[::2], rows[1::2], strict=True):
        assert resimulated["psnr"] == pytest.approx(true["psnr"], abs=0.1)
        if "_01_" in true["file"]:  # white and independent, theirs like ours
            assert (
                max(
                    abs(row[name])
                    for row in (true, resimulated)
                    for name in ("rg", "rb", "gb", "across", "down")
                )
                < 0.02
            )
            assert resimulated["std_g"] == pytest.approx(true["std_g"], rel=0.02)
    assert (
        next(
            row["differing"]
            for row in rows
            if row["file"] == "i01_23_5.png" and row["made"] == "here"
        )
        == 0
    )
