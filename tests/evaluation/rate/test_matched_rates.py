"""Equal rates: what is averaged, what is paired, and what the command leaves in its folder."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from metamer.cli import main
from metamer.evaluation.measure.decoded import decoded_path
from metamer.evaluation.measure.measurements import Point
from metamer.evaluation.measure.summary import MeanInterval
from metamer.evaluation.rate import matched_rates
from metamer.evaluation.rate.crops import busiest_crop
from tests.conftest import inside


@pytest.fixture(scope="module")
def folder(tmp_path_factory, otters):
    folder = tmp_path_factory.mktemp("pictures")
    for index in range(3):
        otters.crop((200 * index, 100, 200 * index + 176, 276)).save(folder / f"{index}.png")
    return folder


def rows(**values):
    """Rows of codecs at 0.5 bpp, a picture a value: its bpp and what some distance says."""
    return {
        (f"{index}", Point(name, target=0.5)): {"bpp": bpp, "d": value}
        for name, pairs in values.items()
        for index, (bpp, value) in enumerate(pairs)
    }


def test_summaries_average_and_pair():
    found = matched_rates.summarise(
        rows(a=[(0.5, 1.0), (0.52, 3.0), (0.46, 8.0)], b=[(0.5, 0.5), (0.5, 2.5), (0.5, 7.5)]),
        Point("a", target=0.5),
        Point("b", target=0.5),
        ["d"],
    )
    assert (found.pictures, found.bpp) == (3, pytest.approx(1.48 / 3))
    assert (found.mean_deviation, found.largest_deviation) == (
        pytest.approx(0.02),
        pytest.approx(0.04),
    )
    assert found.means["d"].value == 4 and found.means["d"].low < 4 < found.means["d"].high
    assert found.differences["d"] == MeanInterval(
        0.5, 0.5, 0.5
    )  # the pictures differ much, the codecs alike on each


def test_pictures_too_small_for_a_distance_are_left_out():
    points = Point("a", target=0.5), Point("a", target=0.5)
    assert (
        matched_rates.summarise(rows(a=[(0.5, None), (0.5, 2.0)]), *points, ["d"]).means["d"].value
        == 2
    )
    assert matched_rates.summarise(rows(a=[(0.5, None)]), *points, ["d"]).means == {}


def test_the_crop_is_where_most_happens():
    array = np.zeros((400, 600), np.uint8)
    array[150:250, 380:480] = np.random.default_rng(0).integers(0, 255, (100, 100))
    left, top, right, bottom = busiest_crop(Image.fromarray(array).convert("RGB"))
    assert (
        left <= 380
        and right >= 480
        and top <= 150
        and bottom >= 250
        and (right - left, bottom - top) == (192, 192)
    )
    assert busiest_crop(Image.new("RGB", (100, 50))) == (0, 0, 50, 50)


def test_the_command_writes_all_it_says(folder, tmp_path):
    arguments = (
        "evaluate",
        folder,
        "--codec",
        "base",
        "--codec",
        "jpeg",
        "--bpp",
        "0.6",
        "--bpp",
        "0.45",
        "-m",
        "psnr",
        "-m",
        "haarpsi",
        "--keep",
        "--sheet",
        "0.6",
        "--out",
        tmp_path / "out",
    )
    done = inside(*arguments)
    assert done.returncode == 0, done.stderr.decode()
    text = done.stdout.decode()
    assert (
        "0.6 bpp" in text
        and "haarpsi" in text
        and text.count("Δ ") == 1 + 4
        and "differences from base" in text
    )
    lines = [
        json.loads(line) for line in (tmp_path / "out" / "matched.jsonl").read_text().splitlines()
    ]
    assert len(lines) == 2 * 2 * 3 and {row["target"] for row in lines} == {0.45, 0.6}
    for row in lines:
        assert abs(row["bpp"] - row["target"]) < 0.06
        decoded = Image.open(
            tmp_path / "out" / "decoded" / f"{row['codec']}@{row['target']:g}" / row["image"]
        )
        assert decoded.size == (176, 176)
    found = json.loads((tmp_path / "out" / "matched.json").read_text())
    assert [(part["codec"], part["target"]) for part in found] == [
        ("base", 0.6),
        ("jpeg", 0.6),
        ("base", 0.45),
        ("jpeg", 0.45),
    ]
    assert (
        found[1]["differences"]["psnr"]["value"] < -1
        and found[0]["differences"]["psnr"]["value"] == 0
    )
    assert Image.open(tmp_path / "out" / "crops.png").width > 900
    before = (tmp_path / "out" / "matched.jsonl").read_text()
    again = inside(*arguments, "--anchor", "jpeg")
    assert (
        "differences from jpeg" in again.stdout.decode()
        and (tmp_path / "out" / "matched.jsonl").read_text() == before
    )


@pytest.mark.usefixtures("inception_weights")
def test_realism_comes_with_intervals_and_cautions(tmp_path, otters):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for index in range(4):
        otters.crop((120 * index, 20 * index, 120 * index + 300, 20 * index + 280)).save(
            folder / f"{index}.png"
        )
    arguments = [
        "evaluate",
        str(folder),
        "--codec",
        "webp",
        "--codec",
        "jpeg",
        "--bpp",
        "0.4",
        "-m",
        "psnr",
        "--realism",
        "--critic",
        "squeezenet",
        "--out",
        str(tmp_path / "out"),
    ]
    done = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert (
        done.exit_code == 0
        and "caution: FID/256: 4 patches" in done.stdout
        and "  Jensen-Shannon ≥, nats\n" in done.stdout
    )
    for found in json.loads((tmp_path / "out" / "matched.json").read_text()):
        measured = found["realism"]
        assert (measured["pictures"], measured["patches"]) == (4, 4)
        for name in ("fid", "kid", "squeezenet:fire5", "js", "kl"):
            assert (
                measured[f"{name}_low"] <= measured[name] <= measured[f"{name}_high"]
                and measured["fid"] > 10
            )
        assert f"{found['codec']:<5} {measured['fid']:.4g} [" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--keep",), "go with --bpp"),
        (("--bpp", "0.5", "--critic", "squeezenet"), "goes with --realism"),
        (("--sheet", "0.3"), "go with --bpp"),
        (("--bpp", "0.5", "--quality", "10"), "not both"),
        (("--bpp", "0.5", "--sheet", "0.3"), "needs --bpp 0.3"),
        (("--bpp", "0"), "bpp"),
        (("--bpp", "0.5", "--anchor", "jpgg"), "jpgg"),
    ],
)
def test_mistakes(folder, tmp_path, arguments, message):
    done = inside("evaluate", folder, "--codec", "jpeg", *arguments, "--out", tmp_path / "out")
    assert done.returncode and message in done.stderr.decode() and not (tmp_path / "out").exists()


def test_folders_of_kept_pictures_have_names_of_one_level(tmp_path):
    path = decoded_path(
        tmp_path, tmp_path / "a.jpg", Point("runs/mine/x.metamer+pim@0.5", target=0.15)
    )
    assert path == tmp_path / "runs_mine_x.metamer+pim@0.5@0.15" / "a.png"
