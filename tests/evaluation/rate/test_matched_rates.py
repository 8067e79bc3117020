"""Equal rates: what is averaged, what is paired, and what the command leaves in its folder."""

import json
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from metamer.cli import main
from metamer.codec.errors import MetamerError
from metamer.evaluation.codecs.registry import get_codec
from metamer.evaluation.measure.decoded import decoded_path
from metamer.evaluation.measure.rows import Point
from metamer.evaluation.rate import matched_rates, matched_summary
from metamer.evaluation.rate.crops import busiest_crop
from metamer.evaluation.realism.features import SetFeatures
from metamer.evaluation.results.summary import MeanInterval
from tests.conftest import inside


@pytest.fixture(scope="module")
def folder(tmp_path_factory, otters):
    folder = tmp_path_factory.mktemp("pictures")
    for index in range(3):
        otters.crop((200 * index, 100, 200 * index + 176, 276)).save(folder / f"{index}.png")
    return folder


def rows(target=0.5, **values):
    """Rows of codecs at a rate, a picture a value: its bpp and what some distance says."""
    return [
        {"codec": name, "image": f"{index}.png", "target": target, "bpp": bpp, "d": value}
        for name, pairs in values.items()
        for index, (bpp, value) in enumerate(pairs)
    ]


def summaries(rows_of_codecs, anchor="b", target=0.5):
    all_summaries = matched_summary.summarise_rate(rows_of_codecs, target, anchor, ["d"])
    return {summary.codec: summary for summary in all_summaries}


def test_summaries_average_and_pair():
    of_codec = summaries(
        rows(a=[(0.5, 1.0), (0.51, 3.0), (0.488, 8.0)], b=[(0.5, 0.5), (0.5, 2.5), (0.5, 7.5)])
        + rows(0.6, a=[(0.6, 99.0)])
    )["a"]
    assert (of_codec.pictures, of_codec.bpp) == (3, pytest.approx(1.498 / 3))
    assert (of_codec.mean_deviation, of_codec.largest_deviation) == (
        pytest.approx(0.022 / 3),
        pytest.approx(0.012),
    )
    assert of_codec.means["d"].value == 4 and of_codec.means["d"].low < 4 < of_codec.means["d"].high
    assert of_codec.differences["d"] == MeanInterval(
        0.5, 0.5, 0.5
    )  # the pictures differ much, the codecs alike on each
    assert of_codec.misses == []


def test_a_picture_off_the_rate_counts_for_no_codec_and_is_named():
    measurements = rows(
        0.15,
        a=[(0.15, 1.0), (0.180, 9.0), (0.152, 3.0)],
        b=[(0.15, 2.0), (0.15, 2.0), (0.1454, 2.0)],
    )
    by_codec = summaries(measurements, target=0.15)
    assert {name: part.pictures for name, part in by_codec.items()} == {"a": 1, "b": 1}
    assert by_codec["a"].means["d"].value == 1 and by_codec["a"].differences["d"].value == -1
    assert [(miss.image, miss.bpp) for miss in by_codec["a"].misses] == [("1.png", 0.180)]
    text = matched_summary.matched_table(list(by_codec.values()), "b")
    assert "caution: a is more than 3 % off 0.15 bpp on 1.png +20.0 %; these images count" in text
    assert "caution: b is more than 3 % off 0.15 bpp on 2.png −3.1 %" in text


def test_a_codec_that_is_not_at_the_rate_is_left_out_and_takes_no_picture_from_others():
    measurements = rows(0.15, a=[(0.15, 1.0), (0.15, 3.0)], b=[(0.18, 2.0), (0.239, 2.0)])
    by_codec = summaries(measurements, target=0.15)
    assert by_codec["a"].pictures == 2 and by_codec["a"].means["d"].value == 2
    assert by_codec["b"].pictures == 0 and by_codec["b"].means == by_codec["b"].differences == {}
    assert by_codec["a"].differences == {}  # from an anchor that is at another rate
    text = matched_summary.matched_table(list(by_codec.values()), "b")
    assert "0.2095    0.0595    0.0890  not at this rate, left out" in text
    assert "on 0.png +20.0 %, 1.png +59.3 %; it is left out" in text and "  Δ" not in text


def test_codecs_that_miss_different_halves_have_no_picture_in_common():
    by_codec = summaries(rows(a=[(0.5, 1.0), (0.6, 1.0)], b=[(0.6, 1.0), (0.5, 1.0)]))
    assert all(part.at_rate and part.pictures == 0 and not part.means for part in by_codec.values())
    text = matched_summary.matched_table(list(by_codec.values()), "b")
    assert text.count("no image is at this rate by all codecs") == 2
    assert "left out" not in text and "these images count for no codec" in text


