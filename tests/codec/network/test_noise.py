"""Noise for decoders: the same at a place of a picture, whoever asks for it and how; and that it
reaches the residual network of decoders that ask for it, and nobody else.
"""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

import metamer
from metamer.codec.errors import ModelError
from metamer.codec.grid import Box
from metamer.codec.network import decoders
from metamer.codec.network.model import load_model
from metamer.codec.network.noise import common_noise
from metamer.train import start
from metamer.train.export.decoders import export_decoder
from metamer.train.networks.transforms.synthesis import NOISE_STD, drawn_noise
from tests.codec.network.test_decoders import replaced

CHANNELS = 3


def mixed(word: int) -> int:
    """As bitstreams/FORMAT.md has it, in Python's own integers."""
    word ^= word >> 16
    word = word * 0x7FEB352D % 2**32
    word ^= word >> 15
    word = word * 0x846CA68B % 2**32
    return word ^ word >> 16


def value(channel: int, row: int, column: int) -> float:
    word = mixed(2**16 * row + column ^ mixed(channel))
    return (sum(word.to_bytes(4, "little")) - 510) / 128


@given(
    row=st.integers(0, 4095),
    column=st.integers(0, 4095),
    channel=st.integers(0, CHANNELS - 1),
    inside=st.tuples(st.integers(0, 1), st.integers(0, 1)),
)
def test_noise_is_what_the_format_says(row, column, channel, inside):
    (noise,) = common_noise(Box(row, column, row + 1, column + 1), CHANNELS)
    down, right = inside
    assert noise.dtype == np.float32 and noise.shape == (1, 1, 8 * CHANNELS)
    assert noise[0, 0, 4 * channel + 2 * down + right] == value(
        channel, 2 * row + down, 2 * column + right
    )
    coarse = noise[0, 0, 4 * (CHANNELS + channel) :][:4]
    assert (coarse == value(CHANNELS + channel, row, column)).all()


@given(
    top=st.integers(0, 20),
    left=st.integers(0, 20),
    rows=st.integers(1, 9),
    columns=st.integers(1, 9),
)
def test_a_part_has_the_noise_of_its_place(top, left, rows, columns):
    whole, part = Box(0, 0, 32, 32), Box(top, left, top + rows, left + columns)
    np.testing.assert_array_equal(
        common_noise(part, CHANNELS)[0], common_noise(whole, CHANNELS)[0][part.within(whole)]
    )


def test_noise_is_white_and_about_normal():
    noise = common_noise(Box(0, 0, 128, 96), CHANNELS)[0].astype(float)
    fine, coarse = noise[..., : 4 * CHANNELS], noise[..., 4 * CHANNELS :: 4]
    values = np.concatenate([fine, coarse], 2)
    correlations = np.corrcoef(values.reshape(-1, values.shape[2]).T)
    assert np.abs(values.mean((0, 1))).max() < 0.04
    assert values.std((0, 1)) == pytest.approx(np.full(values.shape[2], 1.1548), rel=0.03)
    assert np.abs(correlations - np.eye(len(correlations))).max() < 0.04
    for shifted in (values[1:] * values[:-1], values[:, 1:] * values[:, :-1]):
        assert np.abs(shifted.mean((0, 1))).max() < 0.05
    beyond = (np.abs(values) > 2 * 1.1548).mean()
    assert beyond == pytest.approx(0.0455, abs=0.01)  # as of a normal distribution


def test_training_draws_such_noise():
    drawn = drawn_noise(6, 40, CHANNELS, torch.Generator().manual_seed(1))
    noise = torch.from_numpy(common_noise(Box(0, 0, 40, 40), CHANNELS)).permute(0, 3, 1, 2)
    assert drawn.shape == (6, *noise.shape[1:]) and drawn.dtype == torch.float32
    assert drawn.std().item() == pytest.approx(noise.std().item(), rel=0.02)
    assert not torch.equal(drawn[0], drawn[1])
    for planes in (drawn, noise):
        coarse = F.pixel_shuffle(planes, 2)[:, CHANNELS:]
        assert torch.equal(
            coarse, coarse[..., ::2, ::2].repeat_interleave(2, 2).repeat_interleave(2, 3)
        )
    again = drawn_noise(6, 40, CHANNELS, torch.Generator().manual_seed(1))
    assert torch.equal(drawn, again)


