"""Independent judges: full models of human vision or of opinion, never trained on here, each in its authors' own package."""

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from perception.distance import Distance
from perception.errors import MetricError
from perception.packages import import_package


def to_8_bit_arrays(image: Tensor) -> list[np.ndarray]:
    """(N, 3, H, W) in [0, 1] → N arrays (H, W, 3), uint8, rounded: judges look at what a screen would show."""
    return list((image.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy())


class ColorVideoVDP(Distance):
    """ColorVideoVDP's quality in just-objectionable-difference units, 10 for identical images (Mantiuk et al. 2024).

    display: one of cvvdp's displays; the default is a 4K screen of 30 inches at 0.7 m under office light.
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
        return torch.tensor([float(self.vdp.predict(ours, theirs, dim_order="HWC")[0]) for ours, theirs in pairs])


class Ssimulacra2(Distance):
    """SSIMULACRA 2 (Sneyers, Cloudinary 2022): 100 for identical images, 90 visually lossless, 70 high quality, 30 low."""

    def __init__(self):
        super().__init__()
        self.score = import_package("ssimulacra2", "judges").compute_ssimulacra2

    def space(self, image: Tensor) -> list[np.ndarray]:
        return to_8_bit_arrays(image)

    def between(self, reference: list[np.ndarray], image: list[np.ndarray]) -> Tensor:
        return torch.tensor(
            [self.score(png_file(theirs), png_file(ours)) for theirs, ours in zip(reference, image, strict=True)]
        )


def png_file(picture: np.ndarray) -> io.BytesIO:
    """The picture as a file, which is what the package reads."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG", compress_level=0)
    file.seek(0)
    return file
