"""ColorVideoVDP (Mantiuk et al., SIGGRAPH 2024): a model of human vision in its authors' package,
never trained on here.
"""

import numpy as np
import torch
from torch import Tensor

from metamer.perception.distance import Distance
from metamer.perception.errors import MetricError
from metamer.perception.optional_imports import import_package
from metamer.perception.vision.display import (
    OFFICE,
    REFLECTIVITY,
    STANDARD_4K,
    STANDARD_PIXELS_PER_DEGREE,
    to_8_bit_arrays,
)

STANDARD = "standard_4k"


class ColorVideoVDP(Distance):
    """ColorVideoVDP's quality in just-objectionable-difference units, 10 for identical images
    (Mantiuk et al. 2024).

    display: one of cvvdp's displays; the default is a 4K screen of 30 inches at 0.7 m under office
    light. Of that one, peak (white in cd/m²), ambient (light of the room in lux) and
    pixels_per_degree may be others.
    """

    def __init__(
        self,
        display: str = STANDARD,
        peak: float = STANDARD_4K.peak,
        ambient: float = OFFICE,
        pixels_per_degree: float = STANDARD_PIXELS_PER_DEGREE,
    ):
        super().__init__()
        self.vdp = self.model(display, peak, ambient, pixels_per_degree)

    @staticmethod
    def model(display: str, peak: float, ambient: float, pixels_per_degree: float):
        package = import_package("pycvvdp")
        conditions = peak, ambient, pixels_per_degree
        if conditions == (STANDARD_4K.peak, OFFICE, STANDARD_PIXELS_PER_DEGREE):
            try:
                return package.cvvdp(display_name=display, quiet=True)
            except package.vq_exception as problem:
                raise MetricError(f"cvvdp: {problem}") from None
        if display != STANDARD:
            raise MetricError(f"cvvdp: {display} has its own peak, ambient and pixels_per_degree")
        if peak <= 0 or ambient < 0 or pixels_per_degree <= 0:
            raise MetricError("cvvdp: peak and pixels_per_degree are above 0, ambient not below")
        models = import_package("pycvvdp.display_model")
        return package.cvvdp(
            display_photometry=models.vvdp_display_photo_eotf(
                peak, STANDARD_4K.contrast, E_ambient=ambient, k_refl=REFLECTIVITY
            ),
            display_geometry=models.vvdp_display_geometry((3840, 2160), ppd=pixels_per_degree),
            quiet=True,
        )

    def space(self, image: Tensor) -> list[np.ndarray]:
        return to_8_bit_arrays(image)

    @torch.no_grad()
    def between(self, reference: list[np.ndarray], image: list[np.ndarray]) -> Tensor:
        pairs = zip(image, reference, strict=True)
        return torch.tensor(
            [float(self.vdp.predict(ours, theirs, dim_order="HWC")[0]) for ours, theirs in pairs]
        )
