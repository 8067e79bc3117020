"""Images made of the shipped photograph by arithmetic that is the same everywhere: three pairs, and
patches of 8 bits.
"""

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from tests.conftest import ROOT


def pairs() -> dict[str, tuple[Tensor, Tensor]]:
    """name → (reference, distorted), each (1, 3, 160, 192) in [0, 1] on 8-bit levels: noise, blur,
    and darker and shifted.
    """
    picture = np.asarray(Image.open(ROOT / "examples" / "otters.png").convert("RGB"))
    large = picture[100:264, 200:396].astype(np.float64)
    reference = large[2:-2, 2:-2]
    noisy = reference + np.random.RandomState(7).normal(0, 18, reference.shape)
    blurred = sum(large[i : i + 160, j : j + 192] for i in range(5) for j in range(5)) / 25
    moved = 255 * (large[1:161, 3:195] / 255) ** 1.3

    def tensor(array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.rint(array.clip(0, 255)).transpose(2, 0, 1)[None]).float() / 255

    distorted = {"noisy": noisy, "blurred": blurred, "moved": moved}
    return {name: (tensor(reference), tensor(image)) for name, image in distorted.items()}


def patches() -> dict[str, Tensor]:
    """name → (1, 3, H, W) uint8: a patch as FID/256 cuts it, one that is larger than what Inception
    sees, and a negative.
    """
    picture = torch.from_numpy(
        np.array(Image.open(ROOT / "examples" / "otters.png").convert("RGB"))
    ).permute(2, 0, 1)[None]
    return {
        "patch": picture[..., 100:356, 200:456],
        "large": picture,
        "negative": 255 - picture[..., 30:330, 300:480],
    }
