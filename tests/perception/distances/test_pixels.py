"""Colour: known values of CIELAB."""

import pytest
import torch

from metamer.perception import create
from metamer.perception.distances.cielab import linear_light, srgb_to_lab


@pytest.mark.parametrize(
    ("rgb", "expected"),
    [
        ((255, 255, 255), (100, 0, 0)),
        ((0, 0, 0), (0, 0, 0)),
        ((119, 119, 119), (50.03, 0, 0)),
        ((255, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 255, 0), (87.73, -86.18, 83.18)),
        ((0, 0, 255), (32.30, 79.19, -107.86)),
    ],
)  # sRGB primaries under D65, as Lindbloom's calculator gives them
def test_lab_of_known_colours(rgb, expected):
    colour = torch.tensor(rgb).view(3, 1, 1) / 255
    assert srgb_to_lab(colour).flatten().tolist() == pytest.approx(expected, abs=0.05)


def test_delta_e_is_the_mean_distance():
    first, second = torch.full((1, 3, 4, 4), 0.2), torch.full((1, 3, 4, 4), 0.2)
    second[..., :2] = 0.5
    apart = (srgb_to_lab(first) - srgb_to_lab(second)).norm(dim=1).mean()
    assert create("cielab")(first, second).item() == pytest.approx(apart.item(), rel=1e-4)


def test_linear_light_is_continuous_where_its_pieces_meet():
    around = torch.tensor([0.04045 - 1e-6, 0.04045 + 1e-6])
    assert linear_light(around).diff().abs().item() < 1e-6
