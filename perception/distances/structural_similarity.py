"""Structural similarities, as their libraries compute them: SSIM and MS-SSIM by pytorch-msssim, the
others by piq.

piq's SSIM is the same to the bit and as fast, but where one side is odd it shifts both of them by
half a pixel at each scale of MS-SSIM: 4e-4 at 333 × 255. So pytorch-msssim stays.
"""

from collections.abc import Callable

import pytorch_msssim
from torch import Tensor
from torch.nn import functional

from metamer.perception.distance import Distance
from metamer.perception.optional_imports import import_package

LUMA = (0.299, 0.587, 0.114)  # of gamma-coded sRGB, ITU-R BT.601
SSIM_SIDE = 256  # pixels that SSIM's authors bring the shorter side near to
# HaarPSI divides zero by zero for two black images; this, far below an 8-bit level, avoids it
BLACK = 1e-6


class LibraryDistance(Distance):
    """A library's ``function(image, reference)`` → (N,). Images are clamped to [0, 1], as libraries
    insist; gradients pass.

    rooted: the function takes square roots that can be of 0, where images agree or are flat;
    gradients that are NaN for it are taken as 0 there.
    """

    def __init__(self, function: Callable[[Tensor, Tensor], Tensor], rooted: bool = False):
        super().__init__()
        self.function = function
        self.rooted = rooted

    def space(self, image: Tensor) -> Tensor:
        if not image.requires_grad:
            return image.clamp(BLACK, 1)
        # what lies outside must be able to come back
        image = image.clamp(BLACK, 1).detach() + (image - image.detach())
        if self.rooted:
            image.register_hook(lambda gradient: gradient.nan_to_num(0, 0, 0))
        return image

    def between(self, reference: Tensor, image: Tensor) -> Tensor:
        return self.function(image, reference)


def to_luma(image: Tensor) -> Tensor:
    """(N, 3, H, W) → (N, 1, H, W)."""
    return (image * image.new_tensor(LUMA)[:, None, None]).sum(1, keepdim=True)


def ssim() -> LibraryDistance:
    return LibraryDistance(
        lambda x, y: pytorch_msssim.ssim(x, y, data_range=1.0, size_average=False)
    )


def ssim_luma() -> LibraryDistance:
    """As its authors published it: of luma, averaged over squares of a whole number of pixels and
    thinned out so that the shorter side comes near 256 (Wang et al. 2004; the step is that of their
    ssim.m, whose page asks for it).
    """

    def compare(x: Tensor, y: Tensor) -> Tensor:
        factor = max(1, round(min(x.shape[-2:]) / SSIM_SIDE))
        x, y = (functional.avg_pool2d(to_luma(image), factor) for image in (x, y))
        return pytorch_msssim.ssim(x, y, data_range=1.0, size_average=False)

    return LibraryDistance(compare)


def ms_ssim(luma: bool = False) -> LibraryDistance:
    """luma: of luma alone, as the paper has it, instead of the mean over R, G and B."""
    if luma:
        return LibraryDistance(
            lambda x, y: pytorch_msssim.ms_ssim(
                to_luma(x), to_luma(y), data_range=1.0, size_average=False
            )
        )
    return LibraryDistance(
        lambda x, y: pytorch_msssim.ms_ssim(x, y, data_range=1.0, size_average=False)
    )


def piq_distance(name: str, rooted: bool = False) -> LibraryDistance:
    """piq's metric of that name, with its defaults and no reduction."""
    function = getattr(import_package("piq"), name)
    return LibraryDistance(lambda x, y: function(x, y, data_range=1.0, reduction="none"), rooted)


def haarpsi() -> LibraryDistance:
    return piq_distance("haarpsi")


def vif() -> LibraryDistance:
    return piq_distance("vif_p")


def fsim() -> LibraryDistance:
    return piq_distance("fsim", rooted=True)


def gmsd() -> LibraryDistance:
    return piq_distance("gmsd", rooted=True)


def vsi() -> LibraryDistance:
    return piq_distance("vsi", rooted=True)


def mdsi() -> LibraryDistance:
    return piq_distance("mdsi", rooted=True)
