"""Files that reach a value of a metric, and no larger ones than need be."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import metamer
from metamer.codec.encoder.metric_target import (
    PeakSignalToNoise,
    Target,
    load_judge,
    smallest_reaching,
)
from metamer.codec.errors import ImageError
from metamer.codec.system import entry_points
from metamer.perception.errors import MetricError
from tests.conftest import run_metamer


@pytest.fixture(scope="module")
def picture(otters) -> Image.Image:
    return otters.crop((150, 100, 326, 276))


def psnr(picture: Image.Image, data: bytes) -> float:
    error = np.asarray(metamer.decode(data), float) - np.asarray(picture, float)
    return -10 * np.log10(np.square(error / 255).mean())


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_psnr_is_reached_by_the_lowest_quality_that_does(picture, mode):
    picture = picture.convert(mode)
    data = metamer.encode(picture, target={"psnr": 33})
    assert psnr(picture, data) >= 33
    stored = round(metamer.info(data).quality * 2.55)
    lower = metamer.encode(picture, (stored - 1) / 2.55)
    assert psnr(picture, lower) < 33 and len(lower) <= len(data)


@pytest.mark.parametrize(
    ("metric", "value"), [("ms-ssim", 0.97), ("lpips-squeeze", 0.15), ("cielab", 3.0)]
)
def test_other_metrics_are_reached(picture, metric, value):
    judge = load_judge(metric)
    target_of_judge = Target(judge, value)

    def reached(data: bytes) -> bool:
        return target_of_judge.reached_by(
            judge(np.asarray(picture), np.asarray(metamer.decode(data)))
        )

    data = metamer.encode(picture, target={metric: value})
    assert reached(data)
    assert not reached(metamer.encode(picture, metamer.info(data).quality - 5))


def test_effort_reaches_it_in_fewer_bytes(picture):
    plain, refined = (metamer.encode(picture, target={"psnr": 33}, effort=e) for e in (0, 2))
    assert psnr(picture, refined) >= 33 and len(refined) < len(plain)


def test_what_the_networks_cannot_reach_is_kept_without_loss(picture):
    data = metamer.encode(picture, target={"psnr": 80})
    assert metamer.info(data).lossless
    with pytest.raises(ImageError, match=r"does not reach psnr=80; the best of \d+ files has"):
        metamer.encode(picture, target={"psnr": 80}, lossless=False)


def test_the_lowest_quality_is_enough(picture):
    data = metamer.encode(picture, target={"psnr": 5})
    assert metamer.info(data).quality < 2


def test_transparency_counts_over_white(picture):
    image = picture.convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    data = metamer.encode(image, target={"psnr": 35})
    white = Image.new("RGBA", image.size, "white")
    decoded, original = (
        np.asarray(Image.alpha_composite(white, layer).convert("RGB"), float)
        for layer in (metamer.decode(data), image)
    )
    assert -10 * np.log10(np.square((decoded - original) / 255).mean()) >= 34.95  # rounded twice


@pytest.mark.parametrize(("value", "lowest"), [(100, 100), (90, 88), (97, 97), (0, 0)])
def test_steps_back_are_looked_at(value, lowest):
    """Values fall back by ten at three qualities of ten, and quality 88 is better than those that
    follow; files grow with quality.
    """

    def values(index: int) -> float:
        return 95 if index == 88 else index - 10 if index % 10 in (1, 2, 3) else index

    encoded_at = []

    def plain(index: int) -> bytes:
        encoded_at.append(index)
        return bytes(index + 1)

    data = smallest_reaching(
        Target(PeakSignalToNoise(), value), lambda data: values(len(data) - 1), plain, None, None
    )
    assert len(data) - 1 == lowest
    assert len(encoded_at) == len(set(encoded_at)) <= 20


def test_the_smaller_of_two_files_that_reach_is_taken():
    """Where a higher quality takes fewer bytes, as forms of tiles change."""
    sizes = {index: 500 - index for index in range(256)}
    data = smallest_reaching(
        Target(PeakSignalToNoise(), 50.0),
        lambda data: float(500 - len(data)),
        lambda index: bytes(sizes[index]),
        None,
        None,
    )
    assert len(data) == min(sizes[127], sizes[63], sizes[50])


def test_impossible_values_are_reported(picture, monkeypatch):
    with pytest.raises(ImageError, match="not reach psnr=101; identical pictures have 100"):
        metamer.encode(picture, target={"psnr": 101})
    with pytest.raises(ImageError, match="not reach cielab=-1; identical pictures have 0"):
        metamer.encode(picture, target={"cielab": -1})
    with pytest.raises(MetricError, match="no distance is called 'psnrr'"):
        metamer.encode(picture, target={"psnrr": 30})
    monkeypatch.setattr(entry_points, "entry_points", lambda **_: ())
    with pytest.raises(ImportError, match="ms-ssim needs the extra `perception`"):
        metamer.encode(picture, target={"ms-ssim": 0.9})


def test_without_torch_psnr_works_and_other_metrics_name_the_package(picture, tmp_path):
    source = tmp_path / "picture.png"
    picture.crop((0, 0, 32, 32)).save(source)
    program = (
        "import sys, metamer\n"
        "sys.modules['torch'] = None\n"
        f"assert metamer.encode({str(source)!r}, target={{'psnr': 30}})\n"
        "try:\n"
        f"    metamer.encode({str(source)!r}, target={{'cielab': 3}})\n"
        "except ValueError as problem:\n"
        "    print(problem)\n"
    )
    completed = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert completed.stdout.startswith(b"cielab needs the package torch: pip install")
    assert completed.stdout.count(b"\n") == 1


def test_the_command_line_takes_targets(picture, tmp_path):
    source, target = tmp_path / "picture.png", tmp_path / "picture.mtm"
    picture.save(source)
    completed = run_metamer("encode", source, "--target", "psnr=30")
    assert completed.returncode == 0
    assert target.read_bytes() == metamer.encode(picture, target={"psnr": 30})
    target.unlink()
    for arguments, status, message in (
        (("--target", "psnr"), 2, b"is not METRIC=VALUE"),
        (("--target", "psnr=inf"), 2, b"is not METRIC=VALUE"),
        (("--target", "psnr=30", "-q", 3), 2, b"give one of"),
        (("--target", "psnr=200"), 1, b"does not reach psnr=200"),
        (("--target", "nothing=1"), 1, b"no distance is called 'nothing'"),
        (("--target", "ms-ssim:window=1=0.9"), 1, b"has no option 'window'"),
    ):
        completed = run_metamer("encode", source, *arguments)
        assert completed.returncode == status and message in completed.stderr
        assert status == 2 or completed.stderr.count(b"\n") == 1
    assert not target.exists()
