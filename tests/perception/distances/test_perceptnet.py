"""PerceptNet: its arithmetic, its parts and their sizes, the filters of the parametric start, and
the distance.
"""

import math

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from metamer.perception import create
from metamer.perception.distances.perceptnet import (
    LAYERS,
    PARAMETRIC_CHANNELS,
    PARAMETRIC_KERNELS,
    Decoder,
    DivisiveNormalisation,
    Encoder,
    build_network,
    root_mean_square,
    tensors_below,
)
from metamer.perception.errors import MetricError, WeightsError
from metamer.perception.vision import receptive_fields


def prefixed(network: torch.nn.Module, name: str) -> dict[str, torch.Tensor]:
    return {f"{name}.{key}": value for key, value in network.state_dict().items()}


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    """Random filters, and normalisations in which every channel has a say."""
    torch.manual_seed(3)
    network = Encoder()
    for stage in network.values():
        if isinstance(stage, DivisiveNormalisation):
            stage.gamma.data = 0.1 * torch.rand_like(stage.gamma)
        stage.deviation.uniform_(0.5, 2)
    return network


@pytest.fixture(scope="module")
def weights(encoder, tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("weights") / "perceptnet.safetensors"
    safetensors.torch.save_file(encoder.state_dict(), path)
    return str(path)


@pytest.fixture(scope="module")
def distance(weights):
    return create("perceptnet", weights=weights)


def picture(height: int, width: int, seed: int = 0, batch: int = 1) -> torch.Tensor:
    return torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("inverse", [False, True])
def test_normalisation_is_the_formula(inverse, rng):
    stage = DivisiveNormalisation(4, inverse)
    beta, gamma, x = (
        rng.uniform(0.1, 2, 4),
        rng.uniform(0, 1, (4, 4)),
        rng.normal(size=(2, 4, 3, 5)),
    )
    stage.beta.data, stage.gamma.data = torch.tensor(beta), torch.tensor(gamma)
    expected = np.empty_like(x)
    for i in range(4):
        root = np.sqrt(beta[i] + sum(gamma[i, j] * x[:, j] ** 2 for j in range(4)))
        expected[:, i] = x[:, i] * root if inverse else x[:, i] / root
    assert np.allclose(stage(torch.tensor(x)).detach(), expected, atol=1e-12)


def test_normalisation_starts_as_ballé_has_it():
    stage = DivisiveNormalisation(5)
    assert torch.equal(stage.beta, torch.ones(5)) and torch.equal(stage.gamma, 0.1 * torch.eye(5))


def test_inverse_undoes_the_division_while_the_energy_is_small():
    forward, backward = DivisiveNormalisation(6), DivisiveNormalisation(6, inverse=True)
    for stage in (forward, backward):
        stage.gamma.data.fill_(0.1)
    for size, tolerance in ((0.0, 0.0), (0.03, 1e-5), (0.3, 0.02)):
        x = size * torch.randn(2, 6, 8, 8, generator=torch.Generator().manual_seed(1))
        assert (backward(forward(x)) - x).abs().max() <= tolerance
    for stage in (forward, backward):  # without pooling it is exact at any size
        stage.gamma.data.zero_()
        stage.beta.data = torch.linspace(0.2, 3, 6)
    assert torch.allclose(backward(forward(1000 * x)), 1000 * x, rtol=1e-5)


def test_projection_keeps_weights_allowed_and_lets_zeros_grow():
    stage = DivisiveNormalisation(3)
    x = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    # asks channel 1 to divide channel 0
    (stage(x)[:, 0] * x[:, 0].sign() * x[:, 1].square()).mean().backward()
    assert stage.gamma.grad[0, 1] < 0 and stage.gamma[0, 1] == 0
    with torch.no_grad():
        stage.gamma -= 10 * stage.gamma.grad
        stage.gamma[2] -= 5
        stage.beta -= torch.tensor([0.0, 3.0, 0.0])
    stage.project()
    assert stage.gamma[0, 1] > 0 and (stage.gamma[2] == 0).all() and 0 < stage.beta[1] < 1e-5
    assert torch.isfinite(stage(x)).all()


def test_sizes_are_the_papers():
    assert sum(p.numel() for p in Encoder().parameters()) == 36_368
    features = Encoder()(picture(32, 48))
    shapes = [
        (3, 32, 48),
        (3, 16, 24),
        (3, 16, 24),
        (6, 8, 12),
        (6, 8, 12),
        (128, 8, 12),
        (128, 8, 12),
    ]
    assert {name: tuple(f.shape[1:]) for name, f in features.items()} == dict(
        zip(LAYERS, shapes, strict=True)
    )
    assert list(Encoder()(picture(32, 48), "contrast")) == list(LAYERS[:3])


def test_the_decoder_is_the_mirror():
    for size in ((32, 48), (33, 49), (30, 31), (17, 16)):
        encoded = Encoder()(picture(*size))
        decoded = Decoder()(encoded["v1"], size)
        assert list(decoded) == list(reversed(LAYERS))
        assert decoded["adaptation"].shape == (1, 3, *size)
        for decoder_stage, encoder_stage in (
            ("contrast", "opponency"),
            ("lgn", "centre-surround"),
            ("v1", "orientation"),
        ):
            assert decoded[decoder_stage].shape[1] == encoded[encoder_stage].shape[1]
    stages = [stage for stage in Decoder().values() if isinstance(stage, DivisiveNormalisation)]
    assert len(stages) == 4 and all(stage.inverse for stage in stages)


@pytest.mark.parametrize("kind", [Encoder, Decoder])
def test_architecture_is_read_off_the_weights(kind):
    for shape in (
        ((3, 3, 6, 128), (1, 5, 5)),
        ((3, 4, 5, 12), (3, 7, 9)),
        (PARAMETRIC_CHANNELS, PARAMETRIC_KERNELS),
    ):
        network = kind(*shape)
        rebuilt = build_network(kind, network.state_dict(), "a file")
        assert all(
            torch.equal(a, b)
            for a, b in zip(network.parameters(), rebuilt.parameters(), strict=True)
        )
        assert not any(p.requires_grad for p in rebuilt.parameters())


def test_opponent_colours_leave_grey_achromatic():
    achromatic, *chromatic = torch.ones(3) @ receptive_fields.OPPONENT
    assert achromatic > 1 and all(abs(channel) < 0.05 * achromatic for channel in chromatic)
    red_green, yellow_blue = receptive_fields.OPPONENT.T[1:]
    assert red_green[0] > 0 > red_green[1] and yellow_blue[1] > 0 > yellow_blue[2]


def test_centre_and_surround_cancel():
    filters = receptive_fields.centre_surround()
    assert filters.shape == (3, 3, 21, 21)
    for i in range(3):
        kernel = filters[i, i]
        assert (
            abs(kernel.sum()) < 1e-5
            and kernel[10, 10] > 0 > kernel[10, 15]
            and kernel.norm() == pytest.approx(1)
        )
        assert all((filters[i, j] == 0).all() for j in range(3) if j != i)
        assert torch.allclose(kernel, kernel.T, atol=1e-7)


def test_gabors_have_their_nominal_tuning():
    tuning, filters = receptive_fields.tuning(), receptive_fields.gabors()
    assert filters.shape == (128, 3, 31, 31)
    assert [sum(row[0] == channel for row in tuning) for channel in range(3)] == [64, 32, 32]
    side = 512  # zero-padded, for a fine grid of frequencies
    axis = np.fft.fftfreq(side) * receptive_fields.SAMPLING
    for (channel, frequency, orientation, _), filters_of_one in zip(tuning, filters, strict=True):
        kernel = filters_of_one[channel].numpy()
        assert np.abs(np.delete(filters_of_one.numpy(), channel, 0)).max() == 0
        assert abs(kernel.sum()) < 1e-4 and np.linalg.norm(kernel) == pytest.approx(1, abs=1e-5)
        spectrum = np.abs(np.fft.fft2(kernel, (side, side)))
        row, column = np.unravel_index(spectrum[:, : side // 2].argmax(), (side, side // 2))
        fy, fx = axis[row], axis[column]
        octaves = abs(math.log2(math.hypot(fx, fy) / frequency))
        turn = abs(math.degrees(math.atan2(fy, fx)) - orientation) % 180
        assert octaves < 0.35 and min(turn, 180 - turn) < 8, (channel, frequency, orientation)


def test_pooling_is_over_neighbours_in_frequency_and_orientation():
    pooling, tuning = receptive_fields.pooling(), receptive_fields.tuning()
    place = {row: number for number, row in enumerate(tuning)}
    phase = receptive_fields.PHASES
    assert torch.allclose(pooling, pooling.T) and torch.equal(pooling.diagonal(), torch.ones(128))

    def weight(neighbour: tuple) -> float:
        return pooling[place[0, 4, 0.0, 0], place[neighbour]].item()

    assert weight((0, 4, 0.0, phase[1])) == 1
    assert (
        weight((0, 4, 22.5, 0))
        == weight((0, 4, 157.5, 0))
        == pytest.approx(math.exp(-((22.5 / 20) ** 2) / 2), abs=1e-6)
    )
    assert (
        weight((0, 8, 0.0, 0))
        == weight((0, 2, 0.0, 0))
        == pytest.approx(math.exp(-1 / 2), abs=1e-6)
    )
    assert weight((1, 3, 0.0, 0)) == 0


@given(height=st.integers(16, 50), width=st.integers(16, 50), seed=st.integers(0, 99))
@settings(max_examples=12)
def test_identity_symmetry_and_gradients_at_any_size(distance, height, width, seed):
    image_a, image_b = picture(height, width, seed, 2), picture(height, width, seed + 100, 2)
    assert torch.equal(distance(image_a, image_a), torch.zeros(2))
    assert (
        torch.equal(distance(image_a, image_b), distance(image_b, image_a))
        and (distance(image_a, image_b) > 0).all()
    )
    same = image_a.clone().requires_grad_()
    distance(image_a, same).sum().backward()
    assert torch.isfinite(same.grad).all()
    moved_image = image_b.clone().requires_grad_()
    distance(image_a, moved_image).sum().backward()
    assert torch.isfinite(moved_image.grad).all() and moved_image.grad.abs().max() > 0


def test_every_pixel_counts_at_odd_sizes(distance):
    image = picture(21, 27)
    for place in ((0, 0), (20, 26), (20, 0), (0, 26)):
        changed = image.clone()
        changed[:, :, place[0], place[1]] += 1
        assert distance(image, changed) > 0


def test_distance_is_the_root_mean_square_of_the_layer(distance, weights, encoder):
    image_a, image_b = picture(20, 24), picture(20, 24, 1)
    for layer in LAYERS:
        difference = (encoder(image_a)[layer] - encoder(image_b)[layer]).detach().double().numpy()
        raw = create("perceptnet", weights=weights, layer=layer, standard=False)(image_a, image_b)
        assert raw.item() == pytest.approx(np.sqrt((difference**2).mean()), abs=2e-5)
        value = create("perceptnet", weights=weights, layer=layer)(image_a, image_b)
        difference = difference / encoder[layer].deviation[:, None, None].numpy()
        assert value.item() == pytest.approx(np.sqrt((difference**2).mean()), abs=2e-5)
    assert torch.equal(distance(image_a, image_b), value)  # the last is the default
    assert root_mean_square(
        torch.full((1, 2, 3, 3), 0.5), torch.zeros(1, 2, 3, 3)
    ).item() == pytest.approx(0.5, abs=2e-5)


def test_files_with_a_decoder_too_give_the_same_distance(distance, encoder, tmp_path):
    tensors = prefixed(encoder, "encoder") | prefixed(Decoder(), "decoder")
    assert tensors_below(tensors, "encoder").keys() == encoder.state_dict().keys()
    safetensors.torch.save_file(tensors, tmp_path / "both.safetensors")
    with_decoder = create("perceptnet", weights=str(tmp_path / "both.safetensors"))
    image_a, image_b = picture(32, 32), picture(32, 32, 1)
    assert torch.equal(with_decoder(image_a, image_b), distance(image_a, image_b))


def test_refusals(weights, tmp_path):
    with pytest.raises(MetricError, match="did you mean 'lgn'"):
        create("perceptnet", weights=weights, layer="lng")
    wrong = str(tmp_path / "wrong.safetensors")
    safetensors.torch.save_file({"adaptation.beta": torch.ones(3)}, wrong)
    with pytest.raises(WeightsError, match="does not hold"):
        create("perceptnet", weights=wrong)
    safetensors.torch.save_file(Decoder().state_dict(), wrong)
    with pytest.raises(WeightsError, match="does not hold"):
        create("perceptnet", weights=wrong)
