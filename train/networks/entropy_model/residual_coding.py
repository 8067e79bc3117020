"""Latents of every pass quantised, and what they cost."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from metamer.train.networks.entropy_model.checkerboard import checkerboard
from metamer.train.networks.entropy_model.logistic import (
    chosen_residuals,
    logistic_bits,
)

# (centre (N, C, n, 1) in steps, logarithm of the scale, channels, colour of the n positions) →
# latents (N, C, n, 1) in steps
Pass = Callable[[Tensor, Tensor, slice, int], Tensor]


class ResidualCoding:
    """Quantises the latents of every pass, and adds up what they cost.

    Args:
        values: (N, M, h, w) latents, in quantiser steps.
        noise: (N, M, h, w) `dither`.
        groups: Channels decoded together.
        quantise: One of `PROXIES`, with its temperature.
        rdoq_lambdas: (N, M, 1, 1) what `chosen_residuals` takes; None rounds to the nearest.
        file_bits: Whether to count whole residuals too.
    """

    def __init__(
        self,
        values: Tensor,
        noise: Tensor,
        groups: Sequence[int],
        quantise: Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]],
        rdoq_lambdas: Tensor | None,
        file_bits: bool,
    ):
        self.board = checkerboard(*values.shape[-2:], values.device)
        self._columns = [
            [self.board.column(planes, colour).split(groups, 1) for planes in (values, noise)]
            for colour in (0, 1)
        ]
        self._group_of = {sum(groups[:index]): index for index in range(len(groups))}
        self._quantise, self._rdoq_lambdas = quantise, rdoq_lambdas
        self._counts_file = file_bits
        self.bits: list[Tensor] = []
        self.file_bits: list[Tensor] = []

    def __call__(self, centre: Tensor, log_scale: Tensor, span: slice, colour: int) -> Tensor:
        """A `Pass`."""
        value, noise = (groups[self._group_of[span.start]] for groups in self._columns[colour])
        exact = value - centre
        if self._rdoq_lambdas is None:
            residual = exact.detach().round()
        else:
            residual = chosen_residuals(exact, log_scale, self._rdoq_lambdas[:, span])
        for_rate, decoded = self._quantise(value, centre, noise, residual)
        self.bits.append(logistic_bits(for_rate - centre, log_scale).sum((1, 2, 3)))
        if self._counts_file:
            with torch.no_grad():
                self.file_bits.append(logistic_bits(residual, log_scale).sum((1, 2, 3)))
        return decoded
