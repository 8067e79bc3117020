"""FID and KID by their definitions, and that they grow with damage."""

import json

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter
from scipy.linalg import sqrtm

from codec.errors import ImageError
from evaluation import realism
from tests.conftest import metamer


@pytest.fixture
def features():
    """Two sets of features, (60, 12) and (50, 12), of different moments."""
    torch.manual_seed(1)
    mix = torch.randn(12, 12)
    return torch.randn(60, 12) @ mix, torch.randn(50, 12) @ (mix + 0.3 * torch.randn(12, 12)) + 0.5


def test_patches_are_a_grid_and_a_shifted_one():
    image = torch.arange(600 * 520, dtype=torch.int32).reshape(1, 520, 600).expand(3, -1, -1)
    cut = realism.patches(image)
    corners = [(0, 0), (0, 256), (256, 0), (256, 256), (128, 128)]
    assert [patch[0, 0, 0].item() for patch in cut] == [600 * top + left for top, left in corners]
    assert torch.equal(cut[4], image[:, 128:384, 128:384])
    assert realism.patches(image[:, :256, :256]).shape == (1, 3, 256, 256) and not len(realism.patches(image[:, :255]))


def test_fid_is_heusels_formula(features):
    x, y = (part.double().numpy() for part in features)
    covariances = [np.cov(part.T, bias=True) for part in (x, y)]
    cross = sqrtm(covariances[0] @ covariances[1]).real
    wanted = ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(covariances[0] + covariances[1] - 2 * cross)
    assert realism.fid(*features) == pytest.approx(wanted, rel=1e-6) and realism.fid(features[0], features[0]) < 1e-9


def test_discrepancy_is_its_double_sum(features):
    x, y = features[0][:7].double(), features[1][:5].double()

    def kernel(a, b):
        return (a @ b / 12 + 1).item() ** 3

    within = [sum(kernel(a, b) for i, a in enumerate(z) for j, b in enumerate(z) if i != j) / (len(z) * (len(z) - 1))
              for z in (x, y)]
    between = sum(kernel(a, b) for a in x for b in y) / 35
    assert realism.discrepancy(x, y) == pytest.approx(sum(within) - 2 * between, rel=1e-9)


def test_kid_is_nothing_for_one_distribution_and_the_same_every_time(features):
    torch.manual_seed(2)
    x, y = torch.randn(2, 400, 12)
    values = realism.kid(x, y)
    assert len(values) == realism.SUBSETS and abs(values.mean()) < values.std() < realism.kid(*features).mean() / 20
    assert np.array_equal(values, realism.kid(x, y))
    with pytest.raises(ImageError, match="4 patches"):
        realism.kid(x[:3], y)


def test_pictures_are_paired_by_name(tmp_path, otters):
    folders = [tmp_path / name for name in ("references", "images")]
    for folder, suffix in zip(folders, (".png", ".jpg"), strict=True):
        folder.mkdir()
        for name in "ba":
            otters.crop((0, 0, 8, 8)).save(folder / f"{name}{suffix}")
    (folders[0] / "notes.txt").touch()
    assert [[path.name for path in paths] for paths in realism.paired(*folders)] == [["a.png", "b.png"], ["a.jpg", "b.jpg"]]
    (folders[1] / "b.jpg").unlink()
    with pytest.raises(ImageError, match="images has no picture called b"):
        realism.paired(*folders)
    with pytest.raises(ImageError, match="images has no picture called b"):
        realism.paired(*reversed(folders))


def test_few_patches_are_cautioned_of():
    assert "100 patches" in realism.caution({"patches": 100}) and realism.caution({"patches": realism.FEW}) is None


@pytest.mark.usefixtures("inception_weights")
def test_damage_is_told_from_the_command_line(tmp_path, otters):
    for name, radius in (("references", 0), ("blurred", 2), ("small", 0)):
        (tmp_path / name).mkdir()
        for number in range(3):
            piece = otters.crop((160 * number, 4, 160 * number + 390, 400)).filter(ImageFilter.GaussianBlur(radius))
            (piece if name != "small" else piece.crop((0, 0, 200, 200))).save(tmp_path / name / f"{number}.png")
    done = metamer("metrics", "fid", tmp_path / "references", tmp_path / "blurred", "--json")
    assert b"biased upwards with 6 patches" in done.stderr and done.stderr.count(b"\n") == 1
    found = json.loads(done.stdout)
    assert (found["pictures"], found["patches"]) == (3, 6) and found["fid"] > 20 and found["kid"] > 0 and found["pim"] > 0
    assert found["kid_low"] <= found["kid"] <= found["kid_high"]
    text = metamer("metrics", "fid", tmp_path / "references", tmp_path / "references").stdout.decode()
    assert "FID/256       0.000" in text and "KID" in text
    refused = metamer("metrics", "fid", tmp_path / "small", tmp_path / "small")
    assert refused.returncode == 1 and b"256 pixels a side" in refused.stderr


@pytest.mark.usefixtures("inception_weights")
def test_small_pictures_count_for_pim_alone(otters):
    pictures = [otters.crop((0, 0, 400, 400)), otters.crop((0, 0, 100, 100)), np.asarray(otters.crop((90, 9, 480, 400)))]
    found = realism.realism(pictures, [Image.fromarray(255 - np.asarray(picture)) for picture in pictures])
    assert (found["pictures"], found["patches"]) == (3, 4) and found["fid"] > 50
