"""The display and the retina's white boxes against values worked out by hand from the published
formulas.
"""

import math

import numpy as np
import pytest
import torch

from metamer.perception import create
from metamer.perception.vision import retina
from metamer.perception.vision.display import STANDARD_4K, Display, luminance


def grey(value: float, side: int = 4) -> torch.Tensor:
    return torch.full((1, 3, side, side), value)


def test_the_display_model_is_the_papers_for_greys():
    screen = Display(peak=100, contrast=1000, reflected=0.4, pixel=0.0003, distance=0.6, gamma=2.0)
    assert screen.black == pytest.approx(0.5) and screen.white == pytest.approx(100.4)
    light = screen.light(grey(0.5))
    assert luminance(light)[0, 0, 0].item() == pytest.approx((100.4 - 0.5) * 0.25 + 0.5)
    # overshoot is clamped
    assert luminance(screen.light(grey(-0.2)))[0, 0, 0].item() == pytest.approx(0.5)


def test_colours_are_kept_and_weigh_as_luminance():
    red = torch.zeros(1, 3, 2, 2)
    red[:, 0] = 1
    light = STANDARD_4K.light(red)
    expected = 0.2126 * STANDARD_4K.white + (0.7152 + 0.0722) * STANDARD_4K.black
    assert luminance(light)[0, 0, 0].item() == pytest.approx(expected, rel=1e-5)


def test_the_standard_display_is_the_teachers():
    metric = create("cvvdp").vdp
    assert STANDARD_4K.pixels_per_degree == pytest.approx(
        metric.display_geometry.get_ppd(), rel=1e-4
    )
    black, reflected = metric.display_photometry.get_black_level()
    assert STANDARD_4K.black == pytest.approx(black + reflected, rel=1e-4)
    assert STANDARD_4K.white == pytest.approx(
        metric.display_photometry.get_peak_luminance() + reflected, rel=1e-2
    )


def test_transfer_is_one_at_rest_and_the_sum_of_four_exponentials():
    frequency = torch.tensor([0.0, 4.0, 20.0])
    # the two steep terms are below 10⁻⁶⁰ there
    at4 = 0.42484 * math.exp(-0.112) + 0.57243 * math.exp(-1.48)
    at20 = 0.42484 * math.exp(-0.56) + 0.57243 * math.exp(-7.4)
    assert retina.transfer(frequency).tolist() == pytest.approx([1.0, at4, at20], abs=1e-5)


def test_scatter_dims_a_grating_by_the_transfer_and_leaves_flat_fields():
    per_degree = 64.0
    assert torch.allclose(retina.scattered(grey(80.0, 16), per_degree), grey(80.0, 16), rtol=1e-4)
    degrees = torch.arange(256) / per_degree
    grating = (100 + 50 * torch.cos(2 * math.pi * 4 * degrees)).expand(1, 1, 64, 256)
    middle = retina.scattered(grating, per_degree)[0, 0, 32, 64:192]
    contrast = (middle.max() - middle.min()) / (middle.max() + middle.min())
    assert contrast.item() == pytest.approx(
        0.5 * retina.transfer(torch.tensor(4.0)).item(), rel=0.02
    )


def test_long_and_medium_cones_add_up_to_luminance():
    light = STANDARD_4K.light(torch.rand(2, 3, 5, 7))
    absorbed = retina.receptors(light)
    assert torch.allclose(absorbed[:, 0] + absorbed[:, 1], luminance(light), rtol=2e-4)
    white = retina.receptors(grey(100.0))[0, :, 0, 0]
    assert white[2].item() == pytest.approx(50, rel=1e-4) and white[3].item() == pytest.approx(
        100, rel=1e-4
    )


def test_sensitivities_are_the_published_fits():
    joint = 30.162 * ((4.0627 / 10) ** 1.6596 + 1) ** -0.2712
    assert retina.joint_sensitivity(np.array(10.0)) == pytest.approx(joint)
    assert retina.rod_sensitivity(np.array(1.1732)) == pytest.approx(10**1.1414)
    above = 10**1.1414 * math.exp(-(math.log10(10 / 1.1732) ** 2.9899) / 0.5547)
    assert retina.rod_sensitivity(np.array(10.0)) == pytest.approx(above)
    below = 10**1.1414 * math.exp(-(math.log10(1.1732 / 0.01) ** 1.2167) / 1.1478)
    assert retina.rod_sensitivity(np.array(0.01)) == pytest.approx(below)
    assert retina.cone_sensitivity(np.array(5.0)) == pytest.approx(0.5 * (joint - above))


def test_masking_integrates_sensitivity_over_log_light():
    """Where the cones' sensitivity is flat, P rises by s·ln 2 a doubling; one step is one smallest
    visible increment.
    """
    absorbed = torch.tensor([50.0, 100.0, 50.5]).view(1, 1, 1, 3).expand(1, 4, 1, 3)
    response = retina.masked(absorbed)[0, 0, 0]
    at70 = retina.cone_sensitivity(np.array(70.0)).item()
    assert (response[1] - response[0]).item() == pytest.approx(at70 * math.log(2), rel=2e-3)
    assert (response[2] - response[0]).item() == pytest.approx(at70 * math.log(1.01), rel=2e-2)


def test_masking_holds_its_ends_and_its_order():
    levels = 10 ** torch.linspace(-7, 7, 200)
    response = retina.masked(levels.view(1, 1, 1, -1).expand(1, 4, 1, -1))[0]
    assert (response.diff(dim=-1) >= 0).all() and (response[:, 0, 0] == 0).all()
    assert torch.isfinite(response).all()


def test_the_achromatic_response_is_the_sum_of_cones_and_rods():
    masked = torch.rand(2, 4, 3, 3)
    response = retina.responses(masked)
    assert torch.equal(response[:, 0], masked[:, 0] + masked[:, 1] + masked[:, 3])
    assert torch.equal(response[:, 1], masked[:, 0] - masked[:, 1]) and torch.equal(
        response[:, 2], masked[:, 2]
    )


def test_the_way_from_image_to_response_has_gradients():
    image = (0.2 + 0.6 * torch.rand(1, 3, 16, 16)).requires_grad_()
    light = retina.scattered(STANDARD_4K.light(image), STANDARD_4K.pixels_per_degree)
    retina.responses(retina.masked(retina.receptors(light)))[:, 0].sum().backward()
    assert torch.isfinite(image.grad).all() and (image.grad > 0).all()  # more light, more response
