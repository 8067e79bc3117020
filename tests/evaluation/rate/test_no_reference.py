"""What `metamer evaluate` makes of a metric that knows no original: the original's own value beside
it everywhere, no BD-rates, and one line where it takes no such picture.
"""

import json

import pytest
from PIL import Image

from metamer.evaluation.images import read_image, to_tensor
from metamer.evaluation.rate import curves, figure_data
from metamer.evaluation.report.contents import distance_sections
from metamer.evaluation.results.folders import load_results
from metamer.perception import create
from tests.conftest import inside

KEY = "original brisque"


@pytest.fixture(scope="module")
def folder(tmp_path_factory, otters):
    folder = tmp_path_factory.mktemp("pictures")
    for index in range(2):
        otters.crop((200 * index, 100, 200 * index + 176, 276)).save(folder / f"{index}.png")
    return folder


@pytest.fixture(scope="module")
def originals(folder):
    """Each picture's own value."""
    brisque = create("brisque")
    return {
        path.name: brisque(*2 * [to_tensor(read_image(path))]).item()
        for path in sorted(folder.iterdir())
    }


@pytest.fixture(scope="module")
def over_settings(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("over settings")
    arguments = ("--codec", "jpeg", "--codec", "webp", "--quality", "5,40,90")
    done = inside("evaluate", folder, *arguments, "-m", "psnr", "--out", out)
    assert done.returncode == 0, done.stderr.decode()
    # in a second run: what was measured is kept, the rest of a row filled in
    more = inside("evaluate", folder, *arguments, "-m", "psnr", "-m", "brisque", "--out", out)
    assert more.returncode == 0, more.stderr.decode()
    return out


def test_rows_have_the_originals_own_value(over_settings, originals):
    rows = load_results([over_settings]).rows
    assert len(rows) == 2 * 2 * 3
    for row in rows:
        assert row[KEY] == pytest.approx(originals[row["image"]], abs=1e-4)
        assert row["psnr"] > 20 and row["brisque"] != row[KEY]
    jpegs = [row["brisque"] for row in rows if (row["codec"], row["image"]) == ("jpeg", "0.png")]
    assert jpegs[0] > jpegs[1] + 10 > jpegs[2]


def test_tables_and_figures_draw_it_and_make_no_bd_rates(over_settings, originals):
    rows = load_results([over_settings]).rows
    mean = -sum(originals.values()) / 2
    text = (over_settings / "table.txt").read_text()
    part = text.partition("brisque (−x)")[2].partition("flat areas")[0]
    assert f"\noriginal {mean:15.2f}\n" in part and "no BD-rates" in part and "%" not in part
    assert "original" not in text.partition("brisque (−x)")[0]
    summary = json.loads((over_settings / "bjontegaard.json").read_text())
    assert summary["psnr"]["differences"] and summary["psnr"]["pictures"]
    assert not summary["brisque"]["differences"] and not summary["brisque"]["pictures"]
    drawn = figure_data.figure_data(rows, ["psnr", "brisque"])
    assert drawn["originals"] == {"BRISQUE (−x)": pytest.approx(mean, abs=1e-4)}
    assert list(figure_data.picture_bd_rates(rows, ["psnr", "brisque"], "jpeg")) == ["PSNR (dB)"]
    assert curves.originals_mean(rows, "psnr") is None
    psnr, brisque = distance_sections(rows)
    assert psnr["original"] is None and brisque["original"] == pytest.approx(mean, abs=1e-3)
    assert {cell["text"] for row in brisque["bd"] for cell in row["cells"]} == {"", "–"}
    page = over_settings / "page"
    assert inside("report", over_settings, "--out", page).returncode == 0
    assert f'"original": {brisque["original"]}' in (page / "index.html").read_text()


def test_a_range_for_bd_rates_is_refused(folder, over_settings):
    arguments = ("--codec", "jpeg", "-m", "brisque", "--bd-range", "brisque=1,2")
    done = inside("evaluate", folder, *arguments, "--out", over_settings)
    assert done.returncode == 1
    assert done.stderr.decode().splitlines() == [
        "metamer: brisque knows no original, there are no BD-rates in it"
    ]


def test_tables_at_equal_rates_have_the_original(folder, tmp_path, originals):
    arguments = ("--codec", "jpeg", "--codec", "jpeg:subsampling=4:4:4", "--bpp", "1.2")
    done = inside("evaluate", folder, *arguments, "-m", "brisque", "--out", tmp_path)
    assert done.returncode == 0, done.stderr.decode()
    text = (tmp_path / "matched.txt").read_text()
    (line,) = [line for line in text.splitlines() if line.startswith("original")]
    assert float(line.split()[1]) == pytest.approx(sum(originals.values()) / 2, rel=1e-3)


def test_flat_and_small_pictures_get_one_line(tmp_path):
    for name, picture, message in (
        (
            "flat",
            Image.new("RGB", (160, 160), (128, 128, 128)),
            "flat.png: brisque: the image has no texture, nothing can be said of its quality",
        ),
        (
            "small",
            Image.effect_noise((96, 96), 50).convert("RGB"),
            "brisque needs 128 pixels a side, which no picture has",
        ),
    ):
        (tmp_path / name).mkdir()
        picture.save(tmp_path / name / f"{name}.png")
        arguments = ("--codec", "jpeg", "--quality", "50", "-m", "brisque")
        done = inside("evaluate", tmp_path / name, *arguments, "--out", tmp_path / "out" / name)
        assert done.returncode == 1
        assert done.stderr.decode().splitlines() == [f"metamer: {message}"]
