"""What a network in training makes of held-out photographs."""

import dataclasses

import torch
from torch import Tensor

from metamer.train.data import Photographs, centre_crops
from metamer.train.data.photographs import Encoded
from metamer.train.loss.objective import Distortion
from metamer.train.loss.rate_distortion import rate_distortion
from metamer.train.networks.interface import Network
from metamer.train.recipe.options import Stage

VALIDATION_CROPS = 16


def validation_crops(held_out: list[Encoded]) -> Tensor:
    """(N, 3, 256, 256) uint8 from the held-out photographs, spread evenly over them."""
    return centre_crops(
        Photographs(held_out[:: max(1, len(held_out) // VALIDATION_CROPS)]), 256, VALIDATION_CROPS
    )


@torch.no_grad()
def validate(
    network: Network, distortion: Distortion, crops: Tensor, stage: Stage, device: torch.device
) -> list[dict]:
    """Rate, PSNR and every distance at each quality level, hard rounding, on held-out crops.

    Args:
        crops: (N, 3, S, S) uint8.
        device: where ``network`` and ``distortion`` are.
    """
    rounded = dataclasses.replace(stage, proxy="straight_through")
    rows = []
    for level in range(network.options.levels):
        parts = []
        for batch in crops.split(8):
            at = torch.full((len(batch),), float(level), device=device)
            parts.append(
                rate_distortion(network, distortion, batch.to(device).float() / 255, at, rounded)
            )
        values = {
            key: torch.cat([part[key] for part in parts])
            for key in ("bpp", "loss", "mse", "distances")
        }
        distances = dict(zip(distortion.names, values["distances"].mean(0).tolist(), strict=True))
        rows.append(
            {
                "level": level,
                "bpp": values["bpp"].mean().item(),
                "psnr": -10 * values["mse"].log10().mean().item(),
                "loss": values["loss"].mean().item(),
                **distances,
            }
        )
    return rows


@torch.no_grad()
def strip(
    network: Network, distortion: Distortion, crops: Tensor, stage: Stage, device: torch.device
) -> Tensor:
    """(3, 4·S, 4·S) in [0, 1], for the eye: four crops side by side, and below each what the
    lowest, middle and highest level make of it. Arguments as of `validate`.
    """
    rounded = dataclasses.replace(stage, proxy="straight_through")
    image = crops[:: max(1, len(crops) // 4)][:4].to(device).float() / 255
    rows, top = [image], network.options.levels - 1
    for level in (0, top // 2, top):
        at = torch.full((len(image),), float(level), device=device)
        rows.append(rate_distortion(network, distortion, image, at, rounded)["decoded"].clamp(0, 1))
    return torch.cat([torch.cat(list(row), 2) for row in rows], 1).cpu()
