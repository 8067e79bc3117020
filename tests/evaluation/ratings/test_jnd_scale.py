"""JND a JOD: from a table made here whose scale is known."""

import csv
import json

import numpy as np
import pytest

from metamer.evaluation.ratings import jnd_scale
from metamer.evaluation.ratings.items import RatingsError
from tests.conftest import run_metamer


@pytest.fixture
def table(tmp_path, rng):
    """Five photographs, twelve versions each; ColorVideoVDP is 10 less a quarter of the JND, SSIM
    says nothing.
    """
    path = tmp_path / "scores.csv"
    with open(path, "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("img_num", "distortion", *jnd_scale.METRICS))
        for photograph in range(5):
            for level in range(12):
                jnd = level / 4 + photograph / 100
                scores = dict.fromkeys(jnd_scale.METRICS, -jnd)
                scores |= {"CVVDP": 10 - jnd / 4, "SSIM": rng.random()}
                rows.writerow((photograph, jnd, *scores.values()))
    return path


def test_a_known_scale_is_found(table, tmp_path):
    scale = jnd_scale.calibrate(table)
    assert (scale.pictures, scale.photographs) == (60, 5)
    assert np.allclose(scale.per_jod, 4) and np.allclose(scale.error, 0, atol=1e-9)
    assert scale.spearman["CVVDP"][0] == pytest.approx(-1)
    low, high = scale.spearman["SSIM"][1:]
    assert low < scale.spearman["SSIM"][0] < high and abs(scale.spearman["SSIM"][0]) < 0.5
    text = jnd_scale.study_jnd(table, tmp_path)
    assert "4.000" in text and text.splitlines()[-1].startswith("| SSIM |")
    record = json.loads((tmp_path / "jnd-scale.json").read_text())
    assert record["per_jod"] == pytest.approx(scale.per_jod)


def test_scatter_widens_the_interval(table, rng):
    photograph, jnd, scores = jnd_scale.read_scores(table)
    jod = 10 - scores["CVVDP"]
    noisy = jod * (1 + 0.1 * photograph)
    assert jnd_scale.slope(noisy, jnd) < 4 and jnd_scale.remaining_error(noisy, jnd) > 0.05


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("CVVDP", "other"), "not JPEG AIC-4's table"),
        (lambda text: text.replace("9.9375", "none"), "line 3: CVVDP is no number"),
        (lambda text: text.replace("9.9375", "nan"), "not finite"),
    ],
)
def test_bad_tables_are_refused(table, change, message):
    table.write_text(change(table.read_text()))
    with pytest.raises(RatingsError, match=message):
        jnd_scale.read_scores(table)


def test_the_command_writes_the_scale(table, tmp_path):
    completed = run_metamer("metrics", "calibrate", table, "--out", tmp_path / "out")
    assert b"1 JOD of ColorVideoVDP is 4.000" in completed.stdout
    assert (tmp_path / "out" / "jnd-scale.json").is_file()
