"""Structural similarities, as their libraries compute them: SSIM and MS-SSIM by pytorch-msssim, the others by piq."""

from collections.abc import Callable

import pytorch_msssim
from torch import Tensor

from perception.distance import Distance
from perception.packages import load


class Library(Distance):
    """A library's ``function(image, reference)`` → (N,). Images are clamped to [0, 1], on which libraries insist."""

    black = 1e-6  # HaarPSI divides zero by zero for two black images, less than any 8-bit level avoids it

    def __init__(self, function: Callable[[Tensor, Tensor], Tensor]):
        super().__init__()
        self.function = function

    def space(self, image: Tensor) -> Tensor:
        if image.requires_grad:
            image = image.clone()
            image.register_hook(lambda gradient: gradient.nan_to_num(0, 0, 0))  # roots at 0, where images agree or are flat
        return image.clamp(self.black, 1)

    def between(self, reference: Tensor, image: Tensor) -> Tensor:
        return self.function(image, reference)


def ssim() -> Library:
    return Library(lambda x, y: pytorch_msssim.ssim(x, y, data_range=1.0, size_average=False))


def ms_ssim() -> Library:
    return Library(lambda x, y: pytorch_msssim.ms_ssim(x, y, data_range=1.0, size_average=False))


def of_piq(name: str) -> Library:
    """piq's metric of that name, with its defaults and no reduction."""
    function = getattr(load("piq"), name)
    return Library(lambda x, y: function(x, y, data_range=1.0, reduction="none"))


def haarpsi() -> Library:
    return of_piq("haarpsi")


def vif() -> Library:
    return of_piq("vif_p")


def fsim() -> Library:
    return of_piq("fsim")


def gmsd() -> Library:
    return of_piq("gmsd")


def vsi() -> Library:
    return of_piq("vsi")


def mdsi() -> Library:
    return of_piq("mdsi")
