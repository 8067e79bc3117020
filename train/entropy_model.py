"""The probability model of the latents: hyperprior, multi-pass context, quantiser steps for every quality.

Quality is a level t in [0, K−1]; everything that depends on it is interpolated between K learned rows with the
weights of `level_weights`. Latents reach the context networks divided by their channel's standard deviation, so that
the networks see the same signal at every quality; what the quality changes is the quantiser step, which only shifts
the logarithm of the scale.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from codec.latents import FRACTION, HYPER_STRIDE, KNOWN_SHIFT, MEAN_SHIFT
from codec.model import LIMITS
from train.integer_networks import HIDDEN_ONE, ContextNetwork, HyperSynthesis, round_through, set_quantised
from train.proxies import PROXIES, dither, within_cell

# (centre (N, C, h, w) in steps, logarithm of the scale, channels, where (1, 1, h, w)) → latents (N, C, h, w) in steps
Pass = Callable[[Tensor, Tensor, slice, Tensor], Tensor]

SCALES = 64
SCALE_LOW, SCALE_HIGH = 0.04, 128.0  # logistic scale of the first and last coding table, in quantiser steps
SCALE_STEP = math.log(SCALE_HIGH / SCALE_LOW) / (SCALES - 1)


def level_weights(level: Tensor, levels: int) -> Tensor:
    """Piecewise linear interpolation weights (N, K) of quality levels (N,) in [0, K−1]."""
    return (1 - (level[:, None] - torch.arange(levels, device=level.device)).abs()).clamp_min(0)


def logistic_bits(residual: Tensor, log_scale: Tensor) -> Tensor:
    """−log2 of the probability a zero-mean logistic puts on the unit interval around ``residual``.

    With a, b the interval's ends over the scale, σ(a) − σ(b) = (1 − e^(b−a)) σ(a) σ(−b), which never underflows.
    """
    precision = torch.exp(-log_scale)
    upper, lower = (0.5 - residual) * precision, (0.5 + residual) * precision
    return -(torch.log1p(-torch.exp(-precision)) + F.logsigmoid(upper) + F.logsigmoid(lower)) / math.log(2)


@torch.no_grad()
def chosen_residuals(exact: Tensor, log_scale: Tensor, tradeoff: Tensor) -> Tensor:
    """Whole residuals as `codec.latents.choose_residuals` has them: the nearest, or one closer to zero where that pays.

    tradeoff: bits that a squared step of error is worth, broadcast; 0 for the nearest, always.
    """
    nearest = torch.round(exact)
    if not tradeoff.any():
        return nearest
    closer = nearest - nearest.sign()
    saved = logistic_bits(nearest, log_scale) - logistic_bits(closer, log_scale)
    worse = tradeoff * ((exact - closer).square() - (exact - nearest).square())
    return torch.where(saved > worse, closer, nearest)


def checkerboard(like: Tensor) -> Tensor:
    """Boolean (1, 1, h, w): True where row + column is even, the anchors."""
    height, width = like.shape[-2:]
    rows = torch.arange(height, device=like.device)[:, None] + torch.arange(width, device=like.device)
    return (rows % 2 == 0)[None, None]


class HyperAnalysis(nn.Module):
    """Latents in standard deviations (N, M, h, w) and quality weights to hyper-latents at a quarter of the size."""

    def __init__(self, latents: int, levels: int, width: int, hyper_latents: int):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(latents + levels, width, 1),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, stride=2, padding=1, padding_mode="replicate"),
            nn.ReLU(),
            nn.Conv2d(width, hyper_latents, 3, stride=2, padding=1, padding_mode="replicate"),
        )

    def forward(self, latent: Tensor, weights: Tensor) -> Tensor:
        planes = weights[:, :, None, None].expand(-1, -1, *latent.shape[-2:])
        joined = torch.cat([torch.asinh(latent), planes.to(latent.dtype)], 1)
        height, width = latent.shape[-2:]
        return self.net(F.pad(joined, (0, -width % 4, 0, -height % 4), mode="replicate"))


@dataclass
class Coded:
    """What coding a batch costs and leaves. latent: decoded (N, M, h, w), image units; bits: (N,) each.

    file_bits: of both, everything rounded as in a file; no gradient. Noise costs more: at low rates three times as much.
    texture: like latent, what may have been there where rounding to the prediction left nothing (`proxies.within_cell`).
    """

    latent: Tensor
    bits: Tensor
    hyper_bits: Tensor
    file_bits: Tensor
    texture: Tensor


class EntropyModel(nn.Module):
    """Everything between the analysis and the synthesis.

    groups: channels decoded together, first to last; each takes two passes, anchors and the rest.
    """

    def __init__(self, groups: list[int], levels: int, hyper_latents: int, features: int, width: int):
        super().__init__()
        self.groups, self.levels = list(groups), levels
        latents = sum(groups)
        self.register_buffer("deviation", torch.ones(latents))  # standard deviation of each latent, image units
        self.log_step = nn.Parameter(torch.zeros(levels, latents))  # decoder gain: quantiser step, image units
        self.log_stretch = nn.Parameter(torch.zeros(levels, latents))  # encoder gain times decoder gain
        self.hyper_log_scale = nn.Parameter(torch.zeros(levels, hyper_latents))
        self.hyper_analysis = HyperAnalysis(latents, levels, 128, hyper_latents)
        self.hyper_synthesis = HyperSynthesis(hyper_latents, 128, features)
        self.contexts = nn.ModuleList()
        for index, size in enumerate(groups):
            before = sum(groups[:index])
            for known in (before, before + size):
                self.contexts.append(ContextNetwork(features, levels, known, width, size))
        self.quantised = False

    def log_steps(self) -> Tensor:
        """(K, M) logarithms of the quantiser steps, none so small that a deviation's mean would overflow 32 bits."""
        most = LIMITS["mean_factor"] * ContextNetwork.MEAN_ONE / (FRACTION << MEAN_SHIFT)  # steps a deviation
        return self.log_step.maximum(self.deviation.log() - math.log(most))

    def set_quantised(self, quantised: bool = True) -> None:
        """Rounds what the shipped networks round; gradients pass straight through."""
        self.quantised = quantised
        set_quantised(self, quantised)

    def _whole(self, value: Tensor) -> Tensor:
        return round_through(value) if self.quantised else value

    def noise(self, batch: int, height: int, width: int, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Dither for ``batch`` latents of (height, width) positions and for their hyper-latents."""
        shape = (-(-height // HYPER_STRIDE), -(-width // HYPER_STRIDE))
        latents, hyper_latents = self.log_step.shape[1], self.hyper_log_scale.shape[1]
        return (dither(batch, latents, height, width, generator=generator),
                dither(batch, hyper_latents, *shape, generator=generator))

    def forward(
        self, latent: Tensor, level: Tensor, proxy: str, temperature: float = 0.3, noise: tuple[Tensor, Tensor] | None = None,
        tradeoff: float = 0.0, worth: Sequence[float] = (),
    ) -> Coded:
        """Codes each pass as the decoder will see it.

        latent: (N, M, h, w), image units; level: (N,); noise: what `noise` gives, drawn here if it is not given. tradeoff: bits
        that a squared step is worth where residuals are chosen as the encoder chooses them; 0 rounds to the nearest. worth:
        what it is multiplied by in each group of channels, besides the relative square of the step; all alike if empty.
        """
        quantise = PROXIES[proxy]
        latent_noise, hyper_noise = (part.to(latent.device) for part in noise or self.noise(len(latent), *latent.shape[-2:]))
        weights = level_weights(level, self.levels)
        with torch.autocast(latent.device.type, enabled=False):  # 8 bits of mantissa are too few for a step
            tables = (weights @ table for table in (self.log_steps(), self.log_stretch, self.hyper_log_scale))
            log_step, log_stretch, hyper_log_scale = (table[:, :, None, None] for table in tables)
        step = log_step.exp()
        steps = latent / step * log_stretch.exp()

        hyper = self.hyper_analysis(latent / self.deviation[:, None, None], weights).float()
        hyper_rate, hyper_hard = quantise(hyper, torch.zeros_like(hyper), hyper_noise, temperature, hyper.round())
        hyper_log_scale = hyper_log_scale.clamp_min(math.log(SCALE_LOW))
        hyper_bits = logistic_bits(hyper_rate, hyper_log_scale).sum((1, 2, 3))
        with torch.no_grad():
            file_bits = logistic_bits(torch.round(hyper), hyper_log_scale).sum((1, 2, 3))

        bits, textures = latent.new_zeros(len(latent)), torch.zeros_like(steps)
        tradeoffs = self.tradeoffs(step.detach(), tradeoff, worth)

        def quantised(centre: Tensor, log_scale: Tensor, span: slice, here: Tensor) -> Tensor:
            nonlocal bits, file_bits
            value, noise = steps[:, span], latent_noise[:, span]
            whole = chosen_residuals(value - centre, log_scale, tradeoffs[:, span])
            for_rate, rounded = quantise(value, centre, noise, temperature, whole)
            bits = bits + torch.where(here, logistic_bits(for_rate - centre, log_scale), 0.0).sum((1, 2, 3))
            with torch.no_grad():
                file_bits = file_bits + torch.where(here, logistic_bits(whole, log_scale), 0.0).sum((1, 2, 3))
                nothing = here & (rounded == centre)
                textures[:, span] = torch.where(nothing, within_cell(log_scale.exp(), noise), textures[:, span])
            return rounded

        decoded = self.passes(hyper_hard, step, weights, latent.shape[-2:], quantised)
        return Coded(decoded * step, bits, hyper_bits, file_bits, textures * step.detach())

    def tradeoffs(self, step: Tensor, tradeoff: float, worth: Sequence[float]) -> Tensor:
        """(N, M, 1, 1) for quantiser steps (N, M, 1, 1), as `codec.model.Model.tradeoff` has them."""
        if not worth:
            return torch.full_like(step, tradeoff)
        square = step.square()
        each = torch.tensor(worth, device=step.device).repeat_interleave(torch.tensor(self.groups, device=step.device))
        return tradeoff * each[:, None, None] * square / square.mean(1, keepdim=True)

    def passes(self, hyper: Tensor, step: Tensor, weights: Tensor, size: tuple[int, int], take: Pass) -> Tensor:
        """Decoded latents (N, M, h, w) in quantiser steps, pass by pass, as `codec.latents` has them.

        hyper: (N, Z, h', w') whole hyper-latents; step: (N, M, 1, 1); weights: (N, K) of the quality; size: (h, w). take: what
        a pass decodes to, (N, C, h, w) in steps, where its last argument is True.
        """
        height, width = size
        deviation = self.deviation[:, None, None]
        features = self.hyper_synthesis(hyper)[..., :height, :width]
        planes = self._whole(weights * HIDDEN_ONE)[:, :, None, None].expand(-1, -1, height, width)
        anchors = checkerboard(features)
        to_units = (ContextNetwork.KNOWN_ONE * step / deviation).clamp_max(LIMITS["known_factor"] * FRACTION / 2**KNOWN_SHIFT)
        limit = ContextNetwork.KNOWN_MAX
        log_ratio = deviation.log() - step.log()
        known, decoded, start = [], [], 0
        for index, channels in enumerate(self.groups):
            span = slice(start, start + channels)
            group = features.new_zeros(len(features), channels, height, width, dtype=step.dtype)
            hard = torch.zeros_like(group)
            for parity, here in enumerate((anchors, ~anchors)):
                context = [features, planes, *known, *([group] if parity else [])]
                mean, log_scale = self.contexts[2 * index + parity](torch.cat([c.float() for c in context], 1))
                centre = mean.float() * (deviation[span] / (step[:, span] * ContextNetwork.MEAN_ONE))
                if self.quantised:
                    centre = round_through(centre * FRACTION) / FRACTION
                log_scale = log_scale.float() * (SCALE_STEP / ContextNetwork.SCALE_ONE) + log_ratio[:, span]
                log_scale = log_scale.clamp(math.log(SCALE_LOW), math.log(SCALE_HIGH))
                taken = take(centre, log_scale, span, here)
                hard = torch.where(here, taken, hard)
                units = self._whole(taken * to_units[:, span]).clamp(-limit, limit)
                group = torch.where(here, units, group)
            known.append(group)
            decoded.append(hard)
            start += channels
        return torch.cat(decoded, 1)
