"""The whole trainable codec: analysis → entropy model → synthesis."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from metamer.codec.grid import STRIDE
from metamer.codec.network.latents import FRACTION
from metamer.train import axes
from metamer.train.networks import lapped
from metamer.train.networks.entropy_model import SCALE_STEP, Coded, EntropyModel, level_weights
from metamer.train.networks.transforms import Analysis, DecoderOptions, Synthesis

PARTS = {  # what a stage trains → the beginnings of its parameters' names
    "entropy": ("",),  # everything, the residual networks left out of the path
    "all": ("",),
    "transforms": ("analysis.", "synthesis.", "entropy.hyper_analysis.", "entropy.log_stretch"),
    "decoder": ("synthesis.",),
}
KEEPING = ("transforms", "decoder")  # what decodes latents stays as it is, so streams do too


@dataclass
class NetworkOptions:
    """Sizes of the networks; the defaults are those of the shipped `base`."""

    # latent channels, coarse to fine
    groups: list[int] = field(default_factory=lambda: [24, 88, 272])
    width: int = 128  # channels of the residual networks at 1/8
    analysis_blocks: int = 6
    synthesis_blocks: int = 6
    hyper_latents: int = 64
    features: int = 64
    context_width: int = 96
    levels: int = 9
    lambda_low: float = 0.0008
    lambda_high: float = 0.3
    # another synthesis than the model's own, for runs that train nothing else
    decoder: DecoderOptions | None = None

    @property
    def synthesis(self) -> DecoderOptions:
        """Sizes of the model's own synthesis, or of the decoder in its place."""
        return self.decoder or DecoderOptions(width=self.width, blocks=self.synthesis_blocks)


@dataclass
class CachedLatents:
    """What files of whole photographs decode to, in windows around crops.

    Attributes:
        sixteenths: (N, h, w, M) int16, sixteenths of a quantiser step.
        bpp: (N,) bits a pixel of the files.
        corners: row and column of each crop in its window, in latent positions.
    """

    sixteenths: Tensor
    bpp: Tensor
    corners: list[tuple[int, int]]

    def cut(self, planes: Tensor, side: int, scale: int = 1) -> Tensor:
        """(N, C, S, S) the crops of planes (N, C, …) that cover the windows with ``scale`` samples
        a position, crops of ``side`` samples.
        """
        return torch.stack(
            [
                plane[:, scale * top : scale * top + side, scale * left : scale * left + side]
                for plane, (top, left) in zip(planes, self.corners, strict=True)
            ]
        )


