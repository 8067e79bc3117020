"""A network and a distance of one's own, which `metamer train` knows once this is installed.

    network: {architecture: own, width: 32}
    distortion: {mse: 0.5, charbonnier: 0.5}
    stages: [{name: joint, steps: 2000, batch: 8, crop: 128}]

The network is the least that codes: strided convolutions, a quantiser step for every quality level,
a logistic of one scale a channel as the entropy model. Levels, proxies for rounding, averaged
weights, critic, rate control, resuming and several processes come from Metamer.
"""

from dataclasses import dataclass

import torch
from metamer.perception import Metric
from metamer.perception.distance import Distance
from metamer.train.recipe.fields import Count, documented
from metamer.train.networks.levels import level_weights
from metamer.train.networks.entropy_model.logistic import logistic_bits
from metamer.train.networks.interface import Network, Reconstruction
from metamer.train.networks.entropy_model.proxies import PROXIES, dither
from torch import nn


@documented
@dataclass
class Options:
    """What a recipe's `network` may say of it."""

    architecture: str = "own"
    """`own`."""
    width: Count = 64
    """Channels of the hidden layers."""
    latents: Count = 96
    """Channels of the latents, one vector for every 8x8 pixels."""
    levels: Count = 4
    """Quality levels; λ goes from 0.001 to 0.064."""


class OwnNetwork(Network):
    Options = Options
    parts = {"all": ("",), "decoder": ("synthesis.",)}
    keeps_streams = ("decoder",)
    settings = frozenset({"proxy", "proxy_temperature"})
    multiple = 8

    def __init__(self, options: Options):
        super().__init__(options)
        width, latents = options.width, options.latents
        self.latent_channels = latents  # of `Reconstruction.latent`, which a critic may be shown
        self.analysis = nn.Sequential(
            nn.Conv2d(3, width, 5, 2, 2),
            nn.GELU(),
            nn.Conv2d(width, width, 5, 2, 2),
            nn.GELU(),
            nn.Conv2d(width, latents, 5, 2, 2),
        )
        self.synthesis = nn.Sequential(
            nn.ConvTranspose2d(latents, width, 4, 2, 1),
            nn.GELU(),
            nn.ConvTranspose2d(width, width, 4, 2, 1),
            nn.GELU(),
            nn.ConvTranspose2d(width, 3, 4, 2, 1),
        )
        # natural logarithms, a row for every level
        self.log_step = nn.Parameter(torch.zeros(options.levels, latents))
        self.log_scale = nn.Parameter(torch.zeros(options.levels, latents))

    def lagrangian(self, level):
        return 0.001 * 64 ** (level / max(1, self.options.levels - 1))

    def noise(self, batch, side, generator):
        return (dither(batch, self.options.latents, side // 8, side // 8, generator=generator),)

    def forward(self, image, level, stage, noise=None, affine=None, file_bits=False):
        weights = level_weights(level, self.options.levels)
        step = (weights @ self.log_step).exp()[:, :, None, None]
        log_scale = (weights @ self.log_scale)[:, :, None, None]
        value = self.analysis(image - 0.5) / step
        if stage.parts == "decoder":  # streams stay: rounded, without gradients
            value = value.detach().round()
        drawn = noise[0] if noise else dither(*value.shape)
        for_rate, rounded = PROXIES[stage.proxy](
            value, torch.zeros_like(value), drawn.to(value), stage.proxy_temperature, value.round()
        )
        return Reconstruction(
            self.synthesis(rounded * step) + 0.5,
            logistic_bits(for_rate, log_scale).sum((1, 2, 3)),
            rounded,
            logistic_bits(value.detach().round(), log_scale.detach()).sum((1, 2, 3))
            if file_bits
            else None,
        )


class Charbonnier(Distance):
    """Mean of √(error² + ε²) − ε: squared for small errors, absolute for large ones."""

    def between(self, reference, image, epsilon=0.01):
        error = (reference - image).square()
        return ((error + epsilon**2).sqrt() - epsilon).mean((1, 2, 3))


CHARBONNIER = Metric(
    "charbonnier",
    "own_network:Charbonnier",
    "Charbonnier's robust error",
    "Charbonnier et al., ICIP 1994",
    "pixels",
    true_distance=True,
)
