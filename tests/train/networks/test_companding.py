"""What the synthesis' residual network sees of latents."""

import torch

from metamer.train.networks.transforms.layers import Companding
from metamer.train.networks.transforms.synthesis import DecoderOptions

LATENTS, LEVELS = 6, 3
SIZES = DecoderOptions(width=8, blocks=1)


def draw_steps(generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """(M,) deviations and (K, M) steps, some twenty times as wide."""
    deviation = 0.1 + torch.rand(LATENTS, generator=generator)
    return deviation, deviation * torch.logspace(-1, 1.3, LEVELS)[:, None]


def test_widening_keeps_what_nothing_and_a_step_give():
    deviation, step = draw_steps(torch.Generator().manual_seed(0))
    companding = Companding(LEVELS, LATENTS)
    companding.log_scale.copy_(deviation.log().expand(LEVELS, -1))
    for level in range(LEVELS):
        weights = torch.eye(LEVELS)[level : level + 1]
        latent = torch.stack([0 * step[level], step[level], -step[level]], -1)[None, ..., None]
        before = companding(latent, weights)
        torch.testing.assert_close(before[0, :, 1, 0], torch.asinh(step[level] / deviation))
        wider = Companding(LEVELS, LATENTS)
        wider.load_state_dict(companding.state_dict())
        wider.widen(step)
        torch.testing.assert_close(wider(latent, weights), before)
        tiny = latent * 1e-4
        slope = (wider(tiny, weights) / companding(tiny, weights))[0, :, 1, 0]
        assert (slope < 1).all()
        if level == LEVELS - 1:  # steps of twenty deviations
            assert (slope < 0.25).all()
