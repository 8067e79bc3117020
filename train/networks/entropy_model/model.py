"""The probability model of the latents: hyperprior, multi-pass context, quantiser steps for every
quality.

Quality is a level t in [0, K−1]; everything that depends on it is interpolated between K learned
rows with the weights of `level_weights`. Latents reach the context networks divided by their
channel's standard deviation, so that the networks see the same signal at every quality; what the
quality changes is the quantiser step, which only shifts the logarithm of the scale.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from metamer.codec.grid import HYPER_STRIDE
from metamer.codec.network.files.arrays import LIMITS
from metamer.codec.network.passes import CONTEXT_SHIFT, FRACTION, MEAN_SHIFT
from metamer.train.networks.entropy_model.checkerboard import checkerboard
from metamer.train.networks.entropy_model.integer_networks import (
    HIDDEN_ONE,
    ContextNetwork,
    HyperSynthesis,
    round_through,
    set_quantised,
)
from metamer.train.networks.entropy_model.logistic import (
    SCALE_HIGH,
    SCALE_LOW,
    SCALE_STEP,
    logistic_bits,
)
from metamer.train.networks.entropy_model.proxies import PROXIES, dither
from metamer.train.networks.entropy_model.residual_coding import Pass, ResidualCoding
from metamer.train.networks.levels import level_weights
from metamer.train.networks.transforms.layers import asinh


class HyperAnalysis(nn.Module):
    """Latents in standard deviations (N, M, h, w) and quality weights to hyper-latents at a quarter
    of the size.
    """

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
        joined = torch.cat([asinh(latent), planes.to(latent.dtype)], 1)
        height, width = latent.shape[-2:]
        return self.net(F.pad(joined, (0, -width % 4, 0, -height % 4), mode="replicate"))


@dataclass
class Coded:
    """What coding a batch costs and leaves. latent: decoded (N, M, h, w), image units; bits: (N,)
    each.

    Only if they were asked for: file_bits, of both, everything rounded as in a file, without
    gradient (noise costs more: at low rates three times as much).
    """

    latent: Tensor
    bits: Tensor
    hyper_bits: Tensor
    file_bits: Tensor | None = None


class EntropyModel(nn.Module):
    """Everything between the analysis and the synthesis.

    groups: channels decoded together, first to last; each takes two passes, anchors and the rest.
    """

    def __init__(
        self, groups: list[int], levels: int, hyper_latents: int, features: int, width: int
    ):
        super().__init__()
        self.groups, self.levels = list(groups), levels
        self.starts = [sum(groups[:index]) for index in range(len(groups))]
        latents = sum(groups)
        # standard deviation of each latent, image units
        self.register_buffer("deviation", torch.ones(latents))
        # decoder gain: quantiser step, image units
        self.log_step = nn.Parameter(torch.zeros(levels, latents))
        # encoder gain times decoder gain
        self.log_stretch = nn.Parameter(torch.zeros(levels, latents))
        self.hyper_log_scale = nn.Parameter(torch.zeros(levels, hyper_latents))
        self.hyper_analysis = HyperAnalysis(latents, levels, 128, hyper_latents)
        self.hyper_synthesis = HyperSynthesis(hyper_latents, 128, features)
        self.contexts = nn.ModuleList()
        for index, size in enumerate(groups):
            before = sum(groups[:index])
            for decoded_channels in (before, before + size):
                self.contexts.append(
                    ContextNetwork(features, levels, decoded_channels, width, size)
                )
        self.quantised = False

    def log_steps(self) -> Tensor:
        """(K, M) logarithms of the quantiser steps, none so small that a deviation's mean would
        overflow 32 bits.
        """
        # steps a deviation
        largest_factor = LIMITS["mean_factor"] * ContextNetwork.MEAN_ONE / (FRACTION << MEAN_SHIFT)
        return self.log_step.maximum(self.deviation.log() - math.log(largest_factor))

    def set_quantised(self, quantised: bool = True) -> None:
        """Rounds what the shipped networks round; gradients pass straight through."""
        self.quantised = quantised
        set_quantised(self, quantised)

    def _whole(self, value: Tensor) -> Tensor:
        return round_through(value) if self.quantised else value

    def noise(
        self, batch: int, height: int, width: int, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """Dither for ``batch`` latents of (height, width) positions and for their hyper-latents."""
        shape = (-(-height // HYPER_STRIDE), -(-width // HYPER_STRIDE))
        latents, hyper_latents = self.log_step.shape[1], self.hyper_log_scale.shape[1]
        return (
            dither(batch, latents, height, width, generator=generator),
            dither(batch, hyper_latents, *shape, generator=generator),
        )

    def forward(
        self,
        latent: Tensor,
        level: Tensor,
        proxy: str,
        temperature: float = 0.3,
        noise: Sequence[Tensor] | None = None,
        rdoq_lambda: float = 0.0,
        group_weights: Sequence[float] = (),
        file_bits: bool = False,
    ) -> Coded:
        """Codes each pass as the decoder will see it.

        latent: (N, M, h, w), image units; level: (N,); noise: what `noise` gives, drawn here if it
        is not given. rdoq_lambda: bits that a squared step is worth where residuals are chosen as
        the encoder chooses them; 0 rounds to the nearest. group_weights: what it is multiplied by
        in each group of channels, besides the relative square of the step; all alike if empty.
        file_bits: whether `Coded` shall have them.
        """
        quantise = PROXIES[proxy]
        latent_noise, hyper_noise = (
            part.to(latent.device) for part in noise or self.noise(len(latent), *latent.shape[-2:])
        )
        weights = level_weights(level, self.levels)
        # 8 bits of mantissa are too few for a step
        with torch.autocast(latent.device.type, enabled=False):
            tables = (
                weights @ table
                for table in (self.log_steps(), self.log_stretch, self.hyper_log_scale)
            )
            log_step, log_stretch, hyper_log_scale = (table[:, :, None, None] for table in tables)
        step = log_step.exp()

        hyper = self.hyper_analysis(latent / self.deviation[:, None, None], weights).float()
        hyper_for_rate, hyper_decoded = quantise(
            hyper, torch.zeros_like(hyper), hyper_noise, temperature, hyper.round()
        )
        hyper_log_scale = hyper_log_scale.clamp_min(math.log(SCALE_LOW))
        hyper_bits = logistic_bits(hyper_for_rate, hyper_log_scale).sum((1, 2, 3))

        coding = ResidualCoding(
            latent * (log_stretch - log_step).exp(),
            latent_noise,
            self.groups,
            lambda *values: quantise(*values[:3], temperature, values[3]),
            self.rdoq_lambdas(step.detach(), rdoq_lambda, group_weights) if rdoq_lambda else None,
            file_bits,
        )
        decoded = self.passes(hyper_decoded, step, weights, latent.shape[-2:], coding)
        coded = Coded(decoded * step, sum(coding.bits), hyper_bits)
        if file_bits:
            hyper_file_bits = (
                logistic_bits(torch.round(hyper), hyper_log_scale).detach().sum((1, 2, 3))
            )
            coded.file_bits = sum(coding.file_bits, hyper_file_bits)
        return coded

    def rdoq_lambdas(
        self, step: Tensor, rdoq_lambda: float, group_weights: Sequence[float]
    ) -> Tensor:
        """(N, M, 1, 1) for quantiser steps (N, M, 1, 1), as `codec.network.model.Model.rdoq_lambda`
        has them.
        """
        if not group_weights:
            return torch.full_like(step, rdoq_lambda)
        square = step.square()
        weights = [
            weight
            for weight, channels in zip(group_weights, self.groups, strict=True)
            for _ in range(channels)
        ]
        return (
            rdoq_lambda
            * step.new_tensor(weights)[:, None, None]
            * square
            / square.mean(1, keepdim=True)
        )

    def passes(
        self, hyper: Tensor, step: Tensor, weights: Tensor, size: tuple[int, int], take: Pass
    ) -> Tensor:
        """Decoded latents (N, M, h, w) in quantiser steps, pass by pass, as `codec.network.latents`
        has them.

        hyper: (N, Z, h', w') whole hyper-latents; step: (N, M, 1, 1); weights: (N, K) of the
        quality; size: (h, w). take: what the positions of a pass decode to, (N, C, n, 1) in steps;
        it is given the mean that they are coded around, the logarithm of the scale, the channels
        and the colour of the positions.
        """
        height, width = size
        deviation = self.deviation[:, None, None]
        features = self.hyper_synthesis(hyper)[..., :height, :width]
        planes = self._whole(weights * HIDDEN_ONE)[:, :, None, None].expand(-1, -1, height, width)
        board = checkerboard(height, width, features.device)
        to_units = (ContextNetwork.DECODED_ONE * step / deviation).clamp_max(
            LIMITS["known_factor"] * FRACTION / 2**CONTEXT_SHIFT
        )
        to_steps = deviation / (step * ContextNetwork.MEAN_ONE)
        limit = ContextNetwork.DECODED_MAX
        log_ratio = deviation.log() - step.log()
        context = torch.cat([features.float(), planes.float()], 1)
        decoded = []
        for index, (start, channels) in enumerate(zip(self.starts, self.groups, strict=True)):
            span = slice(start, start + channels)
            columns, units = [], []
            for colour in (0, 1):
                inputs = torch.cat([context, board.lattice(*units)], 1) if colour else context
                mean, log_scale = self.contexts[2 * index + colour](
                    inputs, partial(board.column, colour=colour)
                )
                centre = mean.float() * to_steps[:, span]
                if self.quantised:
                    centre = round_through(centre * FRACTION) / FRACTION
                log_scale = (
                    log_scale.float() * (SCALE_STEP / ContextNetwork.SCALE_ONE) + log_ratio[:, span]
                )
                log_scale = log_scale.clamp(math.log(SCALE_LOW), math.log(SCALE_HIGH))
                columns.append(take(centre, log_scale, span, colour))
                units.append(self._whole(columns[-1] * to_units[:, span]).clamp(-limit, limit))
            context = torch.cat([context, board.lattice(*units)], 1)
            decoded.append(board.lattice(*columns))
        return torch.cat(decoded, 1)
