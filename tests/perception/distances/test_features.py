"""Networks, layers, channel subsets and perceptual efficacy."""

import pytest
import torch

from metamer.perception import ComparisonError, create
from metamer.perception.backbones.efficacy import (
    CONTRAST,
    ChannelTuning,
    efficacy,
    frequencies,
    measure_tuning,
    oriented_gratings,
    peak_frequency,
    radial_gratings,
    silent_share,
)
from metamer.perception.backbones.imagenet import NETWORKS, Network
from metamer.perception.distances.features import SUBSETS, LayerSweep, channel_weights

pytestmark = pytest.mark.usefixtures("all_weights")
WIDTHS = {
    "squeezenet": [64, 128, 128, 256, 256, 384, 384, 512, 512],
    "alexnet": [64, 192, 384, 256, 256],
    "vgg16": [64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512],
}


@pytest.fixture(scope="module")
def squeeze() -> Network:
    return Network("squeeze")


@pytest.mark.parametrize("name", NETWORKS)
def test_every_layer_at_the_smallest_size(name):
    network = Network(name)
    features = network(torch.rand(2, 3, network.min_side, network.min_side + 5), network.layers)
    assert (
        [value.shape[1] for value in features.values()]
        == WIDTHS[name]
        == list(network.channels.values())
    )
    assert all(min(value.shape[-2:]) >= 1 and (value >= 0).all() for value in features.values())
    with pytest.raises(ComparisonError, match="pixels a side"):
        network(torch.rand(1, 3, network.min_side - 1, network.min_side - 1), network.layers)


def test_remembered_features_are_the_same_and_forgotten_after(squeeze):
    picture = torch.rand(1, 3, 40, 40)
    computed = squeeze(picture, ["fire4"])["fire4"]
    with squeeze.remembering() as memory:
        assert torch.equal(squeeze(picture, ["fire4"])["fire4"], computed)
        assert squeeze(picture, ["relu1"])["relu1"] is squeeze(picture, ["relu1"])["relu1"]
        assert len(memory) == 1
    assert squeeze.memory is None


def test_subsets_hold_the_channels_of_their_names(squeeze):
    scores = efficacy(squeeze, "fire6")
    high, low, half = (channel_weights(squeeze, "fire6", name) for name in ("H-10", "L-10", "L-50"))
    # of 384, the percentile itself included
    assert high.count_nonzero() == 39 and half.count_nonzero() == 192
    assert low.count_nonzero() >= 39  # more where channels that never answer tie
    assert (
        scores[high > 0].min() > scores[high == 0].max()
        and scores[low > 0].max() < scores[low == 0].min()
    )
    assert torch.equal(channel_weights(squeeze, "fire6", "efficacy"), scores / scores.sum())
    for name in SUBSETS:
        assert channel_weights(squeeze, "fire6", name).sum().item() == pytest.approx(1, rel=1e-5)


def test_silent_channels_are_those_without_efficacy(squeeze):
    """More than a tenth of fire9: its L-10 is all of them."""
    share = silent_share("squeezenet", "fire9")
    assert share == (efficacy(squeeze, "fire9") == 0).float().mean().item() > 0.1
    assert channel_weights(squeeze, "fire9", "L-10").count_nonzero() == round(512 * share)


def test_the_feature_loss_is_equation_1(squeeze):
    image_a, image_b = torch.rand(2, 2, 3, 48, 48)
    difference = squeeze(image_a, ["fire3"])["fire3"] - squeeze(image_b, ["fire3"])["fire3"]
    expected = difference.square().sum((1, 2, 3)) / difference[0].numel()
    assert torch.allclose(
        create("features", network="squeezenet", layer="fire3")(image_a, image_b),
        expected,
        rtol=1e-5,
    )


def test_a_sweep_equals_single_distances():
    from metamer.perception import from_spec

    sweep = LayerSweep("squeezenet")
    image_a, image_b = torch.rand(2, 1, 3, 48, 48)
    swept = sweep.between(sweep.space(image_a), sweep.space(image_b))
    assert len(swept) == 9 * len(SUBSETS)
    for label in sweep.labels[::7]:
        assert from_spec(label)(image_a, image_b).item() == pytest.approx(swept[label], rel=1e-4)


