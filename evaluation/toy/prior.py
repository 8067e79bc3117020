"""A learned density for every latent on its own."""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class FactorisedPrior(nn.Module):
    """Non-parametric cumulative distributions, one a latent (Ballé et al., ICLR 2018, appendix
    6.1).

    widths: of the hidden layers; scale: about how far the distributions reach at the start.
    """

    def __init__(self, latents: int, widths: tuple[int, ...] = (3, 3, 3), scale: float = 10.0):
        super().__init__()
        sizes = (1, *widths, 1)
        gain = scale ** (-1 / (len(sizes) - 1))
        self.matrices = nn.ParameterList(
            nn.Parameter(torch.full((latents, out, into), math.log(math.expm1(gain / out))))
            for into, out in pairwise(sizes)
        )
        self.biases = nn.ParameterList(
            nn.Parameter(torch.rand(latents, out, 1) - 0.5) for out in sizes[1:]
        )
        self.bends = nn.ParameterList(nn.Parameter(torch.zeros(latents, out, 1)) for out in widths)

    def logits(self, value: Tensor) -> Tensor:
        """Of the cumulative distributions at (latents, N): rising in every latent."""
        carried = value[:, None]
        for layer, (matrix, bias) in enumerate(zip(self.matrices, self.biases, strict=True)):
            carried = torch.baddbmm(bias, F.softplus(matrix), carried)
            if layer < len(self.bends):
                carried = carried + torch.tanh(self.bends[layer]) * torch.tanh(carried)
        return carried[:, 0]

    def bits(self, latents: Tensor) -> Tensor:
        """−log2 of the probability (N,) of the unit intervals around latents (N, latents).

        On whole numbers the intervals meet, so that the probabilities add up to one and the bits
        are ideal code lengths.
        """
        value = latents.T
        low, high = self.logits(torch.cat([value - 0.5, value + 0.5], 1)).chunk(2, 1)
        # σ(b) − σ(a) = (1 − e^(a−b)) σ(b) σ(−a)
        gap = torch.log1p(-torch.exp((low - high).clamp_max(-1e-6)))
        return -(gap + F.logsigmoid(high) + F.logsigmoid(-low)).sum(0) / math.log(2)
