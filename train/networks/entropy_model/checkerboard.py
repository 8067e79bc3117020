"""The two halves of a lattice of latents, which are decoded one after the other."""

from functools import lru_cache

import torch
from torch import Tensor


class Checkerboard:
    """The positions of an (h, w) lattice by colour: 0 where row + column is even, the anchors, and
    1.

    `column` and `lattice` go from (N, C, h, w) to the positions of one colour, (N, C, n, 1) in
    raster order, and back.
    """

    def __init__(self, height: int, width: int, device: torch.device):
        self.size = height, width
        colours = (
            torch.arange(height, device=device)[:, None] + torch.arange(width, device=device)
        ).flatten() % 2
        self.positions = tuple((colours == colour).nonzero()[:, 0] for colour in (0, 1))
        self._places = torch.cat(self.positions).argsort()

    def column(self, planes: Tensor, colour: int) -> Tensor:
        flat = planes.permute(0, 2, 3, 1).flatten(1, 2)
        return flat.index_select(1, self.positions[colour]).transpose(1, 2)[..., None]

    def lattice(self, *columns: Tensor) -> Tensor:
        """Planes of the columns of the first colour or of both; zero where nothing is given."""
        second = (
            columns[0].new_zeros(*columns[0].shape[:2], len(self.positions[1]), 1)
            if len(columns) == 1
            else columns[1]
        )
        flat = torch.cat([column[..., 0].transpose(1, 2) for column in (columns[0], second)], 1)
        return flat.index_select(1, self._places).unflatten(1, self.size).permute(0, 3, 1, 2)


@lru_cache(maxsize=16)
def checkerboard(height: int, width: int, device: torch.device) -> Checkerboard:
    return Checkerboard(height, width, device)
