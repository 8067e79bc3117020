"""ColorVideoVDP (Mantiuk et al., SIGGRAPH 2024): a model of human vision in its authors' package,
never trained on here.
"""

import numpy as np
import torch
from torch import Tensor

from metamer.perception.distance import Distance
from metamer.perception.errors import MetricError
from metamer.perception.packages import import_package
from metamer.perception.vision.display import to_8_bit_arrays


class ColorVideoVDP(Distance):
    """ColorVideoVDP's quality in just-objectionable-difference units, 10 for identical images
    (Mantiuk et al. 2024).

    display: one of cvvdp's displays; the default is a 4K screen of 30 inches at 0.7 m under office
    light.
    """

    def __init__(self, display: str = "standard_4k"):
        super().__init__()
        self.vdp = self.model(display)

    @staticmethod
    def model(display: str):
        package = import_package("pycvvdp", "judges")
        try:
            return package.cvvdp(display_name=display, quiet=True)
        except package.vq_exception as problem:
            raise MetricError(f"cvvdp: {problem}") from None

    def space(self, image: Tensor) -> list[np.ndarray]:
        return to_8_bit_arrays(image)

    @torch.no_grad()
    def between(self, reference: list[np.ndarray], image: list[np.ndarray]) -> Tensor:
        pairs = zip(image, reference, strict=True)
        return torch.tensor(
            [float(self.vdp.predict(ours, theirs, dim_order="HWC")[0]) for ours, theirs in pairs]
        )
