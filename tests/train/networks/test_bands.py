"""Syntheses for bands of qualities: which one decodes, what they begin as."""

import pytest
import torch

from metamer.train.networks.levels import level_weights
from metamer.train.networks.transforms.bands import BandedSynthesis, band_of, resized
from metamer.train.networks.transforms.synthesis import DecoderOptions

LATENTS, LEVELS, SIDE = 32, 9, 4
SMALL = {"width": 8, "blocks": 1}


def trained(bands: int) -> BandedSynthesis:
    """As if it had been: every band has weights of its own."""
    generator = torch.Generator().manual_seed(1)
    synthesis = BandedSynthesis(LATENTS, DecoderOptions(**SMALL, bands=bands), LEVELS)
    with torch.no_grad():
        for weight in synthesis.parameters():
            weight += 0.1 * torch.randn(weight.shape, generator=generator)
    return synthesis.eval()


@pytest.fixture
def latent() -> torch.Tensor:
    generator = torch.Generator().manual_seed(2)
    return torch.randn(5, LATENTS, SIDE, SIDE, generator=generator)


@pytest.mark.parametrize("bands", [1, 2, 3, 9])
def test_bands_share_the_levels_evenly(bands):
    level = torch.linspace(0, LEVELS - 1, 18 * bands + 1)[:-1]
    band = band_of(level_weights(level, LEVELS), bands)
    assert (band.diff() >= 0).all()
    assert band.bincount().tolist() == [18] * bands
    assert band_of(level_weights(torch.tensor([LEVELS - 1.0]), LEVELS), bands) == bands - 1


@torch.no_grad()
def test_each_sample_is_decoded_by_its_band(latent):
    synthesis, weights = trained(3), level_weights(torch.tensor([8.0, 0, 4, 2.5, 7]), LEVELS)
    image, linear = synthesis(latent, weights), synthesis.linear(latent, weights)
    for place, band in enumerate([2, 0, 1, 0, 2]):
        sample = slice(place, place + 1)
        own = synthesis.bands[band]
        torch.testing.assert_close(image[sample], own(latent[sample], weights[sample]))
        torch.testing.assert_close(linear[sample], own.linear(latent[sample]))
    assert not torch.allclose(image[1:2], synthesis.bands[2](latent[1:2], weights[1:2]))


@torch.no_grad()
@torch.no_grad()
@pytest.mark.parametrize("before, after, sources", [(1, 3, [0, 0, 0]), (3, 3, [0, 1, 2])])
def test_more_bands_begin_as_those_that_cover_them(latent, before, after, sources):
    own = trained(before)
    made = resized(own, DecoderOptions(width=12, blocks=1, bands=after)).eval()
    weights = level_weights(torch.full([5], 4.0), LEVELS)
    for band, source in zip(made.bands, sources, strict=True):
        expected = own.bands[source](latent, weights)
        torch.testing.assert_close(band(latent, weights), expected, rtol=0, atol=2e-5)


def test_a_band_without_samples_gets_no_gradient(latent):
    synthesis = trained(3)
    synthesis(latent, level_weights(torch.zeros(5), LEVELS)).sum().backward()
    touched = [band.head.weight.grad is not None for band in synthesis.bands]
    assert touched == [True, False, False]
