"""Costs, starts and probabilities of the whole network."""

import math

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import logistic
from torch.utils.flop_counter import FlopCounterMode

from metamer.codec.network import rdoq
from metamer.codec.network.model import load_model
from metamer.entropy.tables import Tables
from metamer.evaluation.codecs import macs
from metamer.train.data import Crops, Photographs, find
from metamer.train.export.tables import logistic_tables, pack_tables
from metamer.train.networks.codec import Codec, NetworkOptions
from metamer.train.networks.entropy_model.logistic import (
    SCALE_LOW,
    SCALE_STEP,
    SCALES,
    chosen_residuals,
    logistic_bits,
)
from metamer.train.networks.entropy_model.model import EntropyModel
from metamer.train.networks.levels import level_weights
from metamer.train.recipe.options import Stage

SIDE = 256


def kilomacs_per_pixel(function) -> float:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        function()
    return counter.get_total_flops() / 2 / SIDE**2 / 1000


@pytest.mark.parametrize("rdoq_lambda", [8.7, 22.0])
def test_training_rounds_as_the_encoder_does(rdoq_lambda):
    """With tables of the very logistic, but where their integers decide otherwise."""

    class Logistic:
        tables = Tables(**pack_tables(logistic_tables(), np.zeros(SCALES, bool)))

    rng = np.random.default_rng(3)
    index = rng.integers(0, SCALES, 20_000)
    exact = (rng.laplace(size=index.size) * 2 * SCALE_LOW * np.exp(SCALE_STEP * index)).clip(
        -40, 40
    )
    expected = rdoq.choose_residuals(
        exact, index.astype(np.uint8), Logistic, np.full(index.size, rdoq_lambda)
    )
    log_scale = torch.from_numpy(np.log(SCALE_LOW) + SCALE_STEP * index)
    residuals = chosen_residuals(torch.from_numpy(exact), log_scale, torch.tensor(rdoq_lambda))
    assert (residuals.numpy() == expected).mean() > 0.999 and (
        expected != np.rint(exact)
    ).mean() > 0.01


@pytest.mark.parametrize("name, rdoq_lambda", [("base", 22.0), ("perceptual", 100.0)])
def test_training_weighs_errors_as_the_encoder_does(name, rdoq_lambda):
    model = load_model(name)
    high = slice(100, None, 50)  # where the lowest levels' λ of rounding has no part
    step = torch.from_numpy(model.arrays["step"][high])[:, :, None, None]
    entropy = EntropyModel(list(model.groups), levels=9, hyper_latents=4, features=4, width=4)
    weighted = entropy.rdoq_lambdas(step, rdoq_lambda, model.card["rdoq_group_weights"])
    np.testing.assert_allclose(weighted[:, :, 0, 0], model.rdoq_lambda[high], rtol=1e-5)


def test_complexity_of_the_shipped_network():
    """Convolutions and matrix products at 256x256, every entropy network counted as often as it
    runs.

    Of a context network the first layer runs everywhere, the others at the half of the positions
    that its pass decodes.
    """
    codec = Codec(NetworkOptions()).eval()
    options = codec.options
    weights, place = torch.ones(1, options.levels) / options.levels, SIDE // 16
    latent = torch.zeros(1, sum(options.groups), place, place)
    image = torch.zeros(1, 3, SIDE, SIDE)

    def entropy_networks():
        codec.entropy.hyper_synthesis(torch.zeros(1, options.hyper_latents, place // 4, place // 4))
        for context in codec.entropy.contexts:
            context.squeeze(torch.zeros(1, context.squeeze.weight.shape[1], place, place))
            common = context.mix(
                context.spatial(torch.zeros(1, options.context_width, place, place // 2))
            )
            context.mean(common), context.scale(common)

    entropy = kilomacs_per_pixel(entropy_networks)
    decoder = kilomacs_per_pixel(lambda: codec.synthesis(latent, weights)) + entropy
    encoder = (
        kilomacs_per_pixel(
            lambda: codec.entropy.hyper_analysis(codec.analysis(image, weights), weights)
        )
        + entropy
    )
    print(
        f"decoder {decoder:.2f} kMAC/px, of which entropy networks {entropy:.2f}; encoder "
        f"{encoder:.2f} kMAC/px"
    )
    assert 5 < decoder <= 20 and 5 < encoder <= 25
    # from the exported graphs
    cost = macs.network_cost("base", None, Image.new("RGB", (SIDE, SIDE)), 50)
    assert cost.encoder / SIDE**2 / 1000 == pytest.approx(encoder, rel=0.02)
    assert cost.decoder / SIDE**2 / 1000 == pytest.approx(decoder, rel=0.02)


@pytest.mark.parametrize(
    "residual, scale", [(0.0, 0.04), (0.3, 0.2), (-4.0, 1.5), (60.0, 9.0), (2.0, 0.5)]
)
def test_logistic_bits_against_scipy(residual, scale):
    mass = logistic.cdf(residual + 0.5, scale=scale) - logistic.cdf(residual - 0.5, scale=scale)
    bits = logistic_bits(
        torch.tensor(residual, dtype=torch.float64),
        torch.tensor(math.log(scale), dtype=torch.float64),
    )
    assert bits.item() == pytest.approx(-math.log2(mass), rel=1e-6, abs=1e-9)


def test_logistic_bits_never_overflow():
    residual = torch.tensor([1e4, -1e5], requires_grad=True)
    bits = logistic_bits(residual, torch.tensor(math.log(0.04)))
    bits.sum().backward()
    assert torch.isfinite(bits).all() and torch.isfinite(residual.grad).all()


def test_levels_interpolate():
    weights = level_weights(torch.tensor([0.0, 1.25, 8.0]), 9)
    assert weights.sum(1).tolist() == pytest.approx([1, 1, 1])
    assert weights[1, 1].item() == pytest.approx(0.75) and weights[1, 2].item() == pytest.approx(
        0.25
    )


def test_start_is_the_linear_codec(photographs):
    """Before any training the network is the lapped transform with the quantiser steps of high-rate
    theory.
    """
    torch.manual_seed(0)
    codec = Codec(
        NetworkOptions(
            groups=[64, 704], width=16, analysis_blocks=1, synthesis_blocks=1, context_width=16
        )
    )
    source = Crops(Photographs(find(photographs)[0]), 128, 0)
    crops = torch.stack([source[index] for index in range(40)]).float() / 255
    codec.start_from(crops)
    level = torch.full((4,), 8.0)
    with torch.no_grad():
        reconstruction = codec(crops[:4], level, Stage("s", 1, proxy="straight_through"))
    step = codec.entropy.log_step[8, 0].exp().item()
    assert step**2 == pytest.approx(18 / (math.log(2) * 0.3 * 255**2), rel=1e-5)
    mse = (reconstruction.image - crops[:4]).square().mean().item()
    # uniform quantisation at most, with elements smaller than a step doing better
    assert mse <= step**2 / 12 * 1.1
    assert np.isfinite(reconstruction.bits.numpy()).all() and (reconstruction.bits > 0).all()


@pytest.mark.parametrize("size", [(32, 32), (48, 80), (112, 64)])
def test_any_multiple_of_16(size):
    codec = Codec(
        NetworkOptions(
            groups=[4, 12],
            width=8,
            analysis_blocks=1,
            synthesis_blocks=1,
            hyper_latents=4,
            features=4,
            context_width=8,
            levels=3,
        )
    )
    reconstruction = codec(torch.rand(2, 3, *size), torch.tensor([0.0, 1.7]), Stage("s", 1))
    assert reconstruction.image.shape == (2, 3, *size) and reconstruction.bits.shape == (2,)
