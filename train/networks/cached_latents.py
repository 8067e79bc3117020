"""What files of whole photographs decode to, cut to the crops of a batch."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class CachedLatents:
    """What files of whole photographs decode to, in windows around crops.

    Attributes:
        sixteenths: (N, h, w, M) int16, sixteenths of a quantiser step.
        bpp: (N,) bits a pixel of the files.
        corners: row and column of each crop in its window, in latent positions.
    """

    sixteenths: Tensor
    bpp: Tensor
    corners: list[tuple[int, int]]

    def part(self, which: slice) -> "CachedLatents":
        """Those of some of the samples."""
        return CachedLatents(self.sixteenths[which], self.bpp[which], self.corners[which])

    def cut(self, planes: Tensor, side: int, scale: int = 1) -> Tensor:
        """(N, C, S, S) the crops of planes (N, C, …) that cover the windows with ``scale`` samples
        a position, crops of ``side`` samples.
        """
        return torch.stack(
            [
                plane[:, scale * top : scale * top + side, scale * left : scale * left + side]
                for plane, (top, left) in zip(planes, self.corners, strict=True)
            ]
        )
