"""The evaluator: real files, resumable rows, BD-rates that agree with a hand-made one."""

import json

import numpy as np
import pytest
from PIL import Image
from scipy.interpolate import PchipInterpolator

from metamer.codec.errors import MetamerError
from metamer.evaluation.codecs import metamer
from metamer.evaluation.measure import pictures
from metamer.evaluation.rate import bjontegaard, curves, figure_data, rate_distortion, tables
from metamer.perception.registry import find
from tests.conftest import SHARED, inside


def test_bd_rate_of_a_scaled_curve_is_the_scale():
    anchor = np.array([[0.1, 28.0], [0.3, 32.0], [0.8, 36.0], [2.0, 40.0]])
    rate, low, high = bjontegaard.bd_rate(anchor, anchor * [0.7, 1])
    assert rate == pytest.approx(-30, abs=1e-6) and (low, high) == (28, 40)


def test_bd_rate_is_the_integral_over_the_common_range():
    anchor = np.array([[0.1, 28.0], [0.3, 32.0], [0.8, 36.0], [2.0, 40.0]])
    curve = np.array([[0.12, 30.0], [0.25, 33.0], [0.7, 37.5], [2.5, 43.0]])
    rate, low, high = bjontegaard.bd_rate(anchor, curve)
    grid = np.linspace(30, 40, 20001)
    logs = [PchipInterpolator(c[:, 1], np.log(c[:, 0]))(grid) for c in (anchor, curve)]
    assert rate == pytest.approx(100 * (np.exp(np.mean(logs[1] - logs[0])) - 1), abs=0.05) and (
        low,
        high,
    ) == (30, 40)


def test_bd_rate_over_a_named_range():
    anchor = np.array([[0.1, 28.0], [0.3, 32.0], [0.8, 36.0], [2.0, 40.0]])
    curve = np.array([[0.12, 30.0], [0.25, 33.0], [0.7, 37.5], [2.5, 43.0]])
    grid = np.linspace(31, 35, 20001)
    logs = [PchipInterpolator(c[:, 1], np.log(c[:, 0]))(grid) for c in (anchor, curve)]
    expected = 100 * (np.exp(np.mean(logs[1] - logs[0])) - 1)
    rate, *over = bjontegaard.bd_rate(anchor, curve, within=(31, 35))
    assert rate == pytest.approx(expected, abs=0.01) and over == [31, 35]
    assert bjontegaard.bd_rate(anchor, curve, within=(30, 40))[0] == pytest.approx(
        bjontegaard.bd_rate(anchor, curve)[0]
    )
    # not all of it is covered, so there is no figure over it
    assert np.isnan(bjontegaard.bd_rate(anchor, curve, within=(29, 35))[0])
    assert tables.scaled_range("ms-ssim", (0.9, 0.99)) == pytest.approx((10, 20))
    assert tables.scaled_range("dists", (0.01, 0.1)) == pytest.approx((10, 20))


def paired_rows(anchor: str, codec: str) -> list[dict]:
    """Pictures that differ by up to 12 dB, on each of which ``codec`` is 1 dB better."""
    return [
        {
            "codec": name,
            "image": f"{index}",
            "setting": at,
            "bpp": rate,
            "psnr": 26 + 2 * index + 6 * np.log(rate) + (name == codec),
        }
        for name in (anchor, codec)
        for index in range(7)
        for at, rate in enumerate((0.1, 0.2, 0.4))
    ]


def test_bands_of_a_comparison_are_those_of_paired_differences():
    rows = paired_rows("jpeg", "base")
    bands = figure_data.curve_bands(rows, "psnr", "jpeg")
    assert list(bands) == ["base"]
    mean = curves.mean_curves(rows, "psnr")[1]["base"]
    # alike on every picture: no width, however much the pictures differ
    assert bands["base"] == pytest.approx(mean[:, [0, 1, 1]])
    base_rows = [row for row in rows if row["codec"] == "base"]
    base_bands = figure_data.curve_bands(base_rows, "psnr", "base")["base"]
    assert (base_bands[:, 2] - base_bands[:, 1] > 4).all()
    beyond = [row | {"bpp": row["bpp"] * (2 if row["codec"] == "base" else 1)} for row in rows]
    assert np.isnan(figure_data.curve_bands(beyond, "psnr", "jpeg")["base"]).any(1).tolist() == [
        False,
        False,
        True,
    ]


def test_an_untrained_network_has_costs_and_no_rates():
    columns = {"width": 100, "height": 100, "encode_seconds": 0.5, "decode_seconds": 0.25}
    rows = [row | columns for row in paired_rows("jpeg", "base")]
    rows += [
        row | {"codec": "net", "trained": False, "psnr": 5.0}
        for row in rows
        if row["codec"] == "base"
    ]
    text = tables.rate_distortion_table(rows, ["psnr"], "jpeg")
    assert [line for line in text.splitlines() if line.startswith("net")] == [
        next(line for line in text.splitlines() if line.endswith(tables.UNTRAINED))
    ]
    assert "0.02     0.04" in text  # megapixels a second
    assert (
        "net"
        not in figure_data.figure_data([row for row in rows if row.get("trained", True)], ["psnr"])[
            "metrics"
        ]
    )


def test_scales_rise_and_do_not_saturate():
    values = np.array([0.9, 0.99])
    for name, expected in (
        ("ms-ssim", [10, 20]),
        ("lpips-alex", [0.4576, 0.0436]),
        ("ssimulacra2", values),
        ("vif", values),
    ):
        assert curves.bd_scale(find(name))[1](values) == pytest.approx(expected, abs=1e-3)
    assert np.isfinite(curves.bd_scale(find("dists"))[1](np.zeros(1))).all()


