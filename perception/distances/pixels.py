"""Squared error of pixels, and the peak signal-to-noise ratio."""

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
