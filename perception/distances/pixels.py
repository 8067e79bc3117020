"""Squared error of pixels, and the peak signal-to-noise ratio, of all channels or one of YCbCr."""

import torch
from torch import Tensor

from metamer.perception.distance import Distance

PSNR_OF_IDENTICAL = 100.0  # dB; stands for infinity


class MeanSquaredError(Distance):
    """Mean over pixels and channels of the squared difference, images in [0, 1]."""

    def between(self, reference: Tensor, image: Tensor) -> Tensor:
        return (reference - image).square().mean((1, 2, 3))


class PeakSignalToNoise(Distance):
    """10·log₁₀(1 / MSE) in dB, at most 100."""

    def between(self, reference: Tensor, image: Tensor) -> Tensor:
        error = (reference - image).square().mean((1, 2, 3))
        return -10 * error.clamp_min(10 ** (-PSNR_OF_IDENTICAL / 10)).log10()


# rows of the full-range Y'CbCr of JFIF (ITU-T T.871), whose peak is 1 in every channel; what it
# adds to Cb and Cr falls out of differences
YCBCR = (
    (0.299, 0.587, 0.114),
    (-0.168736, -0.331264, 0.5),
    (0.5, -0.418688, -0.081312),
)


class ChannelPeakSignalToNoise(PeakSignalToNoise):
    """PSNR of one channel of full-range Y'CbCr, in dB, at most 100: 0 for Y, 1 for Cb, 2 for Cr.

    Channels are not rounded to 8 bits before they are compared.
    """

    def __init__(self, channel: int):
        super().__init__()
        self.register_buffer("row", torch.tensor(YCBCR[channel])[:, None, None])

    def space(self, image: Tensor) -> Tensor:
        return (image * self.row).sum(1, keepdim=True)


def psnr_y() -> ChannelPeakSignalToNoise:
    return ChannelPeakSignalToNoise(0)


def psnr_cb() -> ChannelPeakSignalToNoise:
    return ChannelPeakSignalToNoise(1)


def psnr_cr() -> ChannelPeakSignalToNoise:
    return ChannelPeakSignalToNoise(2)
