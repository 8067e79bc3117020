"""Perceptual efficacy: how much a channel behaves like human vision (Tariq et al., ECCV 2020,
section 4).

A channel scores high whose mean activation changes with spatial frequency where people see contrast
best (μ₁), and that prefers some orientations over others (μ₂). The stimuli are gratings, measured
once in cycles per degree at a stated viewing distance.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from metamer.perception.backbones.imagenet import NETWORKS, Network

PIXELS_PER_DEGREE = 32.0  # a screen of 96 dots an inch at 49 cm
SIZE = 256  # pixels a side: 8 degrees
CONTRAST = 0.5  # Michelson, about mid-grey, of sRGB values, which is what networks see
ORIENTATIONS = 36
STEP = 0.5  # cycles per degree between gratings


def contrast_sensitivity(frequency: Tensor) -> Tensor:
    """Relative sensitivity at a spatial frequency in cycles per degree (Mannos & Sakrison 1974);
    its peak, near 8, is about 1.

    >>> contrast_sensitivity(torch.tensor([1.0, 8.0, 30.0])).round(decimals=2)
    tensor([0.3200, 0.9800, 0.1900])
    """
    scaled = 0.114 * frequency
    return 2.6 * (0.0192 + scaled) * torch.exp(-(scaled**1.1))


def frequencies(pixels_per_degree: float = PIXELS_PER_DEGREE) -> Tensor:
    """Cycles per degree of the gratings, from one step to just under Nyquist."""
    return torch.arange(STEP, pixels_per_degree / 2, STEP)


def peak_frequency() -> float:
    """The frequency in cycles per degree at which contrast sensitivity peaks."""
    fine = torch.arange(0.1, 30, 0.01)
    return fine[contrast_sensitivity(fine).argmax()].item()


def _image(cosine: Tensor) -> Tensor:
    """(K, H, W) waves in [−1, 1] → (K, 3, H, W) grey images."""
    return (0.5 + 0.5 * CONTRAST * cosine).unsqueeze(1).expand(-1, 3, -1, -1).contiguous()


def _grid() -> tuple[Tensor, Tensor]:
    axis = torch.arange(SIZE) - (SIZE - 1) / 2
    return torch.meshgrid(axis, axis, indexing="ij")


def radial_gratings(pixels_per_degree: float = PIXELS_PER_DEGREE) -> Tensor:
    """(K, 3, 256, 256) rings, one image for each of ``frequencies``: every orientation alike."""
    radius = torch.hypot(*_grid()) / pixels_per_degree
    return _image(torch.cos(2 * torch.pi * frequencies(pixels_per_degree)[:, None, None] * radius))


def oriented_gratings(pixels_per_degree: float = PIXELS_PER_DEGREE) -> Tensor:
    """(36, 3, 256, 256) gratings at the peak frequency, orientations 0°, 5°, … 175°."""
    y, x = _grid()
    angle = torch.arange(ORIENTATIONS)[:, None, None] * torch.pi / ORIENTATIONS
    across = (x * angle.cos() + y * angle.sin()) / pixels_per_degree
    return _image(torch.cos(2 * torch.pi * peak_frequency() * across))


@dataclass(frozen=True)
class ChannelTuning:
    """How one layer's channels answer to gratings. ``by_frequency`` (K, C) and ``by_orientation``
    (36, C) are spatial means.
    """

    frequency: Tensor
    by_frequency: Tensor
    by_orientation: Tensor

    @property
    def frequency_sensitivity(self) -> Tensor:
        """(C,) μ₁ = Σ_f CSF(f) · |∂a/∂f| (equation 2)."""
        (slope,) = torch.gradient(self.by_frequency, spacing=(self.frequency,), dim=0)
        return (contrast_sensitivity(self.frequency)[:, None] * slope.abs()).sum(0)

    @property
    def orientation_selectivity(self) -> Tensor:
        """(C,) μ₂ = Σ_θ (a − max_θ a)² (equation 4)."""
        return (self.by_orientation - self.by_orientation.amax(0)).square().sum(0)

    @property
    def efficacy(self) -> Tensor:
        """(C,) PE = μ₁μ₂ / (Σμ₁ · Σμ₂) (equation 5)."""
        frequency, orientation = self.frequency_sensitivity, self.orientation_selectivity
        return frequency * orientation / (frequency.sum() * orientation.sum())


@torch.no_grad()
def measure_tuning(
    network: Network,
    pixels_per_degree: float = PIXELS_PER_DEGREE,
    layers: Sequence[str] | None = None,
) -> dict[str, ChannelTuning]:
    """Layer → tuning, for the layers named or every layer of the network."""
    layers = tuple(layers or network.layers)

    def means(images: Tensor) -> dict[str, Tensor]:
        parts = [network.run(part, layers) for part in images.split(4)]
        return {layer: torch.cat([part[layer].mean((2, 3)) for part in parts]) for layer in layers}

    by_frequency, by_orientation = (
        means(radial_gratings(pixels_per_degree)),
        means(oriented_gratings(pixels_per_degree)),
    )
    steps = frequencies(pixels_per_degree)
    return {
        layer: ChannelTuning(steps, by_frequency[layer], by_orientation[layer]) for layer in layers
    }


# `python -m metamer.perception.backbones.efficacy` writes it, tests check it
TABLE = Path(__file__).parent / "efficacy.safetensors"


@cache
def _table() -> dict[str, Tensor]:
    return load_file(TABLE)


def efficacy(network: Network, layer: str) -> Tensor:
    """(C,) perceptual efficacy of a layer's channels at the stated viewing distance, from the table
    that comes along.
    """
    return _table()[f"{network.name}.{network.check(layer)}"]


def silent_share(network: str, layer: str) -> float:
    """Share, 0 to 1, of a layer's channels whose efficacy is 0: that answer alike to all gratings,
    most of them not at all.

    >>> silent_share("alexnet", "relu3")
    0.13020833333333334
    """
    scores = _table()[f"{network}.{layer}"]
    return (scores == 0).sum().item() / len(scores)


if __name__ == "__main__":
    networks = [Network(name) for name in NETWORKS]
    save_file(
        {
            f"{net.name}.{layer}": measured.efficacy
            for net in networks
            for layer, measured in measure_tuning(net).items()
        },
        TABLE,
    )
