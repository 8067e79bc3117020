"""What is compared, that all of it grows with damage, and what is said of it."""

import json

import pytest
import torch
from click.testing import CliRunner
from PIL import Image, ImageFilter

from metamer.cli import main
from metamer.codec.errors import FileError, ImageError
from metamer.evaluation.realism import comparison, features, measures


def test_patches_are_a_grid_and_a_shifted_one():
    image = torch.arange(600 * 520, dtype=torch.int32).reshape(1, 520, 600).expand(3, -1, -1)
    patches = features.patches(image)
    corners = [(0, 0), (0, 256), (256, 0), (256, 256), (128, 128)]
    assert [patch[0, 0, 0].item() for patch in patches] == [
        600 * top + left for top, left in corners
    ]
    assert torch.equal(patches[4], image[:, 128:384, 128:384])
    assert features.patches(image[:, :256, :256]).shape == (1, 3, 256, 256) and not len(
        features.patches(image[:, :255])
    )


def test_pictures_are_paired_by_name(tmp_path, otters):
    folders = [tmp_path / name for name in ("references", "images")]
    for folder, suffix in zip(folders, (".png", ".jpg"), strict=True):
        folder.mkdir()
        for name in "ba":
            otters.crop((0, 0, 8, 8)).save(folder / f"{name}{suffix}")
    (folders[0] / "notes.txt").touch()
    assert [[path.name for path in paths] for paths in comparison.paired_pictures(*folders)] == [
        ["a.png", "b.png"],
        ["a.jpg", "b.jpg"],
    ]
    (folders[1] / "b.jpg").unlink()
    with pytest.raises(ImageError, match="images has no picture called b"):
        comparison.paired_pictures(*folders)
    with pytest.raises(ImageError, match="images has no picture called b"):
        comparison.paired_pictures(*reversed(folders))
    with pytest.raises(FileError, match="absent"):
        comparison.paired_pictures(folders[0], tmp_path / "absent")


@pytest.fixture(scope="module")
def sets(otters) -> list[list[Image.Image]]:
    """Five pictures, one of them too small for a patch, and the same blurred more and more."""
    corners = [(70 * place, 20 * (place % 2)) for place in range(4)]
    pieces = [otters.crop((left, top, left + 384, top + 386)) for left, top in corners] + [
        otters.crop((0, 0, 90, 80))
    ]
    return [
        [piece.filter(ImageFilter.GaussianBlur(radius)) for piece in pieces]
        for radius in (0, 0.7, 1.5, 4)
    ]


@pytest.mark.usefixtures("inception_weights")
def test_every_measure_is_nothing_for_one_set_and_rises_with_blur(sets):
    sample = features.FeatureSampler("squeezenet:fire3", pim="pim", critic="squeezenet")
    samples = [sample(pictures) for pictures in sets]
    comparisons = [comparison.compare_sets(samples[0], compared) for compared in samples]
    assert {(compared["pictures"], compared["patches"]) for compared in comparisons} == {(5, 8)}
    names = ["fid", "kid_paired", "squeezenet:fire3", "pim", "js", "kl"]
    with_intervals = {name + end for name in names for end in ("", "_low", "_high")}
    usual = {f"kid{end}" for end in ("", "_low", "_high", "_deviation")}
    assert (
        set(comparisons[0])
        == {"pictures", "patches", "kid_paired_deviation"} | with_intervals | usual
    )
    assert comparisons[0]["kid"] < 0 < comparisons[2]["kid"]  # a set and itself are not independent
    for name in names:
        none, *values = (compared[name] for compared in comparisons)
        assert values == sorted(values) and none < values[0], (name, none, values)
        assert none == pytest.approx(0, abs=1e-6), (name, none)
        assert all(
            compared[f"{name}_low"] <= compared[name] <= compared[f"{name}_high"]
            for compared in comparisons
        )
    assert comparisons[0]["js_high"] == comparisons[0]["kl_high"] == 0


@pytest.mark.usefixtures("inception_weights")
def test_what_is_left_out_is_not_there_and_sets_must_match(sets):
    sample = features.FeatureSampler()
    two_pictures, small = sample(sets[0][:2]), sets[0][-1:]
    comparison_of_two = comparison.compare_sets(two_pictures, sample(sets[1][:2]))
    # and no intervals of 2
    assert set(comparison_of_two) == {
        "pictures",
        "patches",
        "fid",
        "kid",
        "kid_deviation",
        "kid_paired",
        "kid_paired_deviation",
        "squeezenet:fire5",
    }
    with pytest.raises(ImageError, match="256 pixels a side"):
        sample(small)
    with pytest.raises(ImageError, match="as many"):
        comparison.compare_sets(two_pictures, sample(sets[0][:1]))


def test_every_measure_is_shown_in_units_of_its_label():
    measured, without_networks = (
        {"pictures": 4, "patches": 9, "fid": 1.0, "squeezenet:fire3": 2.0},
        {"pictures": 4, "patches": 9, "fid": 2.0, "kid": 0.1},
    )
    assert [measure.label for measure in measures.all_measures([measured, without_networks])] == [
        "FID/256",
        "KID ×10³",
        "Fréchet, squeezenet:fire3",
    ]
    texts = measures.figure_texts(
        without_networks
        | {"kid_low": 0.01, "kid_high": 0.2, "kid_deviation": 0.1, "squeezenet:fire5": 3.0}
    )
    assert texts == {"FID/256": "2", "KID ×10³": "100 [10, 200]", "Fréchet, squeezenet:fire5": "3"}


def test_few_patches_and_pictures_are_cautioned_of():
    enough = {"pictures": 60, "patches": 2048} | dict.fromkeys(
        ("fid", "kid", "squeezenet:fire5", "pim", "js", "kl"), 0.5
    )
    assert measures.small_sample_cautions(enough) == []
    cautions = measures.small_sample_cautions(enough | {"patches": 255})
    assert [line.split(":")[0] for line in cautions] == [
        "FID/256",
        "Fréchet, squeezenet",
    ] and "256 dimensions" in cautions[1]
    cautions = measures.small_sample_cautions(enough | {"patches": 99, "pictures": 19})
    assert len(cautions) == 6 and "intervals: 19 pictures" in cautions[-1]


@pytest.mark.usefixtures("inception_weights")
def test_damage_is_reported_from_the_command_line(tmp_path, sets):
    for name, pictures in (("references", sets[0]), ("blurred", sets[2])):
        (tmp_path / name).mkdir()
        for number, picture in enumerate(pictures[:4]):
            picture.save(tmp_path / name / f"{number}.png")
    folders = [str(tmp_path / name) for name in ("references", "blurred")]
    arguments = ["metrics", "realism", *folders, "--features", "alexnet:relu2"]
    result = CliRunner().invoke(
        main, [*arguments, "--critic", "squeezenet", "--json"], catch_exceptions=False
    )
    assert (
        result.exit_code == 0
        and "FID/256: 8 patches, fewer than the 2048 dimensions" in result.stderr
    )
    record = json.loads(result.stdout)
    assert (record["pictures"], record["patches"]) == (4, 8)
    assert min(record[name] for name in ("fid", "kid", "alexnet:relu2", "pim", "js")) > 0
    text = CliRunner().invoke(main, arguments, catch_exceptions=False).stdout
    assert (
        f"FID/256                 {record['fid']:.4g} [" in text
        and "KID ×10³" in text
        and "Jensen" not in text
    )
