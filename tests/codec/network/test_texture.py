"""Texture: what is drawn where rounding left nothing, and that decoders are given it as their cards
ask.
"""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import metamer
from metamer.codec.encoder.encoding import write_picture
from metamer.codec.errors import ModelError
from metamer.codec.grid import padded_size
from metamer.codec.network import decoders, latents, texture
from metamer.codec.network.model import load_model
from metamer.entropy.coder import Decoder, Encoder
from metamer.train import start
from metamer.train.export.decoders import export_decoder
from metamer.train.networks.entropy_model.logistic import SCALE_HIGH, SCALE_LOW, SCALES
from metamer.train.networks.entropy_model.proxies import dither, within_cell
from tests.codec.network.test_decoders import replaced

RANGE = (SCALE_LOW, SCALE_HIGH)


@given(
    tables=hnp.arrays(
        np.uint8, (3, 4, 5), elements=st.one_of(st.integers(0, SCALES - 1), st.just(texture.KEPT))
    ),
    seed=st.integers(0, 2**32 - 1),
)
def test_noise_stays_in_its_cell_and_away_from_what_was_kept(tables, seed):
    noise = texture.noise(tables, RANGE, SCALES, seed)
    assert (
        noise.dtype == np.float32 and np.isfinite(noise).all() and np.abs(noise).max() <= 0.5 + 1e-6
    )
    assert (noise[tables == texture.KEPT] == 0).all()
    assert np.array_equal(noise, texture.noise(tables, RANGE, SCALES, seed))


@pytest.mark.parametrize("table", [0, 12, 30, SCALES - 1])
def test_noise_has_the_distribution_of_its_table(table):
    """Against the logistic's own distribution function, cut off at half a step."""
    scale = np.geomspace(*RANGE, SCALES)[table]
    samples = np.sort(
        texture.noise(np.full((100, 100, 10), table, np.uint8), RANGE, SCALES, 0)
        .ravel()
        .astype(float)
    )

    def below(value):
        return 1 / (1 + np.exp(-value / scale))

    expected = (below(samples) - below(-0.5)) / (below(0.5) - below(-0.5))
    # Kolmogorov and Smirnov: 0.0052 for one in a hundred
    assert np.abs(expected - np.linspace(0, 1, len(samples))).max() < 0.01
    trained = within_cell(
        torch.full((100_000,), float(scale)),
        dither(100_000, generator=torch.Generator().manual_seed(0)),
    )
    assert trained.std().item() == pytest.approx(samples.std(), rel=0.01)


def test_what_rounding_left_nothing_of(otters):
    """The encoder's residuals tell where the decoder must find nothing."""
    model, picture = load_model("base"), otters.crop((0, 0, 96, 80))
    passes = []

    class Sink(Encoder):
        def write(self, residuals, indices):
            passes.append((np.count_nonzero(residuals), residuals.size))
            super().write(residuals, indices)

    writer = Sink(model.tables)
    write_picture(picture, 100, model, writer, None)
    height, width = (side // 16 for side in padded_size(picture.height, picture.width))
    table_indices = np.zeros((height, width, model.latents), np.uint8)
    decoded = latents.read_latents(
        model, 100, height, width, Decoder(model.tables, writer.bytes()), table_indices
    )
    assert np.array_equal(
        decoded,
        latents.read_latents(model, 100, height, width, Decoder(model.tables, writer.bytes())),
    )
    is_kept = table_indices == texture.KEPT
    # the first pass is the hyper-latents'
    assert np.count_nonzero(is_kept) == sum(count for count, _ in passes[1:]) > 20
    assert table_indices[~is_kept].max() < SCALES


@pytest.fixture(scope="module")
def textured(tmp_path_factory):
    """Base's own synthesis, asking for texture."""
    model, path = load_model("base"), tmp_path_factory.mktemp("texture") / "textured.decoder"
    export_decoder(
        start.from_model(model),
        model,
        {"name": "textured"},
        path,
        realism=True,
        texture=[0.5, 0.5, 1],
    )
    return path


def test_decoders_receive_as_much_texture_as_they_ask_for(otters, textured):
    data = metamer.encode(otters.crop((0, 0, 192, 128)), 15)
    untextured = np.asarray(metamer.decode(data), float)
    decodes = [
        np.asarray(metamer.decode(data, decoder=textured, realism=realism), float)
        for realism in (0, 0.25, 0.5, 1)
    ]
    repeated = np.asarray(metamer.decode(data, decoder=textured))
    assert np.array_equal(decodes[0], untextured) and np.array_equal(decodes[-1], repeated)
    deviations = [np.sqrt(np.square(image - untextured).mean()) for image in decodes]
    assert 0 < deviations[1] < deviations[2] < deviations[3] < 12  # levels of 255
    # weights are the model's own: texture alone makes the change
    assert deviations[2] == pytest.approx(deviations[3] / 2, rel=0.25)
    assert np.array_equal(metamer.decode_latents(data), metamer.decode_latents(data))


@pytest.mark.parametrize(
    "card",
    [
        {"texture": [-1, 0, 0]},
        {"texture": "much"},
        {"texture": 1},
        {"scales": [0, 1]},
        {"scales": [1]},
        {"scales": None},
    ],
)
def test_textures_that_cannot_be(card, textured, tmp_path):
    damaged = tmp_path / "damaged.decoder"
    replaced(textured, damaged, **card)
    with pytest.raises(ModelError, match="is not a Metamer decoder"):
        decoders.read_decoder(damaged)


def test_textures_for_other_groups_are_refused(otters, textured, tmp_path):
    textured_elsewhere = tmp_path / "other.decoder"
    replaced(textured, textured_elsewhere, texture=[1, 1])
    with pytest.raises(ModelError, match="texture for 2 groups of latents, not 3"):
        metamer.decode(metamer.encode(otters.crop((0, 0, 32, 32)), 15), decoder=textured_elsewhere)
