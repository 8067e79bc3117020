"""Metamer's own network: analysis → entropy model → synthesis."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from metamer.codec.grid import STRIDE
from metamer.codec.network.passes import FRACTION
from metamer.train import colour_axes
from metamer.train.networks.cached_latents import CachedLatents
from metamer.train.networks.entropy_model.logistic import SCALE_STEP
from metamer.train.networks.entropy_model.model import Coded, EntropyModel
from metamer.train.networks.interface import Network, Reconstruction
from metamer.train.networks.levels import level_weights
from metamer.train.networks.transforms import lapped
from metamer.train.networks.transforms.analysis import Analysis
from metamer.train.networks.transforms.bands import BandedSynthesis
from metamer.train.networks.transforms.synthesis import DecoderOptions, drawn_noise
from metamer.train.recipe.fields import Count, Natural, Positive, documented
from metamer.train.recipe.options import Recipe, Stage

BASIS = 3 * lapped.BLOCK**2  # a block has no more dimensions than that
KEEPING = ("transforms", "decoder")  # what decodes latents stays as it is, so streams do too


@documented
@dataclass
class NetworkOptions:
    """Sizes of Metamer's own network. The defaults are those of the shipped `base`."""

    architecture: str = "metamer"
    """`metamer`."""
    groups: Annotated[list[Count], Field(min_length=1)] = field(
        default_factory=lambda: [24, 88, 272]
    )
    """Latent channels that are decoded together, from the coarsest group to the finest."""
    width: Count = 128
    """Channels of the residual networks at 1/8 of the resolution."""
    analysis_blocks: Natural = 6
    """Residual blocks of the analysis."""
    synthesis_blocks: Natural = 6
    """Residual blocks of the synthesis."""
    synthesis_bands: Count = 1
    """Syntheses, each for an equal share of the qualities."""
    hyper_latents: Count = 64
    """Channels of the hyper-latents."""
    features: Count = 64
    """Channels that the hyper-synthesis gives to the context networks."""
    context_width: Count = 96
    """Hidden channels of the context networks."""
    levels: Annotated[int, Field(strict=True, ge=2)] = 9
    """Quality levels K that have parameters of their own; others are interpolated."""
    lambda_low: Positive = 0.0008
    """λ of the lowest level, in bits a pixel for a squared error of 1 in 255."""
    lambda_high: Positive = 0.3
    """λ of the highest; between them it grows exponentially."""
    decoder: DecoderOptions | None = None
    """Sizes of another synthesis than the model's own, for runs that train nothing else."""

    @property
    def synthesis(self) -> DecoderOptions:
        """Sizes of the model's own synthesis, or of the decoder in its place."""
        return self.decoder or DecoderOptions(
            width=self.width, blocks=self.synthesis_blocks, bands=self.synthesis_bands
        )

    def __post_init__(self) -> None:
        if sum(self.groups) > BASIS:
            raise ValueError(f"groups: channel counts with a sum of at most {BASIS} are needed")
        if self.lambda_low >= self.lambda_high:
            raise ValueError("lambda_low < lambda_high is needed")