@pytest.mark.parametrize(
    ("name", "layers"), [("squeezenet", None), ("alexnet", None), ("vgg16", ["relu1_2", "relu2_2"])]
)
def test_the_shipped_efficacies_are_what_is_measured(name, layers):
    network = Network(name)
    for layer, tuning in measure_tuning(network, layers=layers).items():
        assert torch.allclose(tuning.efficacy, efficacy(network, layer), rtol=1e-2, atol=1e-7)


def test_gratings_are_what_they_should_be():
    rings, stripes = radial_gratings(), oriented_gratings()
    assert rings.shape == (len(frequencies()), 3, 256, 256) and stripes.shape == (36, 3, 256, 256)
    for gratings in (rings, stripes):
        assert (
            gratings.min() >= 0.5 - CONTRAST / 2 - 1e-6
            and gratings.max() <= 0.5 + CONTRAST / 2 + 1e-6
        )
    turned = rings.rot90(1, (2, 3))
    assert torch.allclose(rings, turned, atol=1e-4)  # no orientation is preferred
    spectrum = torch.fft.rfft2(stripes[0, 0] - stripes[0, 0].mean()).abs()
    row, column = divmod(spectrum.argmax().item(), spectrum.shape[1])
    # vertical stripes, cycles over the 8 degrees shown
    assert row == 0 and column == round(peak_frequency() * 256 / 32)
    assert 6 <= peak_frequency() <= 8  # where Tariq et al. say that people see best


def test_efficacy_rewards_tuning_and_nothing_else():
    steps, angles = frequencies(), torch.arange(36) * torch.pi / 36
    tuned = torch.exp(-((steps - 8) ** 2) / 8)
    by_frequency = torch.stack([tuned, tuned, torch.ones_like(steps)], 1)
    by_orientation = torch.stack([angles.cos().square(), torch.ones(36), angles.cos().square()], 1)
    tuning = ChannelTuning(steps, by_frequency, by_orientation)
    assert tuning.efficacy[0] > 0 and tuning.efficacy[1] == 0 and tuning.efficacy[2] == 0
    expected = (by_orientation[:, 0] - 1).square().sum()
    assert tuning.orientation_selectivity[0].item() == pytest.approx(expected.item())


def test_wasserstein_runs_from_fidelity_to_realism():
    texture = torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    moved = texture.roll((7, 5), (2, 3))  # the same statistics elsewhere
    dull = 0.5 + 0.5 * (texture - 0.5)
    narrow, middle, wide_pooling = (
        create("wasserstein", network="squeezenet", sigma=sigma) for sigma in (0, 8, 32)
    )
    # ever less is asked of places
    assert narrow(texture, moved) > middle(texture, moved) > 1.5 * wide_pooling(texture, moved)
    # never less of statistics
    assert 2 * wide_pooling(texture, moved) < wide_pooling(texture, dull) > narrow(texture, dull)


def test_wasserstein_takes_a_map_of_widths():
    image_a, image_b = torch.rand(2, 1, 3, 64, 80)
    constant_map, by_number = (
        create("wasserstein", network="squeezenet", sigma=s)
        for s in (torch.full((64, 80), 5.0), 5.0)
    )
    assert constant_map(image_a, image_b).item() == pytest.approx(
        by_number(image_a, image_b).item(), rel=1e-3
    )
    widths = torch.zeros(64, 80)
    widths[:, 40:] = 20
    mixed = create("wasserstein", network="squeezenet", sigma=widths)(image_a, image_b)
    ends = [
        create("wasserstein", network="squeezenet", sigma=float(sigma))(image_a, image_b)
        for sigma in (0, 20)
    ]
    assert min(ends) < mixed < max(ends)


def test_no_pooling_is_plain_feature_difference(squeeze):
    from metamer.perception.distances.wasserstein import LAYERS

    image_a, image_b = torch.rand(2, 1, 3, 64, 64)
    features_a, features_b = (squeeze(x, LAYERS["squeezenet"]) for x in (image_a, image_b))
    expected = (image_a - image_b).square().mean() + sum(
        (features_a[k] - features_b[k]).square().mean() for k in features_a
    )
    distance = create("wasserstein", network="squeezenet", sigma=0.0)(image_a, image_b)
    assert distance.item() == pytest.approx(expected.item(), rel=1e-4)
