"""SSIMULACRA 2: a model of people's opinions, never trained on here, in a package of its own
(Sneyers, Cloudinary 2022).
"""

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from metamer.perception.distance import Distance
from metamer.perception.optional_imports import import_package
from metamer.perception.vision.display import to_8_bit_arrays


class Ssimulacra2(Distance):
    """SSIMULACRA 2 (Sneyers, Cloudinary 2022): 100 for identical images, 90 visually lossless, 70
    high quality, 30 low.
    """

    def __init__(self):
        super().__init__()
        self.score = import_package("ssimulacra2").compute_ssimulacra2

    def space(self, image: Tensor) -> list[np.ndarray]:
        return to_8_bit_arrays(image)

    def between(self, reference: list[np.ndarray], image: list[np.ndarray]) -> Tensor:
        return torch.tensor(
            [
                self.score(png_file(theirs), png_file(ours))
                for theirs, ours in zip(reference, image, strict=True)
            ]
        )


def png_file(picture: np.ndarray) -> io.BytesIO:
    """The picture as a file, which is what the package reads."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG", compress_level=0)
    file.seek(0)
    return file
