"""From displayed light to the achromatic response of the retina: the first stages of HDR-VDP-2, as
formulas.

Mantiuk, Kim, Rempel, Heidrich, "HDR-VDP-2: A calibrated visual metric for visibility and quality
predictions in all luminance conditions", ACM Transactions on Graphics 30(4), 2011, on the optical
and retinal pathway, with the constants of its public version 2.2. White boxes for
`perception.distances.visibility` to be trained on; differentiable, but slow.

Cones after Smith & Pokorny (Vision Research 15, 1975) as MacLeod & Boynton (JOSA 69, 1979) scale
them, so that L + M is luminance; rods after Pattanaik et al. (SIGGRAPH 1998). Scaled here: white's
scotopic value is its luminance, and S cones catch half of white's light. HDR-VDP-2 integrates
spectra of the screen's primaries instead, and its luminance masking leaves S cones out; here they
pass the same curve as the others, for colour's sake, and do not count as achromatic.
"""

import functools
import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from metamer.perception.vision.display import LUMINANCE

# (a, b) of MTF(ρ) = Σ a·exp(−b·ρ)
SCATTER = ((0.42484, 0.028), (0.57243, 0.37), (0.00016758, 37.0), (0.0025587, 360.0))
MARGIN = 0.5  # degrees of repeated edge around an image before it is filtered
# p5…p8: peak, drop in cd/m², slope and depth of what cones and rods see together
JOINT = (30.162, 4.0627, 1.6596, 0.2712)
# peak in cd/m²; spread, power below it; above it; log₁₀ of the height
ROD = (1.1732, 1.1478, 1.2167, 0.5547, 2.9899, 1.1414)
DARKEST, BRIGHTEST = -5.0, 5.0  # log₁₀ cd/m² that the masking curves are tabulated for
ENTRIES = 2048

# XYZ → L, M, S and rods. The published rows of L and M sum to (0, 1, 0): luminance
XYZ_TO_LMSR = (
    (0.15514, 0.54312, -0.03286),
    (-0.15514, 0.45684, 0.03286),
    (0.0, 0.0, 0.01608),
    (-0.702, 1.039, 0.433),
)
# IEC 61966-2-1
SRGB_TO_XYZ = ((0.4124564, 0.3575761, 0.1804375), LUMINANCE, (0.0193339, 0.1191920, 0.9503041))


def transfer(frequency: Tensor) -> Tensor:
    """Modulation transfer of the eye's optics at frequencies in cycles per degree: 1 at 0,
    falling.
    """
    return sum(weight * torch.exp(-fall * frequency) for weight, fall in SCATTER)


def scattered(light: Tensor, pixels_per_degree: float) -> Tensor:
    """(…, H, W) light → the same as it falls on the retina, blurred by scatter in the eye; edges
    repeat.
    """
    height, width = light.shape[-2:]
    pad = math.ceil(MARGIN * pixels_per_degree)
    wide = F.pad(light.reshape(-1, 1, height, width), (pad, pad, pad, pad), "replicate")
    across = torch.fft.rfftfreq(wide.shape[-1], device=light.device) * pixels_per_degree
    down = torch.fft.fftfreq(wide.shape[-2], device=light.device) * pixels_per_degree
    spectrum = torch.fft.rfft2(wide) * transfer(torch.hypot(down[:, None], across[None]))
    wide = torch.fft.irfft2(spectrum, s=wide.shape[-2:])
    return wide[..., pad : pad + height, pad : pad + width].reshape(light.shape)


@functools.cache
def receptor_matrix() -> np.ndarray:
    """(4, 3): linear R, G, B → L, M, S, rods. L + M are luminance's weights; S sums to 0.5, rods to
    1.
    """
    matrix = np.array(XYZ_TO_LMSR) @ np.array(SRGB_TO_XYZ)
    matrix[2:] *= [[0.5], [1.0]] / matrix[2:].sum(1, keepdims=True)
    return matrix


def receptors(light: Tensor) -> Tensor:
    """(N, 3, H, W) light in cd/m² → (N, 4, H, W): what L, M, S cones and rods catch of it; L + M is
    luminance.

    The rods' weights are a fit, negative for saturated reds; `masked` takes that for darkness.
    """
    return torch.einsum("rc,nchw->nrhw", light.new_tensor(receptor_matrix()), light)


def joint_sensitivity(luminance: np.ndarray) -> np.ndarray:
    """s_A: one over the smallest visible contrast, by adapting luminance in cd/m²."""
    peak, drop, slope, depth = JOINT
    return peak * ((drop / luminance) ** slope + 1) ** -depth


def rod_sensitivity(luminance: np.ndarray) -> np.ndarray:
    """s_R: the rods' share, by luminance in cd/m²."""
    peak, low, low_power, high, high_power, height = ROD
    decades = np.log10(luminance / peak)
    above = np.exp(-(np.abs(decades) ** high_power) / high)
    below = np.exp(-(np.abs(decades) ** low_power) / low)
    return 10**height * np.where(decades > 0, above, below)


def cone_sensitivity(caught: np.ndarray) -> np.ndarray:
    """s_L = s_M: half of what the joint sensitivity leaves to cones, each of which catches half the
    light.
    """
    return 0.5 * np.maximum(joint_sensitivity(2 * caught) - rod_sensitivity(2 * caught), 1e-3)


@functools.cache
def masking_table() -> np.ndarray:
    """(2, ENTRIES): responses of cones and of rods at ENTRIES even steps of log₁₀ light.

    P(r) = ∫ dμ / Δ(μ), with Δ(μ) = μ / s(μ) the smallest visible increment; over ln μ the integrand
    is s. One unit is one just noticeable difference, before the metric's calibration (s_peak is 1
    here).
    """
    decades = np.linspace(DARKEST, BRIGHTEST, ENTRIES)
    curves = [cone_sensitivity(10**decades), rod_sensitivity(10**decades)]
    steps = (
        (np.array(curves)[:, 1:] + np.array(curves)[:, :-1]) / 2 * np.diff(decades * math.log(10))
    )
    return np.pad(steps.cumsum(1), ((0, 0), (1, 0)))


def masked(caught: Tensor) -> Tensor:
    """(N, 4, H, W) of `receptors` → responses after luminance masking, in just noticeable steps; 0
    at 10⁻⁵ cd/m².
    """
    table = caught.new_tensor(masking_table())[[0, 0, 0, 1]]
    place = (
        (caught.clamp_min(10**DARKEST).log10() - DARKEST) * (ENTRIES - 1) / (BRIGHTEST - DARKEST)
    )
    place = place.clamp(0, ENTRIES - 1)
    left = place.detach().long().clamp_max(ENTRIES - 2)
    flat = left.transpose(0, 1).flatten(1)
    low, high = (
        table.gather(1, flat + step).view_as(left.transpose(0, 1)).transpose(0, 1)
        for step in (0, 1)
    )
    return low + (high - low) * (place - left)


def responses(masked_receptors: Tensor) -> Tensor:
    """(N, 4, H, W) of `masked` → (N, 3, H, W): the achromatic response L + M + rods, red against
    green L − M, and S.
    """
    long, medium, short, rods = masked_receptors.unbind(1)
    return torch.stack((long + medium + rods, long - medium, short), 1)
