"""Distances as the codec asks for them."""

from importlib.metadata import entry_points

import numpy as np
import pytest
import torch

from metamer import perception
from metamer.perception.errors import ComparisonError, MetricError
from metamer.perception.judging import Judge


def test_a_judge_is_the_distance_of_pixels():
    generator = np.random.default_rng(0)
    pixels, other_pixels = generator.integers(0, 256, (2, 24, 20, 3), np.uint8)
    judge = Judge("ssim")
    images = (torch.from_numpy(image).permute(2, 0, 1)[None] for image in (pixels, other_pixels))
    assert judge(pixels, other_pixels) == pytest.approx(float(perception.create("ssim")(*images)))
    assert judge(pixels, pixels) == judge.best == 1 and judge.higher_is_better
    assert (judge.name, Judge("mse").higher_is_better) == ("ssim", False)


def test_impossible_values_are_reported():
    with pytest.raises(MetricError, match="no distance is called 'sssim'"):
        Judge("sssim")
    with pytest.raises(MetricError, match="no option 'size'"):
        Judge("ssim:size=3")
    with pytest.raises(ComparisonError, match="needs 11 pixels a side"):
        Judge("ssim")(*np.zeros((2, 8, 8, 3), np.uint8))


def test_the_codec_finds_it_by_its_entry_point():
    (point,) = entry_points(group="metamer.judges")
    assert point.load() is Judge