class Codec(Network):
    """Nonlinear transform coding at any quality level t in [0, K−1]."""

    Options = NetworkOptions
    parts = {  # noqa: RUF012
        "entropy": ("",),  # everything, the residual networks left out of the path
        "all": ("",),
        "transforms": ("analysis.", "synthesis.", "entropy.hyper_analysis.", "entropy.log_stretch"),
        "decoder": ("synthesis.",),
    }
    keeps_streams = KEEPING
    settings = frozenset(
        {
            "proxy",
            "proxy_temperature",
            "rdoq_lambda",
            "rdoq_group_weights",
            "integer_networks",
        }
    )
    multiple = STRIDE
    has_curve = starts_from_photographs = True

    def __init__(self, options: NetworkOptions):
        super().__init__(options)
        self.latent_channels = latents = sum(options.groups)
        self.analysis = Analysis(latents, options.width, options.analysis_blocks, options.levels)
        self.synthesis = BandedSynthesis(latents, options.synthesis, options.levels)
        self.entropy = EntropyModel(
            options.groups,
            options.levels,
            options.hyper_latents,
            options.features,
            options.context_width,
        )

    @classmethod
    def check_stage(cls, options: NetworkOptions, stage: Stage) -> None:
        groups = len(options.groups)
        if stage.rdoq_group_weights and len(stage.rdoq_group_weights) != groups:
            raise ValueError(f"rdoq_group_weights: {groups} numbers, one for each group of latents")

    def enter(self, stage: Stage) -> None:
        super().enter(stage)
        self.entropy.set_quantised(stage.integer_networks or stage.parts in KEEPING)

    def parameter_groups(self, recipe: Recipe) -> list[dict]:
        """The linear transforms start at their optimum and move slowly; all else at full rate."""
        linear = [
            parameter
            for part in (self.analysis, *self.synthesis.bands)
            for parameter in part.linear.parameters()
        ]
        chosen = {id(parameter) for parameter in linear}
        rest = [parameter for parameter in self.parameters() if id(parameter) not in chosen]
        share = recipe.linear_learning_rate_share
        return [{"params": rest, "share": 1.0}, {"params": linear, "share": share}]

    def lagrangian(self, level: Tensor) -> Tensor:
        """λ (N,) at quality levels (N,): loss = bpp + λ·255²·MSE."""
        low, high = math.log(self.options.lambda_low), math.log(self.options.lambda_high)
        return torch.exp(low + (high - low) * level / (self.options.levels - 1))

    def level_at(self, multiplier: Tensor) -> Tensor:
        """The inverse of `lagrangian`: levels (N,) of λ (N,), the nearest beyond the ends."""
        levels, low = self.options.levels, math.log(self.options.lambda_low)
        high = math.log(self.options.lambda_high)
        return ((multiplier.log() - low) / (high - low)).clamp(0, 1) * (levels - 1)

    @torch.no_grad()
    def start_from(self, crops: Tensor) -> None:
        """Sets both transforms to the lapped KLT of ``crops`` (N, 3, S, S) in [0, 1], steps to
        their optimum.

        High-rate theory: for L = bpp + λ·255²·MSE, uniform steps of Δ² = 18 / (ln 2 · λ · 255²).
        """
        turned = colour_axes.turn(crops, colour_axes.affines(crops))
        crossing, basis, deviation = lapped.fit(turned - 0.5, sum(self.options.groups))
        self.analysis.linear.crossing.copy_(crossing)
        self.analysis.linear.basis.copy_(basis)
        for part in (self.analysis, self.entropy):
            part.deviation.copy_(deviation)
        rows = self.lagrangian(torch.arange(self.options.levels))
        self.entropy.log_step.copy_(
            (0.5 * torch.log(18 / (math.log(2) * rows * 255**2)))[:, None].expand(
                -1, len(deviation)
            )
        )
        for synthesis in self.synthesis.bands:
            synthesis.linear.crossing.copy_(crossing.T)
            synthesis.linear.basis.copy_(basis.T)
            companding = synthesis.companding
            companding.log_scale.copy_(deviation.log().expand_as(companding.log_scale))
            companding.widen(self.entropy.log_step.exp(), keep=False)
        # a logistic's scale is √3/π of its deviation; photographs are sparse
        for context in self.entropy.contexts:
            context.scale.bias.fill_((math.log(3**0.5 / math.pi) - 0.7) / SCALE_STEP)

    def noise(self, batch: int, side: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        """What `forward` takes for ``batch`` images of (side, side) pixels: dither for the entropy
        model, and for a synthesis that is given noise such as it is given when decoding, drawn anew
        for each image.
        """
        positions, channels = side // STRIDE, self.options.synthesis.noise
        dither = self.entropy.noise(batch, positions, positions, generator)
        if not channels:
            return dither
        return *dither, drawn_noise(batch, positions, channels, generator)

    def forward(
        self,
        image: Tensor,
        level: Tensor,
        stage: Stage,
        noise: Sequence[Tensor] | None = None,
        affine: Tensor | None = None,
        file_bits: bool = False,
        cached: CachedLatents | None = None,
    ) -> Reconstruction:
        """As `Network.forward` has it; affine is each image's own where it is not given.

        cached: latents to decode in place of the image's own; nothing else is computed then.

        Parts `entropy` leave both residual networks out (they cost most); with `decoder` the
        latents are rounded, as in a file, and gradients end there.
        """
        weights = level_weights(level, self.options.levels)
        affine = colour_axes.affines(image) if affine is None else affine
        noise = noise or ()
        if cached is not None:
            return self._decoded(cached, image.shape[-1], weights, affine)
        image = colour_axes.turn(image, affine)
        if stage.parts == "entropy":
            coded = self.coded(self.analysis.linear(image - 0.5), level, stage, noise, file_bits)
            decoded = self.synthesis.linear(coded.latent, weights) + 0.5
        else:
            with torch.set_grad_enabled(torch.is_grad_enabled() and stage.parts != "decoder"):
                latent = self.analysis(image, weights)
                coded = self.coded(latent, level, stage, noise, file_bits)
            decoded = self.synthesis(coded.latent, weights, noise[2] if noise[2:] else None)
        return Reconstruction(
            colour_axes.restore(decoded, affine),
            coded.bits + coded.hyper_bits,
            coded.latent / self.entropy.deviation[:, None, None],
            coded.file_bits,
        )

    def coded(
        self,
        latent: Tensor,
        level: Tensor,
        stage: Stage,
        noise: Sequence[Tensor],
        file_bits: bool,
    ) -> Coded:
        """What the entropy model makes of latents (N, M, h, w)."""
        rounded = stage.parts == "decoder"
        return self.entropy(
            latent,
            level,
            "straight_through" if rounded else stage.proxy,
            stage.proxy_temperature,
            noise[:2],
            stage.rdoq_lambda,
            stage.rdoq_group_weights,
            file_bits,
        )

    def _decoded(
        self, cached: CachedLatents, side: int, weights: Tensor, affine: Tensor
    ) -> Reconstruction:
        """`forward` of crops of ``side`` pixels whose latents are known."""
        with torch.no_grad(), torch.autocast(weights.device.type, enabled=False):
            step = (weights @ self.entropy.log_steps()).exp() / FRACTION
            latent = cached.sixteenths.permute(0, 3, 1, 2) * step[:, :, None, None]
        image = cached.cut(self.synthesis(latent, weights), side, STRIDE)
        inside = cached.cut(latent, side // STRIDE)
        return Reconstruction(
            colour_axes.restore(image, affine),
            cached.bpp * side**2,
            inside / self.entropy.deviation[:, None, None],
        )
