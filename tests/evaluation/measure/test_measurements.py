"""Rows of measurements: what is in them, when they are made again, and that processes do not mix
them.
"""

import json

import PIL
import pytest
from PIL import Image

from metamer.codec.errors import FileError, ImageError, MetamerError
from metamer.evaluation.codecs.registry import get_codec
from metamer.evaluation.images import held_out_paths, to_tensor
from metamer.evaluation.measure import pictures
from metamer.evaluation.measure.rows import Point
from metamer.perception import MetricError, create

SPECS = ("psnr", "cielab")
POINTS = [Point("jpeg", 30), Point("jpeg", target=0.8)]


@pytest.fixture
def folder(tmp_path, otters):
    (tmp_path / "in").mkdir()
    for index in range(2):
        otters.crop((200 * index, 100, 200 * index + 96, 164)).save(
            tmp_path / "in" / f"{index}.png"
        )
    return tmp_path / "in"


def test_rows_hold_what_was_measured(folder, tmp_path):
    rows = pictures.measure_pictures(held_out_paths(folder), POINTS, SPECS, tmp_path / "rows.jsonl")
    assert set(rows) == {(f"{index}.png", point) for index in range(2) for point in POINTS}
    picture = Image.open(folder / "0.png")
    jpeg = get_codec("jpeg")
    for row in (rows["0.png", point] for point in POINTS):
        data = jpeg.encode(picture, row["setting"])
        assert (
            row["bytes"] == len(data)
            and row["bpp"] == 8 * len(data) / (96 * 64)
            and row["version"] == jpeg.version
        )
        decoded = to_tensor(jpeg.decode(data))
        assert row["encode_seconds"] > 0 and row["decode_seconds"] > 0 and row["jobs"] == 1
        assert row["encode_peak_mib"] is None or 20 < row["encode_peak_mib"] < 500
        for spec in SPECS:
            assert row[spec] == pytest.approx(
                create(spec)(to_tensor(picture), decoded).item(), rel=1e-6
            )
    ((name, conditions),) = json.loads((tmp_path / "machines.json").read_text()).items()
    assert {row["machine"] for row in rows.values()} == {name} and conditions[
        "pillow"
    ] == PIL.__version__
    assert conditions["cores"] >= 1 and conditions["cpu"]
    sizes = {setting: len(jpeg.encode(picture, setting)) for setting in jpeg.ladder}
    distances = {setting: abs(8 * size / (96 * 64) - 0.8) for setting, size in sizes.items()}
    assert distances[rows["0.png", POINTS[1]]["setting"]] == min(distances.values())


def test_rows_without_a_distance_are_completed_and_whole_ones_left(folder, tmp_path):
    paths, results = held_out_paths(folder), tmp_path / "rows.jsonl"
    incomplete = pictures.measure_pictures(paths, POINTS, ["psnr"], results)
    assert len(results.read_text().splitlines()) == 4
    complete = pictures.measure_pictures(paths, POINTS, SPECS, results)
    assert len(results.read_text().splitlines()) == 8
    assert all(
        complete[key]["psnr"] == row["psnr"] and complete[key]["cielab"] > 0
        for key, row in incomplete.items()
    )
    before = results.read_text()
    results.write_text(before + '{"codec": "jpeg", "vers')
    assert (
        pictures.measure_pictures(paths, POINTS, SPECS, results) == complete
        and results.read_text() == before
    )


def test_rows_of_another_version_do_not_count(folder, tmp_path):
    paths, results = held_out_paths(folder), tmp_path / "rows.jsonl"
    pictures.measure_pictures(paths, POINTS[:1], ["psnr"], results)
    results.write_text(results.read_text().replace(get_codec("jpeg").version, "Pillow 1"))
    pictures.measure_pictures(paths, POINTS[:1], ["psnr"], results)
    assert len(results.read_text().splitlines()) == 4


