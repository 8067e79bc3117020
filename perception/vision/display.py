"""A screen and who sits before it: code values in [0, 1] to light in cd/m², pixels to degrees of
visual angle.

Ak & Le Callet (IPTA 2019) apply L = (L_peak − L_black)·V^g + L_black to luma. Here it is applied to
R, G and B alike, and luminance is their weighted sum: the same for greys, and colour is not lost,
as a distortion to train on has to see it.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

LUMINANCE = (0.2126, 0.7152, 0.0722)  # of R, G, B, ITU-R BT.709
REFLECTIVITY = 0.005  # of a screen, as ColorVideoVDP has it


@dataclass(frozen=True)
class Display:
    """peak, contrast: white in cd/m² and white over black, in the dark; reflected: light of the
    room off the screen, cd/m².

    gamma: exponent of code values; pixel: side in metres; distance: from the eye, metres.
    """

    peak: float
    contrast: float
    reflected: float
    pixel: float
    distance: float
    gamma: float = 2.2

    @property
    def black(self) -> float:
        """Luminance of V = 0 in cd/m²."""
        return self.peak / self.contrast + self.reflected

    @property
    def white(self) -> float:
        """Luminance of R = G = B = 1 in cd/m²."""
        return self.peak + self.reflected

    @property
    def shown_contrast(self) -> float:
        """White over black, in the room's light."""
        return self.white / self.black

    @property
    def pixels_per_degree(self) -> float:
        """At the middle of the screen."""
        return 1 / math.degrees(2 * math.atan(self.pixel / 2 / self.distance))

    def light(self, image: Tensor) -> Tensor:
        """(…, 3, H, W) code values → the same in cd/m² of a grey with that value; `luminance`
        weighs them. Clamps to [0, 1].
        """
        return (self.white - self.black) * image.clamp(0, 1) ** self.gamma + self.black


def reflected_light(ambient: float) -> float:
    """cd/m² that a screen reflects in a room of so many lux."""
    return REFLECTIVITY * ambient / math.pi


def luminance(light: Tensor) -> Tensor:
    """(…, 3, H, W) of `Display.light` → (…, H, W) in cd/m²."""
    return torch.einsum("c,...chw->...hw", light.new_tensor(LUMINANCE), light)


def to_8_bit_arrays(image: Tensor) -> list[np.ndarray]:
    """(N, 3, H, W) in [0, 1] → N arrays (H, W, 3), uint8, rounded: what a screen would show."""
    return list((image.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy())


OFFICE = 250.0  # lux
# ColorVideoVDP's "standard_4k": 3840x2160 on 30 inches, 200 cd/m², 1000 : 1, seen from 0.7472 m in
# an office
STANDARD_4K = Display(
    peak=200,
    contrast=1000,
    reflected=reflected_light(OFFICE),
    pixel=30 * 0.0254 / math.hypot(3840, 2160),
    distance=0.7472,
)
STANDARD_PIXELS_PER_DEGREE = 75.4  # its, rounded
