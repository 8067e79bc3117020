"""Rows that still hold: aliases, pixels, versions, numbers."""

import json

import pytest
from PIL import Image

from metamer.codec.errors import FileError, MetamerError
from metamer.evaluation.codecs.registry import check_names, get_codec, split_alias
from metamer.evaluation.images import picture_digest
from metamer.evaluation.measure import measurements, pictures, rows
from metamer.evaluation.measure.rows import Point


@pytest.fixture
def paths(tmp_path, otters):
    otters.crop((100, 60, 164, 124)).save(tmp_path / "a.png")
    return [tmp_path / "a.png"]


def test_an_alias_is_what_comes_before_the_first_equals_sign(tmp_path, monkeypatch):
    assert split_alias("base") == ("", "base")
    assert split_alias("ours=runs/x/model.metamer+d@0.5") == ("ours", "runs/x/model.metamer+d@0.5")
    assert split_alias("compressai:mbt2018-mean:metric=mse") == (
        "",
        "compressai:mbt2018-mean:metric=mse",
    )
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a=b.toml").write_text("")
    assert split_alias("a=b.toml") == ("", "a=b.toml")
    codec = get_codec("coarse=jpeg:subsampling=4:2:0")
    assert (codec.name, codec.spec) == ("coarse", "jpeg:subsampling=4:2:0")
    with pytest.raises(MetamerError, match="x is jpeg and webp"):
        check_names(["x=jpeg", "x=webp"])


def test_a_row_records_what_its_alias_means_and_is_measured_again_when_that_changes(
    paths, tmp_path
):
    results = tmp_path / "rows.jsonl"
    for spec, count in (("jpeg", 1), ("jpeg", 1), ("jpeg:optimize=false", 2)):
        point = Point(f"ours={spec}", 50)
        measurements = pictures.measure_pictures(paths, [point], ["mse"], results)
        assert list(measurements) == [("a.png", point)]
        row = measurements["a.png", point]
        assert (row["codec"], row["spec"]) == ("ours", spec)
        assert len(results.read_text().splitlines()) == count
    assert rows.row_codec(row).spec == "jpeg:optimize=false"


def test_other_pixels_under_the_same_name_are_measured_again(paths, tmp_path, otters):
    results, point = tmp_path / "rows.jsonl", Point("jpeg", 50)
    (row,) = pictures.measure_pictures(paths, [point], ["mse"], results).values()
    assert row["pixels"] == picture_digest(Image.open(paths[0]))
    otters.crop((300, 60, 364, 124)).save(paths[0])
    (remeasured,) = pictures.measure_pictures(paths, [point], ["mse"], results).values()
    assert remeasured["pixels"] != row["pixels"] and remeasured["mse"] != row["mse"]
    assert len(results.read_text().splitlines()) == 2


def test_what_is_no_number_is_named_by_file_line_and_picture(tmp_path):
    path = tmp_path / "results.jsonl"
    lines = [{"image": "a.png", "psnr": 30.0}, {"image": "b.png", "psnr": float("nan")}]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(FileError, match=r"results\.jsonl: line 2: psnr of b\.png is nan"):
        rows.read_rows(path)
    with pytest.raises(MetamerError, match=r"lpips of a\.png by jpeg at setting 50 is nan"):
        measurements.check_numbers({"lpips": float("nan")}, get_codec("jpeg"), "a.png", 50)


def test_every_run_is_written_down(paths, tmp_path):
    for _ in range(2):
        pictures.measure_pictures(paths, [Point("jpeg", 50)], ["mse"], tmp_path / "rows.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "runs.jsonl").read_text().splitlines()]
    assert len(lines) == 2 and lines[0]["command"].startswith("metamer")
    assert lines[0]["date"].endswith("+00:00") and lines[0]["machine"]["cores"] >= 1