def test_settings_are_chosen_for_all_or_for_one():
    def at(*settings):
        return [
            (point.codec, point.setting)
            for point in rate_distortion.measurement_points(["base", "jpeg", "base"], settings)
        ]

    assert len(at()) == len(metamer.QUALITIES) + 12
    assert at("5,10", "base=2.5", "base=7") == [
        ("base", 2.5),
        ("base", 7),
        ("jpeg", 5),
        ("jpeg", 10),
    ]
    for wrong in ("ten", "jpeg=", "jpeg=200", "webp=10"):
        with pytest.raises(MetamerError):
            at(wrong)


def test_evaluate_measures_files_and_continues(tmp_path, otters):
    (tmp_path / "in").mkdir()
    for index in range(2):
        otters.crop((200 * index, 100, 200 * index + 192, 292)).save(
            tmp_path / "in" / f"{index}.png"
        )
    arguments = (
        "evaluate",
        tmp_path / "in",
        "--codec",
        "base",
        "--codec",
        "jpeg",
        "--out",
        tmp_path / "out",
    )
    completed = inside(*arguments)
    assert completed.returncode == 0, completed.stderr.decode()
    text = completed.stdout.decode()
    assert "base" in text and "jpeg" in text and "whole file" in text
    rows = [
        json.loads(line) for line in (tmp_path / "out" / "results.jsonl").read_text().splitlines()
    ]
    assert len(rows) == 2 * (len(metamer.QUALITIES) + 12)
    for row in rows:
        assert (
            row["bpp"] == pytest.approx(8 * row["bytes"] / 192**2)
            and 15 < row["psnr"] < 60
            and 0.3 < row["ms-ssim"] <= 1
        )
    assert Image.open(tmp_path / "out" / "rate_distortion.png").size[0] > 1000
    assert "BD-rate in percent of the row against the column" in text and "interval" in text
    record = json.loads((tmp_path / "out" / "bjontegaard.json").read_text())["psnr"]
    assert {
        (difference["anchor"], difference["codec"], difference["method"])
        for difference in record["differences"]
    } == {
        (*pair, method)
        for pair in (("base", "jpeg"), ("jpeg", "base"))
        for method in ("pchip", "akima")
    }
    assert [difference["image"] for difference in record["pictures"]] == [
        "0.png",
        "1.png",
    ] and record["bands"].keys() == {"base"}  # against jpeg
    before = (tmp_path / "out" / "results.jsonl").read_text()
    lines = before.splitlines(keepends=True)
    (tmp_path / "out" / "results.jsonl").write_text("".join(lines[:5]))
    assert inside(*arguments).returncode == 0
    assert len((tmp_path / "out" / "results.jsonl").read_text().splitlines()) == len(lines)


def test_any_distance_at_chosen_settings(tmp_path, otters):
    (tmp_path / "in").mkdir()
    otters.crop((200, 100, 296, 196)).save(tmp_path / "in" / "0.png")
    completed = inside(
        "evaluate",
        tmp_path / "in",
        "--codec",
        "webp",
        "--quality",
        "10,50,90",
        "-m",
        "cielab",
        "-m",
        "psnr",
        "-m",
        "haarpsi",
        "--jobs",
        2,
        "--out",
        tmp_path / "out",
    )
    assert completed.returncode == 0, completed.stderr.decode()
    rows = [
        json.loads(line) for line in (tmp_path / "out" / "results.jsonl").read_text().splitlines()
    ]
    assert {(row["codec"], row["setting"]) for row in rows} == {
        (name, at) for name in ("webp", "jpeg") for at in (10, 50, 90)
    }
    text = (tmp_path / "out" / "table.txt").read_text()
    assert (
        "cielab (dB, −10·log₁₀(x))" in text
        and "haarpsi (dB, −10·log₁₀(1 − x))" in text
        and "\npsnr\n" in text
    )
    assert Image.open(tmp_path / "out" / "rate_distortion.png").width > 2000


def test_mistakes(tmp_path):
    completed = inside("evaluate", tmp_path, "--out", tmp_path / "out")
    assert completed.returncode == 1 and b"no pictures" in completed.stderr
    Image.new("RGB", (32, 32)).save(tmp_path / "a.png")
    completed = inside("evaluate", tmp_path, "--codec", "jpgg", "--out", tmp_path / "out")
    assert (
        completed.returncode == 1
        and b"jpgg" in completed.stderr
        and not (tmp_path / "out").exists()
    )


@pytest.mark.skipif(not (SHARED / "kodak").is_dir(), reason="the Kodak photographs are not here")
def test_base_beats_jpeg_and_webp_on_kodak(tmp_path):
    """A fraction of the acceptance figure, cheap enough for every run: three photographs, real
    files.
    """
    paths = [SHARED / "kodak" / f"kodim{number:02}.png" for number in (4, 15, 23)]
    rows = pictures.measure_pictures(
        paths,
        rate_distortion.measurement_points(["base", "jpeg", "webp"]),
        ["psnr"],
        tmp_path / "rows.jsonl",
    )
    by_codec = curves.mean_curves(rows.values(), "psnr")[1]
    assert bjontegaard.bd_rate(by_codec["jpeg"], by_codec["base"])[0] < -40
    assert bjontegaard.bd_rate(by_codec["webp"], by_codec["base"])[0] < 0
