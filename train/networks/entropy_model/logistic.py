"""What a residual costs under a zero-mean logistic, and which residual is worth its bits."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

SCALES = 64
# logistic scale of the first and last coding table, in quantiser steps
SCALE_LOW, SCALE_HIGH = 0.04, 128.0
SCALE_STEP = math.log(SCALE_HIGH / SCALE_LOW) / (SCALES - 1)


class LogisticBits(torch.autograd.Function):
    """`logistic_bits` with its gradients in closed form: a third of the passes over memory that
    autograd would make.
    """

    @staticmethod
    def forward(ctx, residual: Tensor, log_scale: Tensor) -> Tensor:
        precision = torch.exp(-log_scale)
        upper, lower = (0.5 - residual) * precision, (0.5 + residual) * precision
        if any(ctx.needs_input_grad):
            above, below = torch.sigmoid(-upper), torch.sigmoid(-lower)
            by_residual = (above - below).mul_(precision).div_(math.log(2))
            by_scale = (
                (precision / torch.expm1(precision))
                .addcmul_(upper, above)
                .addcmul_(lower, below)
                .div_(math.log(2))
            )
            ctx.save_for_backward(by_residual, by_scale)
        inside = torch.log1p(-torch.exp(-precision))
        return inside.add_(F.logsigmoid(upper)).add_(F.logsigmoid(lower)).div_(-math.log(2))

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor]:
        by_residual, by_scale = ctx.saved_tensors
        return gradient * by_residual, gradient * by_scale


def logistic_bits(residual: Tensor, log_scale: Tensor) -> Tensor:
    """−log2 of the probability a zero-mean logistic puts on the unit interval around ``residual``.

    With a, b the interval's ends over the scale, σ(a) − σ(b) = (1 − e^(b−a)) σ(a) σ(−b), which
    never underflows.
    """
    return LogisticBits.apply(*torch.broadcast_tensors(residual, log_scale))


@torch.no_grad()
def chosen_residuals(exact: Tensor, log_scale: Tensor, rdoq_lambda: Tensor) -> Tensor:
    """Whole residuals as `codec.network.rdoq.choose_residuals` has them: the nearest, or one
    closer to zero where that pays.

    rdoq_lambda: bits that a squared step of error is worth, positive, broadcast. Of the two
    numbers' bits most terms cancel: for k ≥ 1, bits(k) − bits(k − 1) is ln σ((1.5 − k)/s) − ln
    σ((0.5 + k)/s) + (k − 0.5)/s over ln 2.
    """
    nearest = torch.round(exact)
    sign, size, precision = nearest.sign(), nearest.abs(), torch.exp(-log_scale)
    saved = F.logsigmoid((1.5 - size) * precision).sub_(F.logsigmoid((0.5 + size) * precision))
    saved.add_((size - 0.5).mul_(precision)).div_(math.log(2))
    added = (exact - nearest).mul_(sign).mul_(2).add_(1).mul_(rdoq_lambda)
    return nearest.sub_(sign.mul_(saved > added))