def noisy_codec(strength: float):
    """Base's networks, with a synthesis that is given noise and makes much of it."""
    codec = start.from_model(load_model("base"))
    options = dataclasses.replace(codec.options.synthesis, noise=CHANNELS)
    codec = start.with_decoder(codec, dataclasses.replace(codec.options, decoder=options))
    for band in codec.synthesis.bands:
        nn.init.normal_(band.noise.weight, std=strength, generator=torch.Generator().manual_seed(2))
    return codec


@pytest.fixture(scope="module")
def noisy(tmp_path_factory):
    path = tmp_path_factory.mktemp("noise") / "noisy.decoder"
    codec, model = noisy_codec(0.5), load_model("base")
    export_decoder(codec, model, {"name": "noisy"}, path, realism=True)
    return path


def test_realism_says_how_much_of_the_noise(otters, noisy):
    data = metamer.encode(otters.crop((0, 0, 192, 128)), 15)
    own = np.asarray(metamer.decode(data), float)
    decodes = [
        np.asarray(metamer.decode(data, decoder=noisy, realism=realism), float)
        for realism in (0, 0.25, 0.5, 1)
    ]
    assert np.array_equal(decodes[0], own)
    assert np.array_equal(decodes[-1], np.asarray(metamer.decode(data, decoder=noisy)))
    deviations = [np.sqrt(np.square(image - own).mean()) for image in decodes]
    assert 0 < deviations[1] < deviations[2] < deviations[3]


def test_regions_and_tiles_have_the_noise_of_the_whole(otters, noisy):
    data = metamer.encode(otters.resize((1100, 90)), 15, tile=True, lossless=False)
    whole = metamer.decode(data, decoder=noisy)
    box = (1000, 20, 90, 50)  # across a border of tiles
    part = metamer.decode(data, decoder=noisy, region=box)
    wanted = whole.crop((1000, 20, 1090, 70))
    assert np.abs(np.asarray(part, int) - np.asarray(wanted, int)).max() <= 1


def test_graphs_compute_what_was_trained(otters, noisy):
    """And noise does not go past the residual network."""
    codec, decoder, model = noisy_codec(0.5), decoders.read_decoder(noisy), load_model("base")
    synthesis = decoders.load_synthesis(model, 40, noisy, 1.0)
    assert decoder.noise == synthesis.noise == CHANNELS
    band, weights = codec.synthesis.bands[0], model.arrays["level_weights"][40:41]
    latent = np.random.default_rng(0).normal(0, 0.1, (1, 5, 6, model.latents)).astype(np.float32)
    noise = common_noise(Box(3, 7, 8, 13), CHANNELS)
    (image,) = synthesis.session.run(latent=latent, weights=weights, noise=noise)
    planes = [torch.from_numpy(array).permute(0, 3, 1, 2) for array in (latent, noise)]
    with torch.no_grad():
        expected = band(planes[0], torch.from_numpy(weights), planes[1])
        band.head.weight.zero_()
        linear = [band(planes[0], torch.from_numpy(weights), sign * planes[1]) for sign in (1, -1)]
    np.testing.assert_allclose(image, expected.numpy(), atol=0.02)
    assert torch.equal(*linear)


def test_a_synthesis_with_noise_starts_as_the_model(otters):
    codec, own = noisy_codec(NOISE_STD), start.from_model(load_model("base"))
    latent = torch.randn(1, codec.latent_channels, 4, 4) * 0.1
    weights = torch.eye(codec.options.levels)[3:4]
    with torch.no_grad():
        difference = codec.synthesis(latent, weights) - own.synthesis(latent, weights)
    assert 0 < difference.abs().max() < 0.05


@pytest.mark.parametrize("noise", [-1, 65, 1.5, "much", None, True])
def test_noise_that_cannot_be(noise, noisy, tmp_path):
    damaged = replaced(noisy, tmp_path / "damaged.decoder", noise=noise)
    with pytest.raises(ModelError, match="is not a Metamer decoder"):
        decoders.read_decoder(damaged)


def test_a_card_that_says_nothing_of_the_noise_of_its_graph(otters, noisy, tmp_path):
    data = metamer.encode(otters.crop((0, 0, 32, 32)), 15)
    for noise, reason in ((0, "takes latent, noise, weights"), (CHANNELS + 1, "cannot be run")):
        other = replaced(noisy, tmp_path / f"{noise}.decoder", noise=noise)
        with pytest.raises(ModelError, match=reason):
            metamer.decode(data, decoder=other)
