"""How weights are stepped: at what rate, in what precision."""

import math

import torch

from metamer.train.networks.interface import Network
from metamer.train.recipe.options import Recipe


def uses_bf16(precision: str) -> bool:
    """`auto`: on GPUs and processors that multiply bf16 natively."""
    if precision != "auto":
        return precision == "bf16-mixed"
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_avx512_bf16_supported()


def optimiser_of(network: Network, recipe: Recipe) -> torch.optim.Optimizer:
    """Adam, or with a slow momentum AdEMAMix, over the parameter groups of ``network``."""
    groups = network.parameter_groups(recipe)
    if not recipe.slow_momentum:
        return torch.optim.Adam(groups, fused=True)
    # takes half as long to import as torch
    from pytorch_optimizer import AdEMAMix

    betas = (0.9, 0.999, recipe.slow_momentum_decay)
    return AdEMAMix(groups, betas=betas, alpha=recipe.slow_momentum)


def learning_rate(phase, step: int) -> float:
    """Linear warm-up, then a cosine from the peak to ``final_learning_rate_share`` times the peak.

    phase: has ``learning_rate``, ``warmup_steps``, that share and ``steps``; step counts from 0
    in it.
    """
    if step < phase.warmup_steps:
        return phase.learning_rate * (step + 1) / phase.warmup_steps
    progress = (step - phase.warmup_steps) / max(1, phase.steps - phase.warmup_steps)
    final = phase.final_learning_rate_share
    return phase.learning_rate * (final + (1 - final) * 0.5 * (1 + math.cos(math.pi * progress)))
