"""Distances between 8-bit pictures, as evaluation reports them."""

import numpy as np
import torch
from pytorch_msssim import ms_ssim as _ms_ssim

MS_SSIM_MIN_SIDE = 161  # five scales of an 11-pixel window


def psnr(reference: np.ndarray, decoded: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB of (H, W, 3) uint8 arrays, all channels together; 100 for identical ones."""
    error = np.square(reference.astype(np.float64) - decoded).mean()
    return float(min(100.0, -10 * np.log10(max(error, 1e-10) / 255**2)))


def ms_ssim(reference: np.ndarray, decoded: np.ndarray) -> float | None:
    """Multi-scale structural similarity (Wang et al. 2003), mean over RGB; None for pictures under 161 pixels a side."""
    if min(reference.shape[:2]) < MS_SSIM_MIN_SIDE:
        return None
    pair = [torch.from_numpy(array.transpose(2, 0, 1)[None].astype(np.float32)) for array in (reference, decoded)]
    return float(_ms_ssim(*pair, data_range=255))
