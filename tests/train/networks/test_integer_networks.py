"""Integer layers: exact in float32 whatever the order of summation, and close to what they
quantise.
"""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from metamer.train.export.frozen import FrozenConv, freeze
from metamer.train.networks.entropy_model.integer_networks import (
    EXACT_LIMIT,
    ContextNetwork,
    HyperSynthesis,
    IntegerConv2d,
    hidden,
    set_quantised,
)


def layer(seed: int, size: float, kernel: int, channels: int = 24) -> IntegerConv2d:
    torch.manual_seed(seed)
    convolution = IntegerConv2d(*hidden(channels), 16, kernel)
    torch.nn.init.normal_(convolution.weight, std=size)
    torch.nn.init.normal_(convolution.bias, std=1.0)
    return convolution


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.floats(1e-4, 30), st.sampled_from([1, 3]))
def test_accumulator_bound_holds(seed, size, kernel):
    convolution = layer(seed, size, kernel)
    weight, bias, shift = convolution.integers()
    assert (
        torch.equal(weight, weight.round())
        and torch.equal(bias, bias.round())
        and torch.equal(shift, shift.round())
    )
    bound = (weight.double().abs() * 1023).sum((1, 2, 3)) + bias.double().abs()
    assert bound.max() < EXACT_LIMIT
    FrozenConv(convolution)  # checks the same, in its own words


@settings(max_examples=20)
@given(st.integers(0, 10**6), st.sampled_from([0.05, 1.0]))
def test_float32_equals_integers_in_any_order(seed, size):
    convolution = layer(seed, size, 1)
    convolution.quantised = True
    units = np.random.default_rng(seed).integers(0, 1024, (24, 35))
    output = (
        convolution(torch.tensor(units, dtype=torch.float32)[None, :, :, None])[0, :, :, 0]
        .detach()
        .numpy()
    )
    weight, bias, shift = (
        part.detach().numpy().astype(np.int64) for part in convolution.integers()
    )
    exact = (weight[:, :, 0, 0] @ units + bias[:, None]) >> shift[:, None]
    np.testing.assert_array_equal(output, exact.clip(0, 1023))
    order = np.random.default_rng(seed + 1).permutation(24)
    total = np.repeat(bias[:, None].astype(np.float32), 35, 1)
    for channel in order:
        total += weight[:, channel, 0, 0, None].astype(np.float32) * units[channel].astype(
            np.float32
        )
    np.testing.assert_array_equal(
        np.floor(total * np.exp2(-shift[:, None].astype(np.float32))).clip(0, 1023), output
    )


def test_a_layer_that_could_overflow_is_refused():
    convolution = layer(0, 1.0, 3)
    with torch.no_grad():
        convolution.weight.fill_(1e6)
    with pytest.raises(ValueError, match="exactly"):
        FrozenConv(convolution)


@pytest.mark.parametrize("kernel", [1, 3])
def test_quantising_changes_little(kernel):
    convolution = layer(3, 0.1, kernel)
    units = torch.randint(0, 256, (1, 24, 12, 12)).float()
    before = convolution(units)
    convolution.quantised = True
    after = convolution(units)
    assert torch.equal(after, after.round())
    assert (after - before).abs().mean() <= 1.0


def test_frozen_networks_equal_quantised_ones():
    torch.manual_seed(1)
    hyper, context = HyperSynthesis(8, 16, 8), ContextNetwork(8, 4, 6, 16, 5)
    for network in (hyper, context):
        set_quantised(network)
    units = torch.randint(-63, 64, (1, 8, 3, 4)).float()
    assert torch.equal(hyper(units), freeze(hyper)(units))
    inputs = torch.randint(-64, 65, (1, 18, 6, 5)).float()
    for quantised, frozen in zip(context(inputs), freeze(context)(inputs), strict=True):
        assert torch.equal(quantised, frozen)


def test_straight_through_gradients_reach_every_weight():
    convolution = layer(5, 0.05, 3)
    convolution.quantised = True
    convolution(torch.randint(0, 1024, (1, 24, 6, 6)).float()).sum().backward()
    assert (
        torch.isfinite(convolution.weight.grad).all()
        and convolution.weight.grad.abs().sum() > 0
        and convolution.bias.grad.abs().sum() > 0
    )
