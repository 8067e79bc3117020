"""What critics minimise, and codecs against them: a bound on a divergence each, in terms of V, the
critic's output.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class CriticLoss:
    """critic: (V of photographs, V of decodes) → what the critic minimises; codec: V of decodes →
    what the codec minimises.
    """

    critic: Callable[[Tensor, Tensor], Tensor]
    codec: Callable[[Tensor], Tensor]


def divergence(
    activation: Callable[[Tensor], Tensor], conjugate: Callable[[Tensor], Tensor]
) -> CriticLoss:
    """The variational bound E_p[T] − E_q[f*(T)] ≤ D_f(p‖q), T = g_f(V), and for the codec to raise
    T, which does not saturate.

    Nowozin, Cseke & Tomioka, "f-GAN", NeurIPS 2016: equation 4, activations g_f of table 2, section
    3.2.
    """
    return CriticLoss(
        lambda real, fake: conjugate(activation(fake)).mean() - activation(real).mean(),
        lambda fake: -activation(fake).mean((1, 2, 3)),
    )


LOSSES = {
    "non-saturating": CriticLoss(  # Goodfellow et al., NeurIPS 2014
        lambda real, fake: F.softplus(-real).mean() + F.softplus(fake).mean(),
        lambda fake: F.softplus(-fake).mean((1, 2, 3)),
    ),
    "least-squares": CriticLoss(  # Mao et al., ICCV 2017
        lambda real, fake: ((real - 1).square().mean() + fake.square().mean()) / 2,
        lambda fake: (fake - 1).square().mean((1, 2, 3)) / 2,
    ),
    "kl": divergence(lambda v: v, lambda t: torch.exp(t - 1)),
    "reverse-kl": divergence(lambda v: -torch.exp(-v), lambda t: -1 - torch.log(-t)),
    "jensen-shannon": divergence(
        lambda v: math.log(2) - F.softplus(-v), lambda t: -torch.log(2 - torch.exp(t))
    ),
    "pearson": divergence(lambda v: v, lambda t: t.square() / 4 + t),
}
