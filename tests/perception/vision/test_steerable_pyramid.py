"""The steerable pyramid: Simoncelli's filters, as pyrtools applies them, and nothing lost."""

import numpy as np
import pytest
import torch

from metamer.evaluation.images import to_tensor
from metamer.perception.vision.steerable_pyramid import SteerablePyramid

# Sub-bands of `pattern` at row 3, column 2 and at row 4, column 5, as pyrtools 1.1.1 has them
# (edge_type="repeat")
RECORDED = [
    (0.040480, -0.032931),
    (-0.001912, 0.045900),
    (0.030852, -0.025166),
    (-0.292808, -1.038849),
    (0.281091, 0.600313),
    (0.363326, -0.928272),
    (-2.648888, -0.365297),
    (1.482502, -0.009279),
]


@pytest.fixture(scope="module")
def pyramid() -> SteerablePyramid:
    return SteerablePyramid()


def pattern() -> np.ndarray:
    """(97, 110), without symmetries."""
    rows, columns = np.mgrid[:97, :110]
    return np.sin(0.9 * columns + 0.02 * rows**2) + np.cos(0.4 * rows) * np.sin(
        0.01 * columns * rows
    )


def test_values_are_those_of_pyrtools(pyramid):
    bands = pyramid(torch.from_numpy(pattern()).float().expand(1, 3, -1, -1))
    for band, (at_3_2, at_4_5) in zip(bands, RECORDED, strict=True):
        assert band[0, :, 3, 2].tolist() == pytest.approx([at_3_2] * 3, abs=2e-5)
        assert band[0, :, 4, 5].tolist() == pytest.approx([at_4_5] * 3, abs=2e-5)


def test_photographs_come_apart_as_pyrtools_has_it(pyramid, otters):
    pyramids = pytest.importorskip("pyrtools.pyramids")
    image = to_tensor(otters.crop((100, 90, 231, 187)))
    bands = pyramid(image)
    for channel in range(3):
        expected = pyramids.SteerablePyramidSpace(
            image[0, channel].double().numpy(), 3, 1, "repeat"
        ).pyr_coeffs
        keys = [
            "residual_highpass",
            *((scale, band) for scale in range(3) for band in range(2)),
            "residual_lowpass",
        ]
        for key, band in zip(keys, bands, strict=True):
            np.testing.assert_allclose(band[0, channel].numpy(), expected[key], atol=1e-5)


@pytest.mark.parametrize("size", [(16, 16), (17, 31), (64, 48)])
def test_sizes(pyramid, size):
    halves = [size]
    for _ in range(3):
        halves.append(tuple((side + 1) // 2 for side in halves[-1]))
    sides = [halves[0]] * 3 + [halves[1]] * 2 + [halves[2]] * 2 + [halves[3]]
    assert [tuple(band.shape) for band in pyramid(torch.rand(2, 3, *size))] == [
        (2, 3, *side) for side in sides
    ]


def test_a_flat_image_is_all_in_the_low_pass_residual(pyramid):
    *bands, low = pyramid(torch.full((1, 3, 40, 56), 0.3))
    assert max(band.abs().max() for band in bands) < 1e-5
    torch.testing.assert_close(low, torch.full_like(low, 8 * 0.3))


def test_first_filters_share_out_every_frequency(pyramid):
    high, low = (
        torch.fft.fft2(kernel, (64, 64)).abs().square() for kernel in pyramid.first[::3, 0]
    )
    assert (high + low - 1).abs().max() < 0.06
    oriented = torch.fft.fft2(pyramid.oriented[::3, 0], (64, 64)).abs().square().sum(0)
    halved = torch.fft.fft2(pyramid.low[0, 0], (64, 64)).abs().square() / 4
    passed = low > 0.9  # beyond, the first low-pass has the word
    assert (oriented + halved - 1)[passed].abs().max() < 0.06


def test_orientations_are_distinguished(pyramid):
    stripes = torch.sin(torch.arange(64) * 1.2).expand(1, 3, 64, 64)  # change across, not down
    for image, strong, weak in ((stripes, 1, 2), (stripes.mT, 2, 1)):
        bands = pyramid(image)
        assert bands[strong].std() > 20 * bands[weak].std()