def test_pictures_too_small_for_a_distance_are_left_out():
    assert summaries(rows(a=[(0.5, None), (0.5, 2.0)]), "a")["a"].means["d"].value == 2
    assert summaries(rows(a=[(0.5, None)]), "a")["a"].means == {}


def test_realism_is_of_the_pictures_that_count(monkeypatch, tmp_path):
    measurements = rows(
        a=[(0.5, 1.0)] * 5, b=[(0.5, 1.0)] * 4 + [(0.6, 1.0)], c=[(0.7, 1.0)] * 5
    )  # one picture of b is off the rate, all of c's are
    samples = []
    monkeypatch.setattr(matched_rates, "read_image", lambda path: path.name)
    monkeypatch.setattr(
        matched_rates, "decode_again", lambda path, row: (path.name, row["codec"], row["bpp"])
    )
    monkeypatch.setattr(
        matched_rates.comparison,
        "compare_sets",
        lambda originals, decoded: (
            samples.append((originals.features["fid"], decoded)) or {"fid": 1.0}
        ),
    )

    def sample(pictures):
        pictures = list(pictures)
        return SetFeatures({"fid": pictures}) if isinstance(pictures[0], str) else pictures

    list_of_summaries = list(summaries(measurements).values())
    matched_rates.measure_realism(
        list_of_summaries, [tmp_path / f"{index}.png" for index in range(5)], measurements, sample
    )
    names = [f"{index}.png" for index in range(4)]
    assert samples == [(names, [(name, codec, 0.5) for name in names]) for codec in "ab"]
    assert [part.realism for part in list_of_summaries] == [{"fid": 1.0}, {"fid": 1.0}, None]


def test_an_untrained_network_has_no_rate(monkeypatch):
    jpeg = get_codec("jpeg")
    monkeypatch.setattr(matched_rates, "check_names", lambda names: None)
    monkeypatch.setattr(
        matched_rates, "get_codec", lambda name: replace(jpeg, name=name, trained=name != "net")
    )
    matched_rates.check_trained(["jpeg", "webp"])
    with pytest.raises(MetamerError, match="net is untrained: good for timing alone"):
        matched_rates.check_trained(["jpeg", "net"])


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


def test_the_command_writes_every_file_it_lists(folder, tmp_path):
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
    completed = inside(*arguments)
    assert completed.returncode == 0, completed.stderr.decode()
    text = completed.stdout.decode()
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
    record = json.loads((tmp_path / "out" / "matched.json").read_text())
    assert [(part["codec"], part["target"]) for part in record] == [
        ("base", 0.6),
        ("jpeg", 0.6),
        ("base", 0.45),
        ("jpeg", 0.45),
    ]
    assert (
        record[1]["differences"]["psnr"]["value"] < -1
        and record[0]["differences"]["psnr"]["value"] == 0
    )
    assert Image.open(tmp_path / "out" / "crops.png").width > 900
    before = (tmp_path / "out" / "matched.jsonl").read_text()
    repeated = inside(*arguments, "--anchor", "jpeg")
    assert (
        "differences from jpeg" in repeated.stdout.decode()
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
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert (
        result.exit_code == 0
        and "caution: FID/256: 4 patches" in result.stdout
        and "  Jensen-Shannon ≥, nats\n" in result.stdout
    )
    for record in json.loads((tmp_path / "out" / "matched.json").read_text()):
        realism = record["realism"]
        assert (realism["pictures"], realism["patches"]) == (4, 4)
        for name in ("fid", "kid", "squeezenet:fire5", "js", "kl"):
            assert (
                realism[f"{name}_low"] <= realism[name] <= realism[f"{name}_high"]
                and realism["fid"] > 10
            )
        assert f"{record['codec']:<5} {realism['fid']:.4g} [" in result.stdout


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
        (("--bpp", "0.5", "--bd-range", "psnr=30,40"), "--bd-range or --bpp"),
        (("--bd-range", "psnr=40,30"), "write a range as METRIC=LOW,HIGH"),
        (("--bd-range", "dists=0.1,0.2"), "'dists', which is not measured"),
        (("--codec", "jpeg=webp"), "jpeg is"),
    ],
)
def test_mistakes(folder, tmp_path, arguments, message):
    completed = inside("evaluate", folder, "--codec", "jpeg", *arguments, "--out", tmp_path / "out")
    assert (
        completed.returncode
        and message in completed.stderr.decode()
        and not (tmp_path / "out").exists()
    )


def test_folders_of_kept_pictures_have_names_of_one_level(tmp_path):
    path = decoded_path(
        tmp_path, tmp_path / "a.jpg", Point("runs/mine/x.metamer+pim@0.5", target=0.15)
    )
    assert path == tmp_path / "runs_mine_x.metamer+pim@0.5@0.15" / "a.png"
