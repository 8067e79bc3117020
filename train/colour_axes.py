"""`codec.network.colour_axes` for batches: colours turned as the encoder turns them."""

import functools

import numpy as np
import torch
from torch import Tensor

from metamer.codec.network import colour_axes


def affine(pixels: np.ndarray) -> Tensor:
    """(3, 4) what the encoder would turn (H, W, 3) uint8 pixels by; the identity where it would
    not.
    """
    rotation = colour_axes.principal_turn([pixels])
    return torch.eye(3, 4) if rotation is None else torch.from_numpy(rotation.affine())


def affines(crops: Tensor) -> Tensor:
    """(N, 3, 4), `affine` of each of the crops (N, 3, H, W) in [0, 1], which are pictures of their
    own.
    """
    pixels = (crops * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    return torch.stack([affine(crop) for crop in pixels]).to(crops.device)


def exactly(function):
    """Without autocast: 8 bits of mantissa are too few for a picture."""

    @functools.wraps(function)
    def called(image: Tensor, affine: Tensor) -> Tensor:
        with torch.autocast(image.device.type, enabled=False):
            return function(image.float(), affine)

    return called


@exactly
def turn(image: Tensor, affine: Tensor) -> Tensor:
    """Images (N, 3, H, W), each turned by its affine map (N, 3, 4)."""
    return torch.einsum("nij,njhw->nihw", affine[..., :3], image) + affine[..., 3, None, None]


@exactly
def restore(image: Tensor, affine: Tensor) -> Tensor:
    """The inverse of `turn`."""
    return torch.einsum("nji,njhw->nihw", affine[..., :3], image - affine[..., 3, None, None])
