"""Every block of every tutorial runs, and gives what its page says."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import metamer
from tests.conftest import ROOT
from tests.docs.pages import run

TUTORIALS = ROOT / "docs" / "tutorials"


def add_photographs(folder: Path, otters: Image.Image, count: int, side: int) -> None:
    """Small crops of the shipped photograph."""
    (folder / "photos").mkdir(exist_ok=True)
    for index in range(count):
        left, top = 110 * index % 480, 40 * index
        crop = otters.crop((left, top, left + side, top + 192))
        crop.save(folder / "photos" / f"crop{index}.jpg", quality=95)


@pytest.fixture
def folder(tmp_path, otters) -> Path:
    """A reader's folder, with a few photographs in it."""
    add_photographs(tmp_path, otters, 3, 240)
    return tmp_path


def run_tutorial(name: str, folder: Path, smaller: dict[str, str] | None = None) -> str:
    """A tutorial's output. smaller: what is put in place of what, so that the test ends soon."""
    page = (TUTORIALS / f"{name}.md").read_text()
    for old, new in (smaller or {}).items():
        assert old in page, old
        page = page.replace(old, new)
    return run(page, folder, folder / "packages")


def test_encode_to_a_budget(folder):
    printed = run_tutorial("encode-to-a-budget", folder)
    names = {"crop0", "crop1", "crop2"}
    for output in ("small", "even", "folder", "better"):
        assert {path.stem for path in (folder / output).iterdir()} == names, output
    for output in ("small", "better"):
        assert all(path.stat().st_size <= 4000 for path in (folder / output).iterdir())
    assert all(metamer.info(path).bpp <= 0.3 for path in (folder / "even").iterdir())
    sizes = [path.stat().st_size for path in (folder / "folder").iterdir()]
    assert sum(sizes) <= 12_000 and f"{sum(sizes):,} of 12,000 bytes" in printed
    assert len({metamer.info(path).quality for path in (folder / "folder").iterdir()}) == 1
    assert {Image.open(path).size for path in (folder / "decoded").iterdir()} == {(240, 192)}


def test_train_a_point(folder, otters):
    add_photographs(folder, otters, 6, 256)
    printed = run_tutorial(
        "train-a-point", folder, {"steps: 500": "steps: 2", "crop: 176": "crop: 96"}
    )
    straight_through, soft_rounding = (
        [np.asarray(Image.open(path)) for path in sorted((folder / name).iterdir())]
        for name in ("own", "soft")
    )
    assert len(straight_through) == len(soft_rounding) == 2
    assert any(
        (weight != other_weight).any()
        for weight, other_weight in zip(straight_through, soft_rounding, strict=True)
    )
    rows = [json.loads(line) for line in (folder / "judged" / "matched.jsonl").open()]
    assert {row["codec"] for row in rows} == {"base", "base+runs/soft/synthesis.decoder"}
    assert "haarpsi" in printed


def test_add_a_distance(folder):
    printed = run_tutorial("add-a-distance", folder, {"--steps 300": "--steps 2"})
    assert "structure 2" in printed
    (low,) = [line for line in printed.splitlines() if line.startswith("low.png")]
    (high,) = [line for line in printed.splitlines() if line.startswith("high.png")]
    assert low != high
    assert (folder / "blind" / "recoveries-noise.png").is_file()


def test_add_a_codec(folder):
    printed = run_tutorial("add-a-codec", folder)
    assert "half.toml" in printed and "BD-rate" in printed
    assert (folder / "page" / "index.html").is_file()


def test_a_tutorial_that_fails_is_noticed(tmp_path):
    with pytest.raises(AssertionError, match="exit 3"):
        run("```sh\nexit 3\n```\n", tmp_path, tmp_path)
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        run("```python\n1 / 0\n```\n", tmp_path, tmp_path)
