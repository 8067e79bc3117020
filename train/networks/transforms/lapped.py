"""The linear start of both transforms: a lapped Karhunen-Loève transform, fitted in closed form.

A block transform cannot use what neighbouring blocks share, and shows its grid at low rates. A
*time-domain lapped transform* (Tran, Liang & Tu, "Lapped transform via time-domain pre- and
post-filtering", IEEE Trans. Signal Processing 2003) repairs both at 32 multiplications a sample: an
orthogonal filter across every block boundary before the block transform, its transpose after the
inverse. Here the filter is fitted to the photographs' autocorrelation, and the block transform is
the Karhunen-Loève transform of the filtered 16x16x3 blocks.
"""

import numpy as np
import torch
from torch import Tensor, nn

BLOCK = 16


def boundary_filter(rotation: Tensor) -> Tensor:
    """The orthogonal (16, 16) filter across a block boundary that an orthogonal (8, 8) ``rotation``
    defines.

    Sums of mirrored samples pass; their differences are rotated (Tran et al. 2003, section III).
    """
    half = rotation.shape[0]
    identity = torch.eye(half, dtype=rotation.dtype)
    mirror = identity.flip(0)
    butterfly = (
        torch.cat([torch.cat([identity, mirror], 1), torch.cat([mirror, -identity], 1)], 0) / 2**0.5
    )
    return butterfly @ torch.block_diag(identity, rotation) @ butterfly


def fit_boundary_filter(autocovariance: np.ndarray, steps: int = 600) -> Tensor:
    """The boundary filter that maximises coding gain for a stationary 1-D source.

    autocovariance: lags 0…63. Returns (16, 16) float32. Coding gain at high rate is the
    log-determinant of one block's coefficient covariance; the rotation is the exponential of a skew
    matrix, so it stays orthogonal.
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
    """Applies a (16, 16) filter across every horizontal and vertical block boundary of (N, C, H,
    W).

    H and W are multiples of 16. The outer 8 samples of each border lie beside no boundary and pass
    unchanged.
    """
    half = BLOCK // 2
    height, width = image.shape[-2:]
    if width > BLOCK:
        left, inner, right = image.split([half, width - BLOCK, half], -1)
        image = torch.cat(
            [left, (inner.unflatten(-1, (-1, BLOCK)) @ crossing.T).flatten(-2), right], -1
        )
    if height > BLOCK:
        top, inner, bottom = image.split([half, height - BLOCK, half], -2)
        image = torch.cat(
            [top, (crossing @ inner.unflatten(-2, (-1, BLOCK))).flatten(-3, -2), bottom], -2
        )
    return image


def blocks(image: Tensor, side: int) -> Tensor:
    """(N, C, H, W) to (N, C·side², H/side, W/side), channels innermost in memory:
    `pixel_unshuffle`, five times as fast.
    """
    if torch.compiler.is_exporting():
        return nn.functional.pixel_unshuffle(image, side)
    rows = image.unflatten(-1, (-1, side)).unflatten(-3, (-1, side)).permute(0, 2, 4, 1, 3, 5)
    return rows.flatten(3).permute(0, 3, 1, 2)


def unblocks(planes: Tensor, side: int) -> Tensor:
    """The inverse of `blocks`, an image with columns innermost in memory."""
    if torch.compiler.is_exporting():
        return nn.functional.pixel_shuffle(planes, side)
    rows = planes.permute(0, 2, 3, 1).unflatten(-1, (-1, side, side)).permute(0, 3, 1, 4, 2, 5)
    return rows.flatten(-2).flatten(2, 3)


class Product(torch.autograd.Function):
    """Rows (n, I) times a matrix (O, I) in float32, its gradients in bfloat16 under autocast, where
    eight bits are enough.
    """

    @staticmethod
    def forward(ctx, rows: Tensor, matrix: Tensor) -> Tensor:
        ctx.save_for_backward(rows, matrix)
        ctx.kind = (
            torch.get_autocast_dtype(rows.device.type)
            if torch.is_autocast_enabled(rows.device.type)
            else rows.dtype
        )
        with torch.autocast(rows.device.type, enabled=False):
            return nn.functional.linear(rows, matrix)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        rows, matrix = ctx.saved_tensors
        short = gradient.to(ctx.kind)
        by_rows = (short @ matrix.to(ctx.kind)).to(rows.dtype) if ctx.needs_input_grad[0] else None
        by_matrix = (
            (short.T @ rows.to(ctx.kind)).to(matrix.dtype) if ctx.needs_input_grad[1] else None
        )
        return by_rows, by_matrix


def combined(planes: Tensor, matrix: Tensor) -> Tensor:
    """(N, I, h, w) to (N, O, h, w) by a matrix (O, I): a 1x1 convolution as the product it is,
    channels innermost.
    """
    if torch.compiler.is_exporting():
        return nn.functional.conv2d(planes, matrix[:, :, None, None])
    rows = planes.permute(0, 2, 3, 1)
    return (
        Product.apply(rows.flatten(0, 2), matrix).unflatten(0, rows.shape[:3]).permute(0, 3, 1, 2)
    )


class LinearTransform(nn.Module):
    """Boundary filter, then 16x16x3 blocks onto ``latents`` basis vectors: (N, 3, H, W) to (N, M,
    H/16, W/16).
    """

    def __init__(self, latents: int):
        super().__init__()
        self.crossing = nn.Parameter(torch.eye(BLOCK))
        self.basis = nn.Parameter(torch.zeros(latents, 3 * BLOCK * BLOCK))

    def forward(self, image: Tensor) -> Tensor:
        # 8 bits of mantissa would cap the PSNR
        with torch.autocast(image.device.type, enabled=False):
            filtered = filter_boundaries(image.float(), self.crossing)
        return combined(blocks(filtered, BLOCK), self.basis)


class LinearInverse(nn.Module):
    """The mirror of `LinearTransform`, with parameters of its own.

    What is given as ``blocks`` (N, 768, h, w) is added before boundaries are filtered.
    """

    def __init__(self, latents: int):
        super().__init__()
        self.crossing = nn.Parameter(torch.eye(BLOCK))
        self.basis = nn.Parameter(torch.zeros(3 * BLOCK * BLOCK, latents))

    def forward(self, latent: Tensor, blocks: Tensor | None = None) -> Tensor:
        planes = combined(latent.float(), self.basis)
        image = unblocks(planes if blocks is None else planes + blocks, BLOCK)
        with torch.autocast(latent.device.type, enabled=False):
            return filter_boundaries(image, self.crossing)


@torch.no_grad()
def fit(crops: Tensor, latents: int) -> tuple[Tensor, Tensor, Tensor]:
    """Boundary filter (16, 16), basis (M, 768) and standard deviations (M,) of the lapped KLT of
    ``crops``.

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
    return (
        crossing,
        basis.float().contiguous(),
        variances.flip(0)[:latents].clamp_min(1e-8).sqrt().float(),
    )