class Codec(nn.Module):
    """Nonlinear transform coding at any quality level t in [0, K−1]."""

    def __init__(self, options: NetworkOptions):
        super().__init__()
        self.options = options
        latents = sum(options.groups)
        self.analysis = Analysis(latents, options.width, options.analysis_blocks, options.levels)
        self.synthesis = Synthesis(latents, options.synthesis, options.levels)
        self.entropy = EntropyModel(
            options.groups,
            options.levels,
            options.hyper_latents,
            options.features,
            options.context_width,
        )

    def train_only(self, parts: str) -> None:
        """Lets gradients reach what ``parts`` names, of `PARTS`, and nothing else.

        Encoder and decoder are `transforms`: what decodes latents, integer networks and quantiser
        steps, stays as it is.
        """
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(name.startswith(PARTS[parts]))

    def lagrangian(self, level: Tensor) -> Tensor:
        """λ (N,) at quality levels (N,): loss = bpp + λ·255²·MSE."""
        low, high = math.log(self.options.lambda_low), math.log(self.options.lambda_high)
        return torch.exp(low + (high - low) * level / (self.options.levels - 1))

    @torch.no_grad()
    def start_from(self, crops: Tensor) -> None:
        """Sets both transforms to the lapped KLT of ``crops`` (N, 3, S, S) in [0, 1], steps to
        their optimum.

        High-rate theory: for L = bpp + λ·255²·MSE, uniform steps of Δ² = 18 / (ln 2 · λ · 255²).
        """
        turned = axes.turn(crops, axes.affines(crops))
        crossing, basis, deviation = lapped.fit(turned - 0.5, sum(self.options.groups))
        for linear, matrix in ((self.analysis.linear, basis), (self.synthesis.linear, basis.T)):
            linear.crossing.copy_(crossing if linear is self.analysis.linear else crossing.T)
            linear.basis.copy_(matrix)
        for part in (self.analysis, self.synthesis, self.entropy):
            part.deviation.copy_(deviation)
        rows = self.lagrangian(torch.arange(self.options.levels))
        self.entropy.log_step.copy_(
            (0.5 * torch.log(18 / (math.log(2) * rows * 255**2)))[:, None].expand(
                -1, len(deviation)
            )
        )
        # a logistic's scale is √3/π of its deviation; photographs are sparse
        for context in self.entropy.contexts:
            context.scale.bias.fill_((math.log(3**0.5 / math.pi) - 0.7) / SCALE_STEP)

    def noise(self, batch: int, side: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """What `forward` takes for ``batch`` images of (side, side) pixels."""
        return self.entropy.noise(batch, side // STRIDE, side // STRIDE, generator)

    def forward(
        self,
        image: Tensor,
        level: Tensor,
        parts: str,
        proxy: str = "straight_through",
        temperature: float = 0.3,
        noise: tuple[Tensor, Tensor] | None = None,
        texture: Sequence[float] = (),
        affine: Tensor | None = None,
        rdoq_lambda: float = 0.0,
        group_weights: Sequence[float] = (),
        file_bits: bool = False,
        cached: CachedLatents | None = None,
    ) -> tuple[Tensor, Coded]:
        """Reconstruction (N, 3, H, W) of images whose sides are multiples of 16, and what coding
        them costs.

        parts: of `PARTS`. `entropy` leaves both residual networks out (they cost most); with
        `decoder` the latents are rounded, as in a file, and gradients end there. texture: how much
        of `Coded.texture` the synthesis is given besides, for each group of latents. affine: (N, 3,
        4) what colours are turned by, `train.axes`; by default each image's own. rdoq_lambda,
        group_weights, file_bits: of `EntropyModel.forward`. cached: latents to decode in place of
        the image's own; nothing else is computed then.
        """
        weights = level_weights(level, self.options.levels)
        affine = axes.affines(image) if affine is None else affine
        if cached is not None:
            return self._decoded(cached, image.shape[-1], weights, affine)
        image = axes.turn(image, affine)
        asked = rdoq_lambda, group_weights, file_bits, bool(texture)
        if parts == "entropy":
            coded = self.entropy(
                self.analysis.linear(image - 0.5), level, proxy, temperature, noise, *asked
            )
            return axes.restore(self.synthesis.linear(coded.latent) + 0.5, affine), coded
        if parts == "decoder":
            with torch.no_grad():
                coded = self.entropy(
                    self.analysis(image, weights), level, "straight_through", 0.3, noise, *asked
                )
        else:
            coded = self.entropy(
                self.analysis(image, weights), level, proxy, temperature, noise, *asked
            )
        latent = coded.latent
        if texture:
            sizes = torch.tensor(self.options.groups)
            amount = torch.tensor(texture).repeat_interleave(sizes)[:, None, None]
            latent = latent + amount.to(latent) * coded.texture
        return axes.restore(self.synthesis(latent, weights), affine), coded

    def _decoded(
        self, cached: CachedLatents, side: int, weights: Tensor, affine: Tensor
    ) -> tuple[Tensor, Coded]:
        """`forward` of crops of ``side`` pixels whose latents are known."""
        with torch.no_grad(), torch.autocast(weights.device.type, enabled=False):
            step = (weights @ self.entropy.log_steps()).exp() / FRACTION
            latent = cached.sixteenths.permute(0, 3, 1, 2) * step[:, :, None, None]
        image = cached.cut(self.synthesis(latent, weights), side, STRIDE)
        bits = cached.bpp * side**2
        coded = Coded(cached.cut(latent, side // STRIDE), bits, torch.zeros_like(bits))
        return axes.restore(image, affine), coded
