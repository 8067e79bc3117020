"""Colour: known values of CIELAB."""

import pytest
import torch

from metamer.perception import create
from metamer.perception.distances.cielab import linear_light, srgb_to_lab
from metamer.perception.errors import MetricError
from metamer.perception.optional_imports import import_package


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
    image_a, image_b = torch.full((1, 3, 4, 4), 0.2), torch.full((1, 3, 4, 4), 0.2)
    image_b[..., :2] = 0.5
    delta_e = (srgb_to_lab(image_a) - srgb_to_lab(image_b)).norm(dim=1).mean()
    assert create("cielab")(image_a, image_b).item() == pytest.approx(delta_e.item(), rel=1e-4)


def test_linear_light_is_continuous_where_its_pieces_meet():
    both_sides = torch.tensor([0.04045 - 1e-6, 0.04045 + 1e-6])
    assert linear_light(both_sides).diff().abs().item() < 1e-6


def test_psnr_of_one_channel_ignores_the_others():
    torch.manual_seed(0)
    image = torch.rand(1, 3, 32, 32)
    luma = create("psnr-y")
    assert [create(f"psnr-{name}")(image, image).item() for name in ("y", "cb", "cr")] == [100] * 3
    brighter = image + 0.1  # all three channels alike: luma alone
    assert luma(image, brighter).item() == pytest.approx(20, abs=1e-3)
    assert create("psnr-cb")(image, brighter).item() > 90
    # blue by 0.2 moves Cb by 0.1 and luma by 0.0228
    bluer = image + 0.2 * torch.tensor([0.0, 0, 1]).view(1, 3, 1, 1)
    assert create("psnr-cb")(image, bluer).item() == pytest.approx(20, abs=1e-3)
    assert luma(image, bluer).item() == pytest.approx(32.84, abs=0.01)
    assert create("psnr-cr")(image, bluer).item() == pytest.approx(35.78, abs=0.01)


@pytest.mark.parametrize("size", [(90, 120), (512, 768), (400, 300)])
def test_ssim_of_luma_is_piq_s(size):
    """piq takes the same step: the shorter side comes near 256."""
    piq = import_package("piq")
    torch.manual_seed(1)
    reference = torch.nn.functional.interpolate(torch.rand(1, 3, 40, 40), size, mode="bicubic")
    reference = reference.clamp(0, 1)
    image = (reference + 0.05 * torch.randn_like(reference)).clamp(0, 1)
    weights = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    expected = piq.ssim(*((x * weights).sum(1, keepdim=True) for x in (image, reference)))
    assert create("ssim-luma")(reference, image).item() == pytest.approx(expected.item(), abs=2e-5)


def test_flip_is_the_package_s_and_knows_the_viewing_distance():
    evaluate = pytest.importorskip("flip_evaluator").evaluate
    torch.manual_seed(2)
    reference = torch.rand(1, 3, 48, 64).mul(255).round() / 255
    image = (reference + 0.1).clamp(0, 1).mul(255).round() / 255
    arrays = [part[0].permute(1, 2, 0).numpy().copy() for part in (reference, image)]
    standard, at_20 = create("flip"), create("flip", pixels_per_degree=20)
    assert standard(reference, image).item() == pytest.approx(evaluate(*arrays, "LDR")[1], abs=1e-6)
    assert standard(reference, reference).item() == 0 < standard(reference, image).item() < 1
    assert at_20(reference, image).item() != standard(reference, image).item()
    with pytest.raises(MetricError, match="positive"):
        create("flip", pixels_per_degree=0)
