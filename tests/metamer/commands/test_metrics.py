"""`metamer metrics` and `metamer weights` as a person uses them."""

import csv
import json

import pytest
from PIL import Image

from metamer.perception import metrics
from tests.conftest import ROOT, inside, run_metamer

OTTERS = ROOT / "examples" / "otters.png"


def error_line(completed) -> str:
    """The one line on stderr of a run that failed."""
    assert completed.returncode != 0
    lines = completed.stderr.decode().strip().splitlines()
    assert len(lines) == 1 and "Traceback" not in lines[0], completed.stderr.decode()
    return lines[0]


@pytest.fixture
def coarse(tmp_path, otters):
    otters.save(tmp_path / "coarse.jpg", quality=15)
    return tmp_path / "coarse.jpg"


def test_list_names_every_metric():
    rows = json.loads(inside("metrics", "list", "--json").stdout)
    assert [row["name"] for row in rows] == list(metrics())
    text = inside("metrics", "list").stdout.decode()
    assert all(f"\n{name} " in text for name in metrics())


def test_compare(coarse):
    completed = inside("metrics", "compare", OTTERS, coarse, OTTERS, "--json")
    coarse_row, identical_row = json.loads(completed.stdout)
    assert set(coarse_row) == {"image", "psnr", "cielab", "ms-ssim", "haarpsi", "lpips-squeeze"}
    assert (
        identical_row["psnr"] == 100
        and identical_row["lpips-squeeze"] == 0
        and 20 < coarse_row["psnr"] < 35
    )
    spec = "features:network=squeezenet,layer=fire5,channels=H-10"
    text = inside("metrics", "compare", OTTERS, coarse, "-m", spec, "-m", "mse").stdout.decode()
    assert spec in text and str(coarse) in text


def test_compare_folders_pairs_pictures_by_name(tmp_path, otters):
    for folder, quality in (("a", 95), ("b", 20)):
        (tmp_path / folder).mkdir()
        for index, kind in enumerate(("png", "jpg")):
            piece = otters.crop((200 * index, 0, 200 * index + 180, 170))
            name = f"{index}.{kind if folder == 'a' else 'jpg'}"
            piece.save(tmp_path / folder / name, quality=quality)
    arguments = ("metrics", "compare", tmp_path / "a", tmp_path / "b", "-m", "psnr", "-m", "mse")
    rows = list(csv.DictReader(inside(*arguments, "--csv").stdout.decode().splitlines()))
    assert [row["image"] for row in rows] == [
        str(tmp_path / "b" / "0.jpg"),
        str(tmp_path / "b" / "1.jpg"),
        "mean",
    ]
    first_psnr, second_psnr, mean = (float(row["psnr"]) for row in rows)
    assert mean == pytest.approx((first_psnr + second_psnr) / 2) and 20 < first_psnr < 45
    assert "mean" in inside(*arguments).stdout.decode().splitlines()[-1]
    assert "not both" in inside(*arguments, "--csv", "--json").stderr.decode()
    otters.save(tmp_path / "b" / "2.png")
    assert "has no picture called 2" in error_line(inside(*arguments))
    assert "one other folder" in error_line(inside("metrics", "compare", tmp_path / "a", OTTERS))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("metrics", "compare", OTTERS, OTTERS, "-m", "lpisp"), "did you mean 'lpips'?"),
        (("metrics", "compare", OTTERS, ROOT / "examples" / "kodak.png"), "the reference 736x414"),
        (("metrics", "compare", OTTERS, "absent.png"), "absent.png"),
        (("metrics", "compare", OTTERS, ROOT / "README.md"), "README.md"),
        (("metrics", "recover", OTTERS, "-m", "psnr", "--out", "out"), "psnr has no gradient"),
        (("metrics", "recover", OTTERS, "-m", "mse", "--side", "600", "--out", "out"), "736x414"),
        (("metrics", "efficacy", "resnet", "--out", "out"), "no network is called 'resnet'"),
        (
            ("metrics", "efficacy", "squeeze", "--layer", "fire33", "--out", "out"),
            "did you mean 'fire3'?",
        ),
        (("metrics", "judge", "tid2013", "absent", "-m", "mse", "--out", "out"), "absent"),
        (("metrics", "resimulate", "absent", "absent", "--out", "out"), "absent"),
        (("metrics", "tolerance", "absent", "--out", "out"), "absent"),
        (("metrics", "tolerance", ".", "-m", "mse", "--out", "out"), "no pictures"),
        (("metrics", "neighbours", "absent", "--out", "out"), "absent: no such file"),
        (("metrics", "recover", "absent.png", "--out", "out"), "absent.png"),
        (("metrics", "realism", "absent", "absent"), "absent"),
        (
            (
                "metrics",
                "realism",
                ROOT / "examples",
                ROOT / "examples",
                "--pim",
                ROOT / "README.md",
            ),
            "no weights are called",
        ),
        (
            (
                "metrics",
                "realism",
                ROOT / "examples",
                ROOT / "examples",
                "--features",
                "squeezenet:fire55",
            ),
            "no layer 'fire55'",
        ),
        (("metrics", "detection", "absent", "--out", "out"), "absent"),
        (("metrics", "calibrate", "absent", "--out", "out"), "absent cannot be read"),
        (("metrics", "map", "absent", "absent", "--out", "map.png"), "absent"),
        (("metrics", "map", "absent", "absent", "-m", "mse", "--out", "map.png"), "no map"),
        (("metrics", "map", "absent", "absent", "-m", "all", "--out", "map.png"), "'all'"),
        (("metrics", "realism", ROOT / "examples", ROOT / "tests"), "has no picture called"),
        (("metrics", "realism", ROOT / "tests", ROOT / "tests"), "no pictures there"),
        (("sweep", "absent.yaml", "--data", ".", "--out", "out"), "absent.yaml"),
        (("weights", "fetch", "alexnett"), "did you mean 'alexnet'?"),
    ],
)
def test_bad_input_gets_one_line(monkeypatch, tmp_path, arguments, message):
    # as on a machine that fetched none: what is left out for that comes second
    monkeypatch.setenv("METAMER_WEIGHTS", "")
    monkeypatch.setenv("METAMER_CACHE", str(tmp_path / "cache"))
    assert message in error_line(inside(*arguments, cwd=tmp_path))


