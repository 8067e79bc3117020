"""The evaluator: real files, resumable rows, BD-rates that agree with a hand-made one."""

import json

import numpy as np
import pytest
from PIL import Image
from scipy.interpolate import PchipInterpolator

from evaluation import rate_distortion
from tests.conftest import SHARED, metamer


def test_bd_rate_of_a_scaled_curve_is_the_scale():
    anchor = np.array([[0.1, 28.0], [0.3, 32.0], [0.8, 36.0], [2.0, 40.0]])
    rate, low, high = rate_distortion.bd_rate(anchor, anchor * [0.7, 1])
    assert rate == pytest.approx(-30, abs=1e-6) and (low, high) == (28, 40)


def test_bd_rate_is_the_integral_over_the_common_range():
    anchor = np.array([[0.1, 28.0], [0.3, 32.0], [0.8, 36.0], [2.0, 40.0]])
    curve = np.array([[0.12, 30.0], [0.25, 33.0], [0.7, 37.5], [2.5, 43.0]])
    rate, low, high = rate_distortion.bd_rate(anchor, curve)
    grid = np.linspace(30, 40, 20001)
    logs = [PchipInterpolator(c[:, 1], np.log(c[:, 0]))(grid) for c in (anchor, curve)]
    assert rate == pytest.approx(100 * (np.exp(np.mean(logs[1] - logs[0])) - 1), abs=0.05) and (low, high) == (30, 40)


def test_evaluate_measures_files_and_continues(tmp_path, otters):
    (tmp_path / "in").mkdir()
    for index in range(2):
        otters.crop((200 * index, 100, 200 * index + 192, 292)).save(tmp_path / "in" / f"{index}.png")
    arguments = ("evaluate", tmp_path / "in", "--codec", "base", "--codec", "jpeg", "--out", tmp_path / "out")
    done = metamer(*arguments)
    assert done.returncode == 0, done.stderr.decode()
    text = done.stdout.decode()
    assert "base" in text and "jpeg" in text and "whole file" in text
    rows = [json.loads(line) for line in (tmp_path / "out" / "results.jsonl").read_text().splitlines()]
    assert len(rows) == 2 * (len(rate_distortion.QUALITIES) + 12)
    for row in rows:
        assert row["bpp"] == pytest.approx(8 * row["bytes"] / 192**2) and 15 < row["psnr"] < 60 and 0.3 < row["ms_ssim"] <= 1
    assert Image.open(tmp_path / "out" / "rate_distortion.png").size[0] > 1000
    before = (tmp_path / "out" / "results.jsonl").read_text()
    lines = before.splitlines(keepends=True)
    (tmp_path / "out" / "results.jsonl").write_text("".join(lines[:5]))
    assert metamer(*arguments).returncode == 0
    assert len((tmp_path / "out" / "results.jsonl").read_text().splitlines()) == len(lines)


def test_mistakes(tmp_path):
    done = metamer("evaluate", tmp_path, "--out", tmp_path / "out")
    assert done.returncode == 1 and b"no pictures" in done.stderr
    Image.new("RGB", (32, 32)).save(tmp_path / "a.png")
    done = metamer("evaluate", tmp_path, "--codec", "jpgg", "--out", tmp_path / "out")
    assert done.returncode == 1 and b"jpgg" in done.stderr and not (tmp_path / "out").exists()


@pytest.mark.skipif(not (SHARED / "kodak").is_dir(), reason="the Kodak photographs are not here")
def test_base_beats_jpeg_and_webp_on_kodak(tmp_path):
    """A fraction of the acceptance figure, cheap enough for every run: three photographs, real files."""
    rows = []
    files = [SHARED / "kodak" / f"kodim{number:02}.png" for number in (4, 15, 23)]
    for name in ("base", "jpeg", "webp"):
        rate_distortion.measure(name, files, set(), rows.append)
    curves = rate_distortion.means(rows, "psnr")
    assert rate_distortion.bd_rate(curves["jpeg"], curves["base"])[0] < -40
    assert rate_distortion.bd_rate(curves["webp"], curves["base"])[0] < 0
