"""Flat areas: which blocks they are, what noise and stains make of them, and pooling."""

import numpy as np
import pytest
from PIL import Image

from metamer.evaluation.measure.flat_areas import (
    flat_areas,
    flat_areas_lines,
    pooled_flat_areas,
)


def half_flat(rng, level=120, side=64) -> np.ndarray:
    """The upper half flat but for noise of one level, the lower half busy."""
    array = np.full((side, side, 3), level, float)
    array[: side // 2] += rng.normal(0, 1, (side // 2, side, 1))
    array[side // 2 :] += rng.normal(0, 40, (side // 2, side, 3))
    return array.round().clip(0, 255)


def picture(array: np.ndarray) -> Image.Image:
    return Image.fromarray(array.round().clip(0, 255).astype(np.uint8))


def test_noise_raises_the_deviation_of_luma_and_a_stain_the_error_of_chroma(rng):
    original = half_flat(rng)
    same = flat_areas(picture(original), picture(original))
    assert same["blocks"] == pytest.approx(32, abs=1)  # of 64, those that are not busy
    assert same["luma_deviation"] == same["luma_deviation_original"] == pytest.approx(1, abs=0.1)
    assert same["chroma_error"] == 0
    noisy = flat_areas(picture(original), picture(original + rng.normal(0, 3, (64, 64, 1))))
    assert noisy["luma_deviation"] == pytest.approx(10**0.5, rel=0.1)
    assert noisy["chroma_error"] == 0 and noisy["blocks"] == same["blocks"]
    offset = np.zeros((64, 64, 3))
    offset[:8, :8] = (0, 0, 20)  # 2 of 64 columns of the flat half, one block of 32
    stained = flat_areas(picture(original), picture(original + offset))
    blue = np.hypot(20 * (1 - 0.114) / 1.772, -20 * 0.114 / 1.402)
    assert stained["chroma_error"] == pytest.approx(blue, abs=1 / 16)
    # what becomes of busy blocks does not count
    busy = original + np.pad(np.full((32, 64, 3), 9.0), ((32, 0), (0, 0), (0, 0)))
    assert flat_areas(picture(original), picture(busy)) == same


def test_a_picture_without_flat_blocks_has_no_value_and_pooling_weighs_by_blocks(rng):
    busy = picture(rng.uniform(0, 255, (32, 32, 3)))
    assert flat_areas(busy, busy) == {"blocks": 0} == pooled_flat_areas([{"blocks": 0}])
    flat = picture(np.full((32, 32, 3), 90.0))
    moved = np.full((64, 32, 3), 90.0)
    moved[..., 0] += 4
    pooled = pooled_flat_areas(
        [
            {"blocks": 0},
            flat_areas(flat, flat),
            flat_areas(picture(np.full((64, 32, 3), 90.0)), picture(moved)),
        ]
    )
    assert pooled["blocks"] == 16 + 32 and pooled["luma_deviation"] == pytest.approx(0)
    assert pooled["chroma_error"] == pytest.approx(
        np.hypot(4 * 0.299 / 1.772, 4 * 0.701 / 1.402), abs=1 / 16
    )
    lines = flat_areas_lines([{"codec": "a", "flat_areas": flat_areas(flat, flat)}], 6)
    assert lines[-1].split() == ["a", "0.000", "0.000", "0.00", "16"]
    assert flat_areas_lines([{"codec": "a"}], 6) == []
