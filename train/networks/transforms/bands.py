"""One synthesis for each band of qualities.

A synthesis of a decoder's size learns a few neighbouring rates better than all of them: trained
alone on three levels instead of nine, from the same weights, it gained 0.4 to 0.9 % of the rate in
the steps in which it gained nothing on nine (research/notes/QUEUE.md). Which one decodes follows
from the quality, so they take room in a model file and no time.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from metamer.train.networks.transforms.growing import grown
from metamer.train.networks.transforms.synthesis import DecoderOptions, Synthesis


class BandedSynthesis(nn.Module):
    """Decoded latents (N, M, h, w) in image units to an image (N, 3, 16h, 16w), each by the
    synthesis of its quality's band.

    Attributes:
        options: Sizes, and how many bands there are.
        bands: A synthesis for each equal share of the levels, from the lowest quality up.
    """

    def __init__(self, latents: int, options: DecoderOptions, levels: int):
        super().__init__()
        self.options = options
        self.bands = nn.ModuleList(
            Synthesis(latents, options, levels) for _ in range(options.bands)
        )

    @property
    def receptive_field(self) -> int:
        """As `Synthesis.receptive_field`; every band's is the same."""
        return self.bands[0].receptive_field

    def forward(self, latent: Tensor, weights: Tensor, noise: Tensor | None = None) -> Tensor:
        """weights: (N, K) of quality levels, which choose the band too; noise: as
        `Synthesis.forward` takes it.
        """
        return self._by_band(
            lambda synthesis, chosen: synthesis(
                latent[chosen], weights[chosen], None if noise is None else noise[chosen]
            ),
            weights,
        )

    def linear(self, latent: Tensor, weights: Tensor) -> Tensor:
        """What the linear transforms give alone."""
        return self._by_band(lambda synthesis, chosen: synthesis.linear(latent[chosen]), weights)

    def _by_band(
        self, decode: Callable[[Synthesis, Tensor | slice], Tensor], weights: Tensor
    ) -> Tensor:
        if len(self.bands) == 1:
            return decode(self.bands[0], slice(None))
        band, images, samples = band_of(weights, len(self.bands)), [], []
        for number, synthesis in enumerate(self.bands):
            members = (band == number).nonzero()[:, 0]
            if len(members):
                images.append(decode(synthesis, members))
                samples.append(members)
        return torch.cat(images)[torch.cat(samples).argsort()]


def band_of(weights: Tensor, bands: int) -> Tensor:
    """(N,) int64: the band of each quality, of which ``weights`` (N, K) are the levels' weights."""
    last = weights.shape[1] - 1
    level = weights @ torch.arange(last + 1, device=weights.device, dtype=weights.dtype)
    return (level * (bands / last)).long().clamp(max=bands - 1)


def resized(trained: BandedSynthesis, options: DecoderOptions) -> BandedSynthesis:
    """A synthesis of other sizes or with other bands; each band is `grown` from the one that covers
    its middle.
    """
    latents, levels = trained.bands[0].companding.log_scale.shape[::-1]
    made = BandedSynthesis(latents, options, levels)
    for band in range(options.bands):
        source = trained.bands[int((band + 0.5) / options.bands * len(trained.bands))]
        made.bands[band] = grown(source, options)
    return made