def test_missing_weights_are_reported_with_the_command_to_get_them(tmp_path, coarse):
    import os

    bare = {**os.environ, "METAMER_CACHE": str(tmp_path), "METAMER_WEIGHTS": ""}
    line = error_line(run_metamer("metrics", "compare", OTTERS, coarse, "-m", "lpips", env=bare))
    assert "run `metamer weights fetch`" in line
    rows = json.loads(run_metamer("weights", "list", "--json", env=bare).stdout)
    assert {row["name"] for row in rows if row["path"] is None} == {"alexnet", "vgg16", "inception"}
    assert all(row["licence"] for row in rows)


def test_recover_draws_a_sheet(tmp_path):
    completed = run_metamer(
        "metrics",
        "recover",
        OTTERS,
        "-m",
        "mse",
        "--steps",
        "3",
        "--side",
        "168",
        "--out",
        tmp_path,
    )
    assert completed.returncode == 0 and completed.stdout.startswith(b"mse: ")
    assert Image.open(tmp_path / "recoveries-noise.png").width > 300


def test_efficacy_tables_and_draws(tmp_path):
    completed = inside(
        "metrics",
        "efficacy",
        "squeeze",
        "--photo",
        OTTERS,
        "--steps",
        "2",
        "--out",
        tmp_path / "out",
    )
    assert completed.returncode == 0, completed.stderr.decode()
    rows = list(csv.DictReader((tmp_path / "out" / "efficacy.csv").open()))
    assert len(rows) == 64 + 2 * (128 + 256 + 384 + 512) and all(
        float(row["efficacy"]) >= 0 for row in rows
    )
    for name in ("tuning_squeezenet_fire3.png", "inversion_squeezenet_fire3.png"):
        assert Image.open(tmp_path / "out" / name).width > 800


def test_tolerance_and_neighbours_draw_and_tabulate(tmp_path, otters):
    completed = inside(
        "metrics",
        "tolerance",
        ROOT / "examples",
        "-m",
        "mse",
        "-m",
        "pim-1",
        "--out",
        tmp_path / "out",
    )
    assert completed.returncode == 0 and "shift 1 px" in completed.stdout.decode(), (
        completed.stderr.decode()
    )
    for clip in range(2):
        (tmp_path / f"clip{clip}").mkdir()
        for frame in range(3):
            left = 250 * clip + 5 * frame
            otters.crop((left, 0, left + 200, 180)).save(
                tmp_path / f"clip{clip}" / f"{frame:02d}.png"
            )
    completed = inside(
        "metrics",
        "neighbours",
        tmp_path / "clip0",
        tmp_path / "clip1",
        "-m",
        "mse",
        "--out",
        tmp_path / "out",
    )
    assert completed.returncode == 0 and "another clip" in completed.stdout.decode(), (
        completed.stderr.decode()
    )
    for name in ("tolerance", "neighbours"):
        assert json.loads((tmp_path / "out" / f"{name}.json").read_text())
        assert Image.open(tmp_path / "out" / f"{name}.png").width > 500
