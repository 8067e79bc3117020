"""FLIP: how different two images look when one flips between them, in its authors' package, never
trained on here (Andersson et al., HPG 2020).
"""

import math

import numpy as np
import torch
from torch import Tensor

from metamer.perception.distance import Distance
from metamer.perception.errors import MetricError
from metamer.perception.optional_imports import import_package
from metamer.perception.vision.display import to_8_bit_arrays

AUTHORS = 3840 / 0.7 * 0.7 * math.pi / 180  # pixels a degree


class Flip(Distance):
    """Mean of the LDR-FLIP error over pixels, 0 for identical images, at most 1 (Andersson et al.
    2020).

    Args:
        pixels_per_degree: Of visual angle; by default the authors': 3840 pixels on 0.7 m, seen from
            0.7 m.

    Raises:
        MetricError: The package is missing, or the viewing distance is no positive number.
    """

    def __init__(self, pixels_per_degree: float = AUTHORS):
        super().__init__()
        if not pixels_per_degree > 0:
            raise MetricError("flip: pixels_per_degree is a positive number")
        self.evaluate = import_package("flip_evaluator").evaluate
        self.viewing = {"ppd": float(pixels_per_degree)}

    def space(self, image: Tensor) -> list[np.ndarray]:
        return [array.astype(np.float32) / 255 for array in to_8_bit_arrays(image)]

    def between(self, reference: list[np.ndarray], image: list[np.ndarray]) -> Tensor:
        # a copy of the options, which the package adds to
        means = [
            self.evaluate(
                reference_array, image_array, "LDR", applyMagma=False, parameters=dict(self.viewing)
            )[1]
            for reference_array, image_array in zip(reference, image, strict=True)
        ]
        return torch.tensor(means, dtype=torch.float32)
