"""What must hold of how distances behave, on the shipped photograph."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from metamer.codec.errors import FileError, ImageError
from metamer.evaluation.images import to_tensor
from metamer.evaluation.probes.invariance import neighbours, tolerance
from metamer.perception import Metric, create
from metamer.perception.distance import Distance


class MeanColour(Distance):
    """Sees nothing but the mean colour, so hardly a shift."""

    def between(self, reference, image):
        return (reference.mean((2, 3)) - image.mean((2, 3))).square().mean(1)


@pytest.fixture(scope="module")
def image(otters):
    return to_tensor(otters.crop((100, 60, 372, 332)))


@pytest.fixture(scope="module")
def clips(tmp_path_factory, otters) -> list[Path]:
    """A camera that wanders over the left of the shipped photograph, and one over the right."""
    folders = []
    for start in (0, 320):
        folder = tmp_path_factory.mktemp("clips") / f"from{start}"
        folder.mkdir()
        for frame in range(4):
            left = start + 4 * frame
            otters.crop((left, 2 * frame, left + 400, 2 * frame + 400)).save(
                folder / f"{frame}.png"
            )
        folders.append(folder)
    return folders


def mean_colour() -> Distance:
    distance = MeanColour()
    distance.metric, distance.label = (
        Metric("mean-colour", MeanColour, "Mean colour", "none", "colour"),
        "mean-colour",
    )
    return distance


def test_noise_has_the_very_error_of_the_change(image):
    reference, moved = tolerance.shift(image, 0, 0), tolerance.shift(image, 2, 0)
    mse = create("mse")
    assert mse(reference, tolerance.add_equal_noise(reference, moved, 0)).item() == pytest.approx(
        mse(reference, moved).item(), rel=1e-5
    )


def test_changes_are_what_they_are_called(image):
    reference = tolerance.shift(image, 0, 0)
    changes = tolerance.small_changes(image)
    assert list(changes) == ["shift 1 px", "shift 2 px", "scale +1%", "scale +2%"]
    assert torch.equal(changes["shift 2 px"][0][..., :-2], reference[..., 2:])
    assert torch.equal(changes["shift 1 px"][1][..., :-1, :], reference[..., 1:, :])
    torch.testing.assert_close(tolerance.enlarge(image, 1.0), reference, atol=1e-4, rtol=0)
    large = tolerance.enlarge(image, 2.0)  # twice as large: places 2 apart show what was 1 apart
    centre = torch.nn.functional.avg_pool2d(large, 2)[..., 32:96, 32:96]
    torch.testing.assert_close(centre, reference[..., 96:160, 96:160], atol=0.12, rtol=0)


def test_mean_squared_error_has_one_and_what_ignores_places_less(image):
    assert [
        row.value for row in tolerance.change_tolerances(create("mse"), [image])
    ] == pytest.approx([1] * 4, rel=1e-4)
    assert all(
        row.value < 0.5 for row in tolerance.change_tolerances(create("lpips-squeeze"), [image])
    )


def test_tolerance_writes_a_table_records_and_a_figure(otters, tmp_path):
    paths = []
    for index, left in enumerate((0, 200, 440)):
        paths.append(tmp_path / f"{index}.png")
        otters.crop((left, 40, left + 290, 330)).save(paths[-1])
    otters.crop((0, 0, 100, 300)).save(tmp_path / "narrow.png")
    table = tolerance.study_tolerance(
        [*paths, tmp_path / "narrow.png"], [create("mse"), create("cielab")], tmp_path
    )
    assert "3 pictures" in table and "cielab" in table and "shift 1 px" in table
    rows = json.loads((tmp_path / "tolerance.json").read_text())
    assert len(rows) == 8 and all(row["low"] <= row["value"] <= row["high"] for row in rows)
    assert Image.open(tmp_path / "tolerance.png").width > 300
    with pytest.raises(ImageError, match="272 pixels"):
        tolerance.study_tolerance([tmp_path / "narrow.png"], [create("mse")], tmp_path)


def test_neighbours_are_closer_than_strangers(clips, tmp_path):
    table = neighbours.study_neighbours(
        neighbours.read_clips(clips), [create("mse"), create("ms-ssim")], tmp_path
    )
    rows = json.loads((tmp_path / "neighbours.json").read_text())
    assert "another clip" in table and len(rows) == 10 and {row["groups"] for row in rows} == {2}
    values = {(row["distance"], row["what"]): row["value"] for row in rows}
    easy = [case for _, case in values if case.startswith("neighbour or") and "noise" not in case]
    assert len(easy) == 6 and all(
        values["mse", case] == values["ms-ssim", case] == 1 for case in easy
    )
    # the squared error counts, and nothing else
    assert values["mse", "neighbour or noise of half its error"] == 0


def test_the_earlier_of_two_frames_is_recognised_by_distances_that_keep_it(clips):
    frames = [neighbours.corner_crops(clip) for clip in clips]

    def earlier(distance, clips):
        rows = neighbours.neighbour_orderings(distance, clips)
        return next(row.value for row in rows if row.what.startswith("earlier"))

    assert earlier(create("mse"), frames) > 0.5
    # every frame alike but the first: nothing to tell the later ones apart by
    still = [[places[[0, 1, 1, 1]] for places in clip] for clip in frames]
    assert 0.2 < earlier(create("mse"), still) < 0.8


def test_what_minds_no_motion_prefers_it_to_noise(clips):
    frames = [neighbours.corner_crops(clip) for clip in clips]
    rows = neighbours.neighbour_orderings(create("lpips-squeeze"), frames)
    assert rows[-1].what.endswith("half its error") and rows[-1].value > 0.5


def test_what_sees_nothing_is_right_half_of_the_time(clips):
    frames = [neighbours.corner_crops(clip) for clip in clips]
    same = [[places[:1].expand(4, -1, -1, -1) for places in clip] for clip in frames]
    ends = neighbours.neighbour_orderings(create("mse"), same)[2]
    assert ends.what.endswith("other end") and ends.value == 0.5
    # the neighbour is the far one
    backwards = [[places[[0, 3, 0, 1]] for places in clip] for clip in frames]
    assert neighbours.neighbour_orderings(create("mse"), backwards)[2].value < 0.5


def test_clips_that_are_too_small_are_left_out(clips, otters, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    for frame in range(3):
        otters.crop((frame, 0, frame + 176, 144)).save(small / f"{frame}.png")
    assert neighbours.corner_crops(small) == []
    with pytest.raises(ImageError, match="168 pixels"):
        neighbours.read_clips([small, clips[0]])


@pytest.mark.parametrize(
    "frames, problem, reason",
    [
        ({"frame_1.png": (176, 176)}, FileError, r"frame_1.png: is no frame .* named by numbers"),
        ({}, ImageError, "clip: is no clip of 3 frames or more"),
        (dict.fromkeys(["1.png", "2.png"], (176, 176)), ImageError, "is no clip of 3 frames"),
        (
            {"1.png": (176, 176), "2.png": (176, 170), "3.png": (176, 176)},
            ImageError,
            r"2\.png: is not of the size of the clip's first frame",
        ),
    ],
)
def test_folders_that_are_no_clips(frames, problem, reason, otters, tmp_path):
    clip = tmp_path / "clip"
    clip.mkdir()
    for name, size in frames.items():
        otters.crop((0, 0, *size)).save(clip / name)
    with pytest.raises(problem, match=reason):
        neighbours.read_clips([clip])
