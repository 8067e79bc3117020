"""Quantisation proxies against limits and a numerical integral."""

import pytest
import torch

from metamer.train.networks.entropy_model.proxies import (
    PROXIES,
    dither,
    soft_round,
    soft_round_conditional_mean,
)

VALUES = torch.linspace(-3.3, 3.3, 1001, dtype=torch.float64)


def test_soft_round_goes_from_identity_to_rounding():
    torch.testing.assert_close(soft_round(VALUES, 1e3), VALUES, atol=1e-4, rtol=0)
    off_centre = VALUES[(VALUES - torch.floor(VALUES) - 0.5).abs() > 0.05]
    torch.testing.assert_close(
        soft_round(off_centre, 0.01), torch.round(off_centre), atol=1e-3, rtol=0
    )


@pytest.mark.parametrize("temperature", [0.05, 0.3, 2.0])
def test_soft_round_keeps_integers_and_rises(temperature):
    integers = torch.arange(-5, 6, dtype=torch.float64)
    torch.testing.assert_close(soft_round(integers, temperature), integers)
    assert (soft_round(VALUES, temperature).diff() > 0).all()


@pytest.mark.parametrize("temperature", [0.15, 0.3, 1.0])
@pytest.mark.parametrize("noisy", [-1.37, -0.5, 0.0, 0.21, 0.5, 2.49])
def test_conditional_mean_is_the_integral(temperature, noisy):
    """E[v | s(v) + u = noisy], u uniform on ±½, v uniform: the mean of v over s(v) in noisy ± ½."""
    fine = torch.linspace(noisy - 2.5, noisy + 2.5, 400001, dtype=torch.float64)
    possible = fine[(soft_round(fine, temperature) - noisy).abs() <= 0.5]
    mean = soft_round_conditional_mean(torch.tensor([noisy], dtype=torch.float64), temperature)
    assert mean.item() == pytest.approx(possible.mean().item(), abs=2e-3)


@pytest.mark.parametrize("name", PROXIES)
def test_gradients_reach_the_latents(name):
    value = torch.randn(200, generator=torch.Generator().manual_seed(0)).requires_grad_()
    for_rate, for_distortion = PROXIES[name](
        value, torch.zeros(200), dither(200), 0.3, value.detach().round()
    )
    (for_rate.sum() + for_distortion.sum()).backward()
    assert torch.isfinite(value.grad).all() and (value.grad > 0).all()


def test_what_each_proxy_returns():
    torch.manual_seed(0)
    value, centre = torch.randn(5000) * 4, torch.full((5000,), 0.3)
    integers = torch.round(value - centre)
    rounded = integers + centre
    noisy, same = PROXIES["uniform_noise"](value, centre, dither(5000), 0.3, integers)
    assert torch.equal(noisy, same) and (noisy - value).abs().max() <= 0.5
    assert (noisy - value).var().item() == pytest.approx(1 / 12, rel=0.05)
    torch.testing.assert_close(
        PROXIES["straight_through"](value, centre, dither(5000), 0.3, integers)[0], rounded
    )
    rate, distortion = PROXIES["mixed"](value, centre, dither(5000), 0.3, integers)
    assert (rate - value).abs().max() <= 0.5
    torch.testing.assert_close(distortion, rounded)
    _, soft = PROXIES["soft_round"](value, centre, dither(5000), 1e3, integers)
    assert (soft - value).abs().max() <= 0.51  # no staircase left: plain dither


class MetaGenerator(torch.Generator):
    """Says that it is of another device than the CPU, as one of a GPU does."""

    device = torch.device("meta")


def test_dither_lies_where_its_generator_is():
    assert dither(2, 3, generator=MetaGenerator()).device.type == "meta"
