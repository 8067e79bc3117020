"""Balanced mixes against closed forms of curves that are known, and λ that finds its rate."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from metamer.codec.errors import RecipeError
from metamer.perception import registry
from metamer.perception.backbones import imagenet
from metamer.perception.distance import Distance
from metamer.perception.metric import Metric
from metamer.train.loss.objective import Distortion, RateTarget, slopes
from metamer.train.networks.interface import Reconstruction
from metamer.train.networks.levels import level_weights
from metamer.train.recipe.options import Stage

LEVELS = 6
LEVEL = torch.arange(LEVELS)


class PowerOfError(Distance):
    """share·MSE^power: as a distance, known along any curve on which the error is."""

    def __init__(self, share: float = 1.0, power: float = 1.0):
        super().__init__()
        self.share, self.power = share, power

    def between(self, reference, image):
        return self.share * (reference - image).square().mean((1, 2, 3)) ** self.power


@pytest.fixture(autouse=True)
def power_of_error(monkeypatch):
    metrics = {**registry.metrics(), "power": Metric("power", PowerOfError, "", "", "pixels")}
    monkeypatch.setattr(registry, "metrics", lambda: metrics)


def log_error(level):
    """ln MSE of `MadeUp` at quality ``level``: a parabola that falls at every level."""
    return -4 - 0.7 * level + 0.03 * level**2


class MadeUp:
    """A codec whose error is known. rate: level → bits a pixel."""

    options = SimpleNamespace(levels=LEVELS)
    has_curve = True

    def __init__(self, log_error=log_error, rate=lambda level: 0.1 * math.exp(0.6 * level)):
        self.log_error, self.rate = log_error, rate

    def __call__(self, image, level, stage):
        deviation = torch.where(torch.arange(image.shape[-1]) % 2 == 0, 1.0, -1.0) * math.exp(
            self.log_error(level[0].item()) / 2
        )
        bits = torch.full((len(image),), self.rate(level[0].item()) * image[0, 0].numel())
        return Reconstruction(image + deviation, bits)


def balanced(codec=None, **weights) -> Distortion:
    """weights: by name, `_share_power` after `power` for the options."""
    mix = {
        "power:share={},power={}".format(*name.split("_")[1:]) if "_" in name else name: weight
        for name, weight in weights.items()
    }
    distortion = Distortion(mix, LEVELS)
    distortion.balance(codec or MadeUp(), torch.rand(6, 3, 16, 16), Stage("s", 1))
    return distortion


def test_slopes_of_an_exponential_and_of_a_parabola():
    torch.testing.assert_close(slopes(3 * torch.exp(-0.4 * LEVEL)), torch.full((LEVELS,), -0.4))
    torch.testing.assert_close(slopes(torch.exp(log_error(LEVEL))), -0.7 + 0.06 * LEVEL)
    torch.testing.assert_close(slopes(torch.tensor([4.0, 1.0])), torch.full((2,), math.log(1 / 4)))


def test_slopes_see_through_noise():
    """A tenth of a nat on each level: the standard error of a least-squares line's slope, and the
    parabola's ends.
    """
    estimates = [
        slopes(
            torch.exp(
                -0.5 * LEVEL
                + 0.1 * torch.randn(LEVELS, generator=torch.Generator().manual_seed(seed))
            )
        )
        for seed in range(40)
    ]
    design = np.vander(LEVEL.double(), 3)
    slope = (
        np.stack([2 * LEVEL.numpy(), np.ones(LEVELS), np.zeros(LEVELS)], 1)
        @ np.linalg.inv(design.T @ design)
        @ design.T
    )
    expected = 0.1 * np.linalg.norm(slope, axis=1)
    assert (torch.stack(estimates) + 0.5).std(0).numpy() == pytest.approx(expected, rel=0.4)


@pytest.mark.parametrize(
    "mix", [{"mse": 1.0}, {"mse": 0.2, "power_5.0_1.0": 3.0}, {"power_0.1_0.5": 1.0, "mse": 1.0}]
)
def test_squared_error_is_the_unit(mix):
    distortion = balanced(**mix)
    torch.testing.assert_close(
        distortion.scale[:, list(mix).index("mse")], torch.ones(LEVELS), atol=1e-4, rtol=0
    )


@pytest.mark.parametrize("share", [0.02, 7.0])
def test_a_multiple_of_squared_error_is_divided_by_it(share):
    distortion = balanced(**{f"power_{share}_1.0": 1.0})
    torch.testing.assert_close(
        distortion.scale, torch.full((LEVELS, 1), 1 / share), atol=0, rtol=1e-4
    )
    image = torch.rand(4, 3, 16, 16)
    decoded, weights = (
        image + 0.1 * torch.randn_like(image),
        level_weights(torch.tensor([0.0, 1.3, 2.5, 5.0]), LEVELS),
    )
    mix = distortion.mix(distortion.per_distance(image, decoded), weights)
    torch.testing.assert_close(mix, (image - decoded).square().mean((1, 2, 3)), atol=0, rtol=1e-4)


@pytest.mark.parametrize("power", [0.4, 1.0, 1.7])
def test_a_codec_of_squared_error_is_stationary_for_the_balanced_distance(power):
    """dR/dt + λ·scale·dD/dt = 0 with the λ for which dR/dt + λ·dMSE/dt = 0, derivatives in closed
    form.
    """
    scale = balanced(**{f"power_3.0_{power}": 1.0}).scale[:, 0].double()
    level = LEVEL.double()
    rate_slope = 0.1 * 0.6 * torch.exp(0.6 * level)
    error, log_slope = torch.exp(log_error(level)), -0.7 + 0.06 * level
    multiplier = -rate_slope / (error * log_slope)
    distance_slope = 3.0 * error**power * power * log_slope
    torch.testing.assert_close(
        rate_slope + multiplier * scale * distance_slope,
        torch.zeros(LEVELS).double(),
        atol=1e-4 * rate_slope.max().item(),
        rtol=0,
    )


def test_weights_count_by_their_share():
    image = torch.rand(2, 3, 16, 16)
    decoded, weights = (
        image + 0.05 * torch.randn_like(image),
        level_weights(torch.tensor([0.4, 3.0]), LEVELS),
    )
    once, thrice = (
        balanced(**{"mse": 2.0 * factor, "power_3.0_0.5": 1.0 * factor}) for factor in (1, 3)
    )
    assert thrice.shares.tolist() == pytest.approx([2 / 3, 1 / 3])
    torch.testing.assert_close(
        once.mix(once.per_distance(image, decoded), weights),
        thrice.mix(thrice.per_distance(image, decoded), weights),
    )


def test_a_mix_lies_between_its_parts():
    mixed = balanced(**{"mse": 1.0, "power_3.0_0.5": 1.0})
    image = torch.rand(5, 3, 16, 16)
    decoded, weights = (
        image + 0.05 * torch.randn_like(image),
        level_weights(torch.rand(5) * (LEVELS - 1), LEVELS),
    )
    distances = mixed.per_distance(image, decoded)
    parts = distances * Distortion.interpolated(mixed.scale, weights)
    mix = mixed.mix(distances, weights)
    assert (
        (parts[:, 0] != parts[:, 1]).all()
        and (mix > parts.amin(1)).all()
        and (mix < parts.amax(1)).all()
    )


def test_the_start_is_the_distance_before_training():
    """``start`` is the mix of what the codec decoded, ``rates`` its bits a pixel."""
    distortion = balanced(**{"mse": 1.0, "power_3.0_0.5": 1.0})
    error = torch.exp(log_error(LEVEL))
    expected = 0.5 * error + 0.5 * 3 * error**0.5 * distortion.scale[:, 1]
    torch.testing.assert_close(distortion.start, expected, atol=0, rtol=1e-4)
    torch.testing.assert_close(distortion.rates, 0.1 * torch.exp(0.6 * LEVEL), atol=0, rtol=1e-4)


def test_tables_interpolate_exponentially():
    table = torch.tensor([[1.0], [10.0], [1000.0]])
    interpolated = Distortion.interpolated(table, level_weights(torch.tensor([0.0, 0.5, 1.5]), 3))
    torch.testing.assert_close(interpolated[:, 0], torch.tensor([1.0, 10**0.5, 1e2]))


def test_a_distance_that_does_not_fall_is_refused():
    constant = MadeUp(lambda level: -4.0)
    with pytest.raises(RecipeError, match=r"power:share=1\.0,power=1\.0: does not fall"):
        balanced(constant, **{"power_1.0_1.0": 1.0})
    at_the_end = MadeUp(lambda level: -4 - 0.6 * level + 0.07 * level**2)  # rises from 4.3 on
    with pytest.raises(RecipeError, match="does not fall"):
        balanced(at_the_end, **{"mse": 1.0, "power_1.0_1.0": 1.0})
    # what the distance is compared with
    with pytest.raises(RecipeError, match="mse: does not fall"):
        balanced(MadeUp(lambda level: -9 + 0.6 * level), **{"power_1.0_-1.0": 1.0})


def test_plain_squared_error_needs_no_curve():
    distortion = balanced(MadeUp(lambda level: -4.0), mse=1.0)
    assert distortion.is_plain and torch.equal(distortion.scale, torch.ones(LEVELS, 1))


class SingleRate(MadeUp):
    """One level, of the λ that `MadeUp` reaches at level ``at``; nothing is learnt yet."""

    options = SimpleNamespace(levels=1)

    def __init__(self, at: float):
        super().__init__(lambda level: -1.0)
        self.at = at

    def lagrangian(self, level):
        return torch.full_like(level, math.exp(self.at), dtype=torch.float32)


class Reference(MadeUp):
    """λ = e^t at level t."""

    def level_at(self, multiplier):
        return multiplier.log()


@pytest.mark.parametrize("at", [0.0, 2.5, 5.0])
def test_a_network_of_one_rate_is_balanced_where_the_reference_has_its_lambda(at):
    """Its own error, which says nothing before training, has no part in it; its rate has."""
    mix = {"mse": 1.0, "power:share=3.0,power=0.5": 1.0}
    single_rate, crops, stage = Distortion(mix, 1), torch.rand(6, 3, 16, 16), Stage("s", 1)
    single_rate.balance(SingleRate(at), crops, stage, Reference())
    all_rates = Distortion(mix, LEVELS)
    all_rates.balance(Reference(), crops, stage)
    weights = level_weights(torch.tensor([at]), LEVELS)
    torch.testing.assert_close(single_rate.scale, Distortion.interpolated(all_rates.scale, weights))
    torch.testing.assert_close(single_rate.start, Distortion.interpolated(all_rates.start, weights))
    assert single_rate.rates.tolist() == pytest.approx([0.1], rel=1e-4)


def test_balanced_scales_are_restored():
    balanced_distortion, restored = (
        balanced(**{"power_3.0_0.5": 1.0}),
        Distortion({"power:share=3.0,power=0.5": 1.0}, LEVELS),
    )
    restored.restore({name: value.clone() for name, value in balanced_distortion.state().items()})
    assert all(
        torch.equal(value, restored.state()[name])
        for name, value in balanced_distortion.state().items()
    )


def test_more_is_asked_for_below_the_target_and_less_above():
    target = RateTarget(torch.full((3,), 0.5), 0.1)
    target.update(torch.tensor([0.4, 0.6]), level_weights(torch.tensor([0.0, 2.0]), 3))
    low, untouched, high = target.factor(torch.eye(3)).tolist()
    assert (
        low == pytest.approx(math.exp(0.1 * 0.2 / 2))
        and untouched == 1
        and high == pytest.approx(math.exp(-0.1 * 0.2 / 2))
    )
    factor_between = target.factor(level_weights(torch.tensor([0.25]), 3)).item()
    assert factor_between == pytest.approx(low**0.75)


@settings(max_examples=12)
@given(
    st.floats(0.05, 2.0),
    st.floats(0.4, 1.0),
    st.lists(st.floats(-0.8, 0.8), min_size=4, max_size=4),
    st.integers(0, 99),
)
def test_lambda_finds_the_rate(amount, power, log_offset, seed):
    """R(λ) = amount·λ^power, half of it noise from crop to crop; targets up to e^±0.8 from where it
    starts.
    """
    rng = torch.Generator().manual_seed(seed)
    base = torch.exp(torch.arange(4.0))
    target = RateTarget(amount * base**power * torch.exp(torch.tensor(log_offset)), 0.1)
    rates = []
    for step in range(1500):
        level = torch.rand(16, generator=rng) * 3
        weights = level_weights(level, 4)
        multiplier = torch.exp(level) * target.factor(weights)
        target.update(amount * multiplier**power * (0.5 + torch.rand(16, generator=rng)), weights)
        if step >= 1000:
            rates.append(amount * (base * torch.exp(target.log_factor)) ** power)
    torch.testing.assert_close(torch.stack(rates).mean(0), target.targets, atol=0, rtol=0.05)


def test_the_factor_stays_within_bounds():
    """A target that no λ reaches must not run away."""
    target = RateTarget(torch.tensor([1.0, 1.0]), 0.9)
    for _ in range(50):
        target.update(torch.tensor([0.001, 100.0]), torch.eye(2))
    assert target.factor(torch.eye(2)).log().tolist() == pytest.approx([3, -3])


def test_networks_are_run_once_an_image(monkeypatch):
    runs = []
    run = imagenet.Network.run
    monkeypatch.setattr(
        imagenet.Network, "run", lambda self, *given: runs.append(0) or run(self, *given)
    )
    names = ["lpips-squeeze", "wasserstein:network=squeezenet,sigma=4"]
    images, decoded = torch.rand(2, 2, 3, 64, 64, generator=torch.Generator().manual_seed(3))
    alone = [registry.from_spec(name) for name in names]
    expected_leaf, leaf = decoded.clone().requires_grad_(), decoded.clone().requires_grad_()
    expected = torch.stack([distance.loss(images, expected_leaf) for distance in alone], 1)
    expected.sum().backward()
    runs.clear()
    values = Distortion(dict.fromkeys(names, 1.0), LEVELS).per_distance(images, leaf)
    values.sum().backward()
    assert len(runs) == 2
    torch.testing.assert_close(values, expected, rtol=1e-4, atol=1e-6)
    assert (leaf.grad - expected_leaf.grad).norm() < 1e-3 * expected_leaf.grad.norm()
