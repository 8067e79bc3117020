"""Blind spots: descent finds what a distance determines, and the verdict tells seeing from
blind.
"""

import json

import pytest
import torch
from PIL import Image

from metamer.codec.errors import FileError, ImageError, MetamerError
from metamer.evaluation.images import from_tensor, to_tensor
from metamer.evaluation.probes import recovery
from metamer.perception import Metric, create
from metamer.perception.distance import Distance


class MeanColour(Distance):
    """Sees nothing but the mean colour, and that only roughly: as blind as can be."""

    def between(self, reference, image):
        return ((reference.mean((2, 3)) - image.mean((2, 3))).abs() - 0.02).clamp_min(0).mean(1)


@pytest.fixture(scope="module")
def reference(otters):
    return to_tensor(otters.crop((200, 120, 376, 296)))


def blind() -> Distance:
    distance = MeanColour()
    distance.metric, distance.label = (
        Metric("mean-colour", MeanColour, "Mean colour", "none", "colour"),
        "mean-colour",
    )
    return distance


def test_squared_error_recovers_and_the_mean_colour_is_blind(reference):
    image = recovery.recover_image(create("mse"), reference, "noise", 120)
    record = recovery.judge_recovery(create("mse"), reference, image, "noise", 120)
    assert record.verdict == "recovers" and record.others["psnr"][0] > 30
    assert torch.equal(image, recovery.rounded_to_8_bits(image))
    record = recovery.judge_recovery(
        blind(), reference, recovery.recover_image(blind(), reference, "noise", 60), "noise", 60
    )
    assert record.verdict == "blind" and record.value == (0, 0) and record.others["psnr"][0] < 15


def test_too_few_steps_reach_nothing(reference):
    image = recovery.recover_image(create("ms-ssim"), reference, "noise", 3)
    assert (
        recovery.judge_recovery(create("ms-ssim"), reference, image, "noise", 3).verdict
        == "not reached"
    )


def test_descent_from_a_jpeg_is_descent(reference):
    distance = create("lpips-squeeze")
    start = recovery.starting_image(reference, "jpeg")
    image = recovery.minimise_distance(distance, reference, start, 15)
    assert distance(reference, image) < 0.7 * distance(reference, start)
    assert image.min() >= 0 and image.max() <= 1


def test_smoothness_smooths(reference):
    start = recovery.starting_image(reference, "noise")
    rough, smooth = (
        recovery.minimise_distance(create("features"), reference, start, 20, weight)
        for weight in (0, 1e3)
    )
    assert recovery.total_variation(smooth) < 0.7 * recovery.total_variation(rough)


def test_trials_are_kept_and_drawn(tmp_path, otters):
    photo = to_tensor(otters.crop((284, 123, 452, 291)))
    text = recovery.run_recoveries(photo, [create("mse"), create("cielab")], "noise", 4, tmp_path)
    assert text.count("\n") == 1 and text.startswith("mse: ")
    before = (tmp_path / "mse-noise.png").stat().st_mtime_ns
    recovery.run_recoveries(photo, [create("mse"), create("ssim")], "noise", 4, tmp_path)
    assert (tmp_path / "mse-noise.png").stat().st_mtime_ns == before
    assert [
        row["metric"] for row in json.loads((tmp_path / "recoveries-noise.json").read_text())
    ] == ["mse", "cielab", "ssim"]
    sheet = Image.open(tmp_path / "recoveries-noise.png")
    assert sheet.width > 600
    mirrored = photo.flip(-1)  # of which nothing is known yet
    assert recovery.run_recoveries(mirrored, [create("mse")], "noise", 4, tmp_path).count("\n") == 0
    (tmp_path / "recoveries-noise.json").write_text("[{")
    with pytest.raises(FileError, match="is damaged"):
        recovery.run_recoveries(mirrored, [create("mse")], "noise", 4, tmp_path)


def test_impossible_recoveries_are_reported(tmp_path, otters):
    otters.save(tmp_path / "photo.png")
    with pytest.raises(MetamerError, match="psnr has no gradient"):
        recovery.run_recoveries(
            recovery.read_centre(tmp_path / "photo.png", 168),
            [create("psnr")],
            "noise",
            4,
            tmp_path,
        )
    with pytest.raises(ImageError, match="736x414 pixels, 500x500 are used"):
        recovery.read_centre(tmp_path / "photo.png", 500)


def test_pictures_survive_the_way_to_tensors_and_back(otters):
    assert from_tensor(to_tensor(otters)).tobytes() == otters.tobytes()
