"""DISTS: deep image structure and texture similarity (Ding et al., TPAMI 2020)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from metamer.perception import weights
from metamer.perception.backbones.imagenet import Network
from metamer.perception.distance import Distance

STAGES = ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3")
SHORT_SIDE = 256  # the paper's rescaling, "a reasonable viewing distance"
STABILISER = 1e-6  # c₁ and c₂ of equations 3 and 4


class L2Pooling(nn.Module):
    """Root of the Hanning-weighted mean of squares, stride 2 (section 3.1): what max-pooling
    becomes without aliasing.
    """

    def __init__(self, channels: int):
        super().__init__()
        window = torch.hann_window(5, periodic=False)[1:-1]
        kernel = torch.outer(window, window)
        self.register_buffer(
            "kernel", (kernel / kernel.sum()).expand(channels, 1, 3, 3).clone(), persistent=False
        )

    def forward(self, x: Tensor) -> Tensor:
        power = F.conv2d(x.square(), self.kernel, stride=2, padding=1, groups=x.shape[1])
        return (power + 1e-12).sqrt()


class Dists(Distance):
    """Σ α · (1 − similarity of means) + β · (1 − correlation) over VGG16's five stages and the
    image itself.

    resize: bring the short side to 256 pixels first if it is longer, as the paper does.
    """

    def __init__(self, resize: bool = True):
        super().__init__()
        self.resize = resize
        self.stages = Network("vgg16")
        for number, module in enumerate(self.stages.features):
            if isinstance(module, nn.MaxPool2d):
                self.stages.features[number] = L2Pooling(
                    self.stages.features[number - 2].out_channels
                )
        head = weights.load("dists")
        total = head["alpha"].sum() + head["beta"].sum()
        self.register_buffer("alpha", head["alpha"].flatten() / total, persistent=False)
        self.register_buffer("beta", head["beta"].flatten() / total, persistent=False)

    def space(self, image: Tensor) -> list[Tensor]:
        """The image and the five stages, each (N, C, h, w)."""
        image = self.rescaled(image)
        return [image, *self.stages(image, STAGES).values()]

    def rescaled(self, image: Tensor) -> Tensor:
        short = min(image.shape[-2:])
        if not self.resize or short <= SHORT_SIDE:
            return image
        size = [round(side * SHORT_SIDE / short) for side in image.shape[-2:]]
        return F.interpolate(image, size, mode="bilinear", antialias=True, align_corners=False)

    def between(self, reference: list[Tensor], image: list[Tensor]) -> Tensor:
        means, correlations = [], []
        for x, y in zip(reference, image, strict=True):
            x_mean, y_mean = x.mean((2, 3)), y.mean((2, 3))
            x_off, y_off = x - x_mean[..., None, None], y - y_mean[..., None, None]
            x_variance, y_variance = x_off.square().mean((2, 3)), y_off.square().mean((2, 3))
            covariance = (x_off * y_off).mean((2, 3))
            means.append(
                1
                - (2 * x_mean * y_mean + STABILISER)
                / (x_mean.square() + y_mean.square() + STABILISER)
            )
            correlations.append(
                1 - (2 * covariance + STABILISER) / (x_variance + y_variance + STABILISER)
            )
        return (self.alpha * torch.cat(means, 1) + self.beta * torch.cat(correlations, 1)).sum(1)
