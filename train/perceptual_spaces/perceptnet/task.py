"""PerceptNet learns to give photographs back: as they are, noisy, blurred, or from sparse activity.

Hernández-Cámara, Malo & Laparra, "From images to perception: emergence of perceptual properties by
reconstructing images", 2025, section Methods. No rating of any image is used.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from metamer.perception.distances.perceptnet import (
    CHANNELS,
    KERNELS,
    LAYERS,
    PARAMETRIC_CHANNELS,
    PARAMETRIC_KERNELS,
    Decoder,
    Encoder,
)
from metamer.perception.vision import receptive_fields
from metamer.train.data import Crops, Photographs, centre_crops, find
from metamer.train.perceptual_spaces.task import Task
from metamer.train.recipe.fields import NonNegative, documented

Objective = Literal["reconstruction", "denoising", "deblurring", "sparsity"]
VALIDATION_CROPS, VALIDATION_SIDE = 32, 128
VALIDATION_SEED = 1
DEVIATION_CROPS = 256  # to measure features' deviations on
SMALLEST_DEVIATION = 1e-3  # of features that hardly ever answer
TRUNCATE = 3  # of the blur's kernel, in standard deviations


@documented
@dataclass
class PerceptNetOptions:
    """What is asked of the reconstruction.

    objective, and strength in its unit: denoising, the standard deviation of white Gaussian noise
    on values in [0, 1]; deblurring, the standard deviation of a Gaussian kernel in pixels;
    sparsity, the weight λ of the mean absolute activation of the encoder's last layer beside the
    mean squared error; reconstruction has none. initialisation: original, random filters;
    parametric, those of `perception.vision.receptive_fields`, which are larger.
    """

    objective: Objective = "reconstruction"
    strength: NonNegative = 0.0
    initialisation: Literal["original", "parametric"] = "original"

    def __post_init__(self):
        if (self.strength > 0) != (self.objective != "reconstruction"):
            raise ValueError("strength is 0 for reconstruction and positive for other objectives")


class Autoencoder(nn.Module):
    """The encoder, which ships as ``space``, and its inverse, whose kernels are the original's
    whatever the encoder's are.
    """

    def __init__(self, channels: tuple[int, ...] = CHANNELS, kernels: tuple[int, ...] = KERNELS):
        super().__init__()
        self.space = Encoder(channels, kernels)
        self.decoder = Decoder(channels)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, H, W) in [0, 1] → the reconstruction, and the activity of the encoder's last
        layer.
        """
        activity = self.space(image)[LAYERS[-1]]
        return self.decoder(activity, image.shape[-2:])[LAYERS[0]], activity


@torch.no_grad()
def parametric() -> Autoencoder:
    """The autoencoder whose encoder starts as physiology would have it. Its filters stay free to
    learn.
    """
    model = Autoencoder(PARAMETRIC_CHANNELS, PARAMETRIC_KERNELS)
    encoder = model.space
    encoder["opponency"].weight.copy_(receptive_fields.OPPONENT.T[..., None, None])
    encoder["centre-surround"].weight.copy_(receptive_fields.centre_surround())
    encoder["orientation"].weight.copy_(receptive_fields.gabors())
    for name in ("opponency", "orientation"):
        encoder[name].bias.zero_()
    encoder["v1"].gamma.copy_(0.1 * receptive_fields.pooling())
    return model


def blurred(image: Tensor, deviation: float) -> Tensor:
    """(N, 3, H, W) through a Gaussian kernel, edges replicated."""
    radius = math.ceil(TRUNCATE * deviation)
    kernel = torch.exp(
        -torch.arange(-radius, radius + 1, device=image.device).square() / (2 * deviation**2)
    )
    row = (kernel / kernel.sum()).expand(3, 1, 1, -1)
    across = F.conv2d(F.pad(image, (radius, radius, 0, 0), mode="replicate"), row, groups=3)
    return F.conv2d(F.pad(across, (0, 0, radius, radius), mode="replicate"), row.mT, groups=3)


@lru_cache(maxsize=1)  # the points of a sweep are trained on the same
def pictures(*folders: Path) -> tuple[Photographs, Tensor]:
    """Photographs to train on, and (N, 3, S, S) uint8 crops of those held out."""
    training, held = find(*folders)
    return Photographs(training), centre_crops(Photographs(held), VALIDATION_SIDE, VALIDATION_CROPS)


@torch.no_grad()
def measure_deviations(model: Autoencoder, image: Tensor) -> None:
    """Sets ``deviation`` of every stage to what it is over (N, 3, H, W) photographs."""
    encoded = model.space(image)
    decoded = model.decoder(encoded[LAYERS[-1]], image.shape[-2:])
    for network, features in ((model.space, encoded), (model.decoder, decoded)):
        for name, stage in network.items():
            stage.deviation.copy_(
                features[name].transpose(0, 1).flatten(1).std(1).clamp(min=SMALLEST_DEVIATION)
            )


class PerceptNetTask(Task):
    """Mean squared error of the reconstruction of a clean photograph, plus λ times mean activity
    for sparsity.
    """

    Options = PerceptNetOptions

    def __init__(
        self,
        options: PerceptNetOptions,
        folders: list[Path],
        out: Path,
        batch: int,
        crop: int,
        seed: int,
    ):
        self.options, self.batch = options, batch
        training, self.validation = pictures(*folders)
        self.crops = Crops(training, crop, seed)
        self.model = Autoencoder() if options.initialisation == "original" else parametric()

    def draw(self, step: int) -> Tensor:
        """(batch, 3, crop, crop) uint8."""
        return self.chosen(range(step * self.batch, (step + 1) * self.batch))

    def chosen(self, places: range) -> Tensor:
        """(N, 3, crop, crop) uint8: the training crops of these numbers."""
        return torch.stack([self.crops[place] for place in places])

    def corrupted(self, image: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """What the encoder is shown of a clean image."""
        if self.options.objective == "denoising":
            return image + self.options.strength * torch.empty_like(image).normal_(
                generator=generator
            )
        if self.options.objective == "deblurring":
            # the image is data: bf16 would make it another
            with torch.autocast(image.device.type, enabled=False):
                return blurred(image, self.options.strength)
        return image

    def losses(self, model: nn.Module, data: Tensor) -> dict[str, Tensor]:
        image = data.float().div(255).contiguous(memory_format=torch.channels_last)
        output, activity = model(self.corrupted(image))
        error = (output.float() - image).square().mean()
        activity = activity.float().abs().mean()
        sparsity = self.options.strength if self.options.objective == "sparsity" else 0.0
        return {"loss": error + sparsity * activity, "mse": error, "activity": activity}

    def validate(self, model: nn.Module) -> dict[str, float]:
        """psnr: mean over crops, in dB, of the reconstruction of clean crops from what the
        objective shows of them.

        Also measures the features' deviations: the averaged weights, which ship, come into the
        task's hands nowhere else.
        """
        device = next(model.parameters()).device
        measure_deviations(model, self.chosen(range(DEVIATION_CROPS)).to(device).float() / 255)
        if not len(self.validation):
            return {}
        noise = torch.Generator().manual_seed(VALIDATION_SEED)
        errors, activities = [], []
        for batch in self.validation.split(8):
            image = batch.to(device).float() / 255
            output, activity = model(self.corrupted(image.cpu(), noise).to(device))
            errors.append((output - image).square().mean((1, 2, 3)))
            activities.append(activity.abs().mean((1, 2, 3)))
        return {
            "psnr": -10 * torch.cat(errors).log10().mean().item(),
            "activity": torch.cat(activities).mean().item(),
        }
