"""Colour difference in CIELAB (CIE 1976)."""

import torch
from torch import Tensor

from metamer.perception.distance import Distance

# linear sRGB → CIE XYZ, IEC 61966-2-1; each row over the white point's value, so that white is (1,
# 1, 1)
XYZ = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
KNEE = (6 / 29) ** 3  # below it CIE 1976 continues the cube root as a line


def linear_light(srgb: Tensor) -> Tensor:
    """sRGB in [0, 1] → linear light (IEC 61966-2-1); the line near black goes on below it."""
    return torch.where(
        srgb <= 0.04045, srgb / 12.92, ((srgb.clamp_min(0.04045) + 0.055) / 1.055) ** 2.4
    )


def lab(xyz: Tensor) -> Tensor:
    """(…, 3, H, W) XYZ over the white point → CIELAB: L* in [0, 100] for colours a display shows,
    a*, b* about ±100.
    """
    x, y, z = torch.where(
        xyz > KNEE, xyz.clamp_min(KNEE) ** (1 / 3), xyz * (29 / 6) ** 2 / 3 + 4 / 29
    ).unbind(-3)
    return torch.stack((116 * y - 16, 500 * (x - y), 200 * (y - z)), -3)


def srgb_to_lab(srgb: Tensor) -> Tensor:
    """(…, 3, H, W) sRGB in [0, 1] → CIELAB under D65 (CIE 15:2004; white is what R = G = B = 1
    gives).
    """
    matrix = srgb.new_tensor(XYZ)
    xyz = torch.einsum(
        "ij,...jhw->...ihw", matrix / matrix.sum(1, keepdim=True), linear_light(srgb)
    )
    return lab(xyz)


class ColourDifference(Distance):
    """Mean over pixels of ΔE*ab, the Euclidean distance in CIELAB (CIE 1976). About 2.3 is just
    noticeable side by side (Mahy et al. 1994).
    """

    def space(self, image: Tensor) -> Tensor:
        return srgb_to_lab(image)

    def between(self, reference: Tensor, image: Tensor) -> Tensor:
        # keeps the root's gradient finite where the pixels agree
        smooth = reference.new_tensor(1e-8)
        squares = (reference - image).square().sum(1)
        return ((squares + smooth).sqrt() - smooth.sqrt()).mean((1, 2))
