"""Quantisation proxies: what stands for rounding while gradients flow.

Each proxy maps (value, centre, noise, temperature, residual) — latents in quantiser steps, the mean
they are coded around, `dither` of one step, and value − centre as a file holds it, rounded — to a
pair (for_rate, for_distortion). At test time both are residual + centre.

- ``uniform_noise``: Ballé, Laparra & Simoncelli 2017; noise of one step for both.
- ``straight_through``: Theis et al. 2017; rounding for both, identity gradient.
- ``soft_round``: Agustsson & Theis, "Universally quantized neural compression", NeurIPS 2020. A
  soft staircase of the given temperature, dither, and the conditional mean of what was there before
  the dither. Temperature → ∞ is uniform noise; temperature → 0 is rounding of a dithered value.
- ``mixed``: noise for the rate, straight-through rounding for the distortion (Minnen & Singh 2020).
"""

import torch
from torch import Tensor


def straight(value: Tensor, rounded: Tensor) -> Tensor:
    """``rounded``, with the gradient of ``value``."""
    return value + (rounded - value).detach()


def soft_round(value: Tensor, temperature: float) -> Tensor:
    """s_α of Agustsson & Theis (eq. 13), α = 1/temperature: identity as α → 0, rounding as
    α → ∞.
    """
    alpha = 1.0 / temperature
    middle = torch.floor(value) + 0.5
    scale = 2.0 * torch.tanh(torch.tensor(alpha / 2.0)).item()
    return middle + torch.tanh(alpha * (value - middle)) / scale


def soft_round_conditional_mean(noisy: Tensor, temperature: float) -> Tensor:
    """E[value | soft_round(value) + dither = noisy] for a locally flat density (Agustsson & Theis,
    eq. 15-16).

    It is the inverse staircase around the nearest half-integer offset: s_α⁻¹(noisy − ½) + ½.
    """
    alpha = 1.0 / temperature
    shifted = noisy - 0.5
    middle = torch.floor(shifted) + 0.5
    scale = 2.0 * torch.tanh(torch.tensor(alpha / 2.0)).item()
    inside = ((shifted - middle) * scale).clamp(-1 + 1e-6, 1 - 1e-6)
    return middle + torch.atanh(inside) / alpha + 0.5


def dither(*shape: int, generator: torch.Generator | None = None) -> Tensor:
    """Uniform noise of one quantiser step, centred, where the generator is."""
    device = None if generator is None else generator.device
    return torch.rand(shape, generator=generator, device=device) - 0.5


def uniform_noise(
    value: Tensor, centre: Tensor, noise: Tensor, temperature: float, residual: Tensor
) -> tuple[Tensor, Tensor]:
    return value + noise, value + noise


def straight_through(
    value: Tensor, centre: Tensor, noise: Tensor, temperature: float, residual: Tensor
) -> tuple[Tensor, Tensor]:
    rounded = straight(value, residual + centre)
    return rounded, rounded


def mixed(
    value: Tensor, centre: Tensor, noise: Tensor, temperature: float, residual: Tensor
) -> tuple[Tensor, Tensor]:
    return value + noise, straight(value, residual + centre)


def soft(
    value: Tensor, centre: Tensor, noise: Tensor, temperature: float, residual: Tensor
) -> tuple[Tensor, Tensor]:
    noisy = soft_round(value - centre, temperature) + noise
    return noisy + centre, soft_round_conditional_mean(noisy, temperature) + centre


PROXIES = {
    "uniform_noise": uniform_noise,
    "straight_through": straight_through,
    "soft_round": soft,
    "mixed": mixed,
}
