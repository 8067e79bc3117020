"""The linear start: orthogonality, perfect reconstruction, and a real gain over the block
transform.
"""

import numpy as np
import pytest
import torch

from metamer.train.data import Crops, Photographs, find
from metamer.train.networks.transforms.lapped import (
    LinearInverse,
    LinearTransform,
    boundary_filter,
    filter_boundaries,
    fit,
)


@pytest.fixture(scope="module")
def crops(photographs):
    source = Crops(Photographs(find(photographs)[0]), 112, 0)
    return torch.stack([source[index] for index in range(60)]).float() / 255 - 0.5


@pytest.fixture(scope="module")
def fitted(crops):
    return fit(crops, 768)


def test_boundary_filter_of_any_rotation_is_orthogonal():
    rotation = torch.linalg.qr(
        torch.randn(8, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    )[0]
    crossing = boundary_filter(rotation)
    torch.testing.assert_close(crossing @ crossing.T, torch.eye(16, dtype=torch.float64))


def test_identity_rotation_changes_nothing():
    torch.testing.assert_close(boundary_filter(torch.eye(8)), torch.eye(16))


@pytest.mark.parametrize("size", [(16, 16), (16, 48), (32, 16), (48, 64)])
def test_complete_transform_reconstructs(fitted, size):
    crossing, basis, _ = fitted
    forward, inverse = LinearTransform(768), LinearInverse(768)
    with torch.no_grad():
        forward.crossing.copy_(crossing), forward.basis.copy_(basis)
        inverse.crossing.copy_(crossing.T), inverse.basis.copy_(basis.T)
        image = torch.rand(2, 3, *size) - 0.5
        latent = forward(image)
        torch.testing.assert_close(inverse(latent), image, atol=2e-5, rtol=0)
        # so distortion is the pixels' own
        torch.testing.assert_close(latent.square().sum(), image.square().sum())


def test_outer_half_blocks_pass_unfiltered(fitted):
    image = torch.rand(1, 3, 48, 48)
    filtered = filter_boundaries(image, fitted[0])
    torch.testing.assert_close(filtered[..., :8, :8], image[..., :8, :8])
    assert (filtered[..., 8:40, 8:40] - image[..., 8:40, 8:40]).abs().max() > 1e-2


def test_lapped_transform_codes_better_than_blocks(crops, fitted):
    """Reverse water-filling: fewer bits at the same distortion than the Karhunen-Loève transform of
    plain blocks.
    """
    blocks = (
        torch.nn.functional.pixel_unshuffle(crops, 16)[:, :, 1:-1, 1:-1]
        .permute(0, 2, 3, 1)
        .reshape(-1, 768)
        .double()
    )
    plain = torch.linalg.eigvalsh(blocks.T @ blocks / len(blocks)).numpy()
    distortion = 1e-3

    def bits(variances):
        return 0.5 * np.log2(np.maximum(variances, distortion) / distortion).sum()

    assert bits(fitted[2].double().square().numpy()) < 0.98 * bits(plain)