def test_old_rows_are_measured_again(folder, tmp_path):
    old = {
        "codec": "jpeg",
        "version": get_codec("jpeg").version,
        "setting": 30,
        "image": "0.png",
        "bpp": 1.0,
        "psnr": 30.0,
        "ms_ssim": 0.9,
    }
    (tmp_path / "rows.jsonl").write_text(json.dumps(old) + "\n")
    rows = pictures.measure_pictures(
        held_out_paths(folder), POINTS[:1], SPECS, tmp_path / "rows.jsonl"
    )
    assert rows["0.png", POINTS[0]]["cielab"] > 0 and rows["0.png", POINTS[0]]["bpp"] != 1.0


def test_two_processes_write_the_rows_of_one(folder, tmp_path):
    paths = held_out_paths(folder)
    rows = [
        pictures.measure_pictures(paths, POINTS, SPECS, tmp_path / f"{jobs}.jsonl", jobs)
        for jobs in (1, 2)
    ]
    for key, row in rows[0].items():
        two_processes = rows[1][key]
        costs = {
            "jobs",
            *(
                f"{way}_{quantity}"
                for way in ("encode", "decode")
                for quantity in ("seconds", "peak_mib")
            ),
        }
        assert (
            row["jobs"] == 1
            and two_processes["jobs"] == 2
            and row["machine"] == two_processes["machine"]
        )
        assert {key: row[key] for key in row.keys() - costs} == {
            key: two_processes[key] for key in two_processes.keys() - costs
        }


def test_what_was_decoded_is_kept(folder, tmp_path):
    def keep(path, point):
        return tmp_path / "kept" / str(point.target) / path.name

    paths, results = held_out_paths(folder), tmp_path / "rows.jsonl"
    pictures.measure_pictures(paths, POINTS, ["psnr"], results)
    rows = pictures.measure_pictures(paths, POINTS, ["psnr"], results, keep=keep)
    assert len(results.read_text().splitlines()) == 4
    data = get_codec("jpeg").encode(Image.open(paths[0]), rows["0.png", POINTS[1]]["setting"])
    assert list(Image.open(keep(paths[0], POINTS[1])).getdata()) == list(
        get_codec("jpeg").decode(data).getdata()
    )


def test_small_pictures_have_no_value_of_distances_that_need_larger_ones(folder, tmp_path, otters):
    with pytest.raises(ImageError, match="ms-ssim needs 161 pixels a side, which no picture has"):
        pictures.measure_pictures(
            held_out_paths(folder), POINTS[:1], ["psnr", "ms-ssim"], tmp_path / "rows.jsonl"
        )
    otters.crop((0, 0, 176, 176)).save(folder / "2.png")
    rows = pictures.measure_pictures(
        held_out_paths(folder), POINTS[:1], ["psnr", "ms-ssim"], tmp_path / "rows.jsonl"
    )
    assert (
        rows["0.png", POINTS[0]]["ms-ssim"] is None
        and 0.5 < rows["2.png", POINTS[0]]["ms-ssim"] < 1
    )


def test_mistakes_are_reported_first(folder, tmp_path):
    with pytest.raises(ImageError, match="no pictures"):
        held_out_paths(tmp_path)
    with pytest.raises(MetricError, match="did you mean 'psnr'"):
        pictures.measure_pictures(held_out_paths(folder), POINTS, ["pnsr"], tmp_path / "rows.jsonl")
    assert not (tmp_path / "rows.jsonl").exists()
    (tmp_path / "rows.jsonl").write_text("{damaged}\n")
    with pytest.raises(FileError, match="is damaged"):
        pictures.measure_pictures(held_out_paths(folder), POINTS, SPECS, tmp_path / "rows.jsonl")
    with pytest.raises(MetamerError, match="jpgg"):
        pictures.measure_pictures(
            held_out_paths(folder), [Point("jpgg", 3)], SPECS, tmp_path / "others.jsonl"
        )
