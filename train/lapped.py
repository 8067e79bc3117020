"""The linear start of both transforms: a lapped Karhunen-Loève transform, fitted in closed form.

A block transform cannot use what neighbouring blocks share, and shows its grid at low rates. A *time-domain
lapped transform* (Tran, Liang & Tu, "Lapped transform via time-domain pre- and post-filtering", IEEE Trans. Signal
Processing 2003) repairs both at 32 multiplications a sample: an orthogonal filter across every block boundary before
the block transform, its transpose after the inverse. Here the filter is fitted to the photographs' autocorrelation,
and the block transform is the Karhunen-Loève transform of the filtered 16x16x3 blocks.
"""

import numpy as np
import torch
from torch import Tensor, nn

BLOCK = 16


def boundary_filter(rotation: Tensor) -> Tensor:
    """The orthogonal (16, 16) filter across a block boundary that an orthogonal (8, 8) ``rotation`` defines.

    Sums of mirrored samples pass; their differences are rotated (Tran et al. 2003, section III).
    """
    half = rotation.shape[0]
    identity = torch.eye(half, dtype=rotation.dtype)
    mirror = identity.flip(0)
    butterfly = torch.cat([torch.cat([identity, mirror], 1), torch.cat([mirror, -identity], 1)], 0) / 2**0.5
    return butterfly @ torch.block_diag(identity, rotation) @ butterfly


def fit_boundary_filter(autocovariance: np.ndarray, steps: int = 600) -> Tensor:
    """The boundary filter that maximises coding gain for a stationary 1-D source.

    autocovariance: lags 0…63. Returns (16, 16) float32. Coding gain at high rate is the log-determinant of one
    block's coefficient covariance; the rotation is the exponential of a skew matrix, so it stays orthogonal.
    """
    lags = np.abs(np.subtract.outer(np.arange(64), np.arange(64)))
    covariance = torch.tensor(autocovariance[lags], dtype=torch.float64)
    edge = torch.eye(BLOCK // 2, dtype=torch.float64)
    skew = torch.linspace(-0.01, 0.01, 64, dtype=torch.float64).reshape(8, 8).requires_grad_()
    optimiser = torch.optim.Adam([skew], lr=0.02)
    for _ in range(steps):
        crossing = boundary_filter(torch.linalg.matrix_exp(skew - skew.T))
        basis = torch.block_diag(edge, crossing, crossing, crossing, edge)[BLOCK : 2 * BLOCK]
        loss = torch.logdet(basis @ covariance @ basis.T)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return boundary_filter(torch.linalg.matrix_exp(skew - skew.T)).detach().float()


def filter_boundaries(image: Tensor, crossing: Tensor) -> Tensor:
    """Applies a (16, 16) filter across every horizontal and vertical block boundary of (N, C, H, W).

    H and W are multiples of 16. The outer 8 samples of each border lie beside no boundary and pass unchanged.
    """
    half = BLOCK // 2
    height, width = image.shape[-2:]
    if width > BLOCK:
        inner = image[..., half : width - half].unflatten(-1, (-1, BLOCK)) @ crossing.T
        image = torch.cat([image[..., :half], inner.flatten(-2), image[..., width - half :]], -1)
    if height > BLOCK:
        inner = crossing @ image[..., half : height - half, :].unflatten(-2, (-1, BLOCK))
        image = torch.cat([image[..., :half, :], inner.flatten(-3, -2), image[..., height - half :, :]], -2)
    return image


class LinearTransform(nn.Module):
    """Boundary filter, then 16x16x3 blocks onto ``latents`` basis vectors: (N, 3, H, W) to (N, M, H/16, W/16)."""

    def __init__(self, latents: int):
        super().__init__()
        self.crossing = nn.Parameter(torch.eye(BLOCK))
        self.basis = nn.Parameter(torch.zeros(latents, 3 * BLOCK * BLOCK))

    def forward(self, image: Tensor) -> Tensor:
        with torch.autocast(image.device.type, enabled=False):  # 8 bits of mantissa would cap the PSNR
            filtered = filter_boundaries(image.float(), self.crossing)
            blocks = nn.functional.pixel_unshuffle(filtered, BLOCK)
            return nn.functional.conv2d(blocks, self.basis[:, :, None, None])


class LinearInverse(nn.Module):
    """The mirror of `LinearTransform`, with parameters of its own."""

    def __init__(self, latents: int):
        super().__init__()
        self.crossing = nn.Parameter(torch.eye(BLOCK))
        self.basis = nn.Parameter(torch.zeros(3 * BLOCK * BLOCK, latents))

    def forward(self, latent: Tensor) -> Tensor:
        with torch.autocast(latent.device.type, enabled=False):
            blocks = nn.functional.conv2d(latent.float(), self.basis[:, :, None, None])
            return filter_boundaries(nn.functional.pixel_shuffle(blocks, BLOCK), self.crossing)


@torch.no_grad()
def fit(crops: Tensor, latents: int) -> tuple[Tensor, Tensor, Tensor]:
    """Boundary filter (16, 16), basis (M, 768) and standard deviations (M,) of the lapped KLT of ``crops``.

    crops: (N, 3, S, S) centred around zero, S a multiple of 16 and at least 80.
    """
    centred = crops - crops.mean()
    covariance = [centred.square().mean().item()]
    covariance += [(centred[..., lag:] * centred[..., :-lag]).mean().item() for lag in range(1, 64)]
    with torch.enable_grad():
        crossing = fit_boundary_filter(np.array(covariance))
    total = torch.zeros(3 * BLOCK * BLOCK, 3 * BLOCK * BLOCK, dtype=torch.float64)
    count = 0
    for part in crops.split(32):
        blocks = nn.functional.pixel_unshuffle(filter_boundaries(part, crossing), BLOCK)
        blocks = blocks[:, :, 1:-1, 1:-1].permute(0, 2, 3, 1).reshape(-1, total.shape[0])
        total += (blocks.T @ blocks).double()
        count += len(blocks)
    variances, vectors = torch.linalg.eigh(total / count)
    basis = vectors.flip(1)[:, :latents].T
    return crossing, basis.float().contiguous(), variances.flip(0)[:latents].clamp_min(1e-8).sqrt().float()
