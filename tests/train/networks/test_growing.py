"""Syntheses of other sizes: what they start as, what they see, what they cost."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from metamer.train.networks.transforms.growing import grown
from metamer.train.networks.transforms.synthesis import DecoderOptions, Synthesis
from metamer.train.recipe.files import load
from tests.conftest import ROOT

LATENTS, LEVELS, SIDE = 32, 4, 12


def trained(options: DecoderOptions) -> Synthesis:
    """As if it had been: no weight is where it started."""
    generator = torch.Generator().manual_seed(1)
    synthesis = Synthesis(LATENTS, options, LEVELS)
    with torch.no_grad():
        for weight in synthesis.parameters():
            weight += 0.1 * torch.randn(weight.shape, generator=generator)
        synthesis.companding.log_scale.copy_(torch.rand(LEVELS, LATENTS, generator=generator))
    return synthesis.eval()


@pytest.fixture
def inputs() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(2)
    latent = torch.randn(2, LATENTS, SIDE, SIDE, generator=generator)
    return latent, torch.tensor([[0, 0.3, 0.7, 0], [1.0, 0, 0, 0]])


@pytest.mark.parametrize("stride", [8, 16])
@pytest.mark.parametrize("width, blocks", [(20, 3), (14, 3), (20, 2), (14, 2)])
def test_a_larger_synthesis_starts_as_the_one_it_grew_from(stride, width, blocks, inputs):
    smaller = trained(DecoderOptions(stride, 14, 2))
    larger = grown(smaller, DecoderOptions(stride, width, blocks))
    assert larger.options == DecoderOptions(stride, width, blocks)
    with torch.no_grad():
        torch.testing.assert_close(larger(*inputs), smaller(*inputs), rtol=0, atol=2e-5)


def test_new_channels_and_blocks_learn_from_the_second_step_on(inputs):
    """What reads is as in an untrained network, what writes is nought: no gradient is nought for
    ever.
    """
    larger = grown(trained(DecoderOptions(8, 14, 2)), DecoderOptions(8, 20, 3))
    optimiser = torch.optim.SGD(larger.parameters(), lr=1e-3)
    for _ in range(2):
        optimiser.zero_grad()
        larger(*inputs).square().mean().backward()
        optimiser.step()
    for name, parameter in larger.named_parameters():
        assert (parameter.grad != 0).float().mean() > 0.5, name


@pytest.mark.parametrize(
    "options", [DecoderOptions(16, 24, 1), DecoderOptions(8, 8, 2), DecoderOptions(8, 14, 1)]
)
def test_another_synthesis_starts_as_the_linear_transform(options, inputs):
    original = trained(DecoderOptions(8, 14, 2))
    replacement = grown(original, options)
    linear = original.linear(inputs[0]) + 0.5
    with torch.no_grad():
        assert (replacement(*inputs) - linear).abs().max() < 0.05 * linear.std()
        replacement.head.weight.zero_()
        torch.testing.assert_close(replacement(*inputs), linear)


@pytest.mark.parametrize(
    "options",
    [DecoderOptions(stride, 6, blocks) for stride, blocks in [(8, 0), (8, 3), (8, 4), (16, 0)]]
    + [DecoderOptions(16, 6, 1), DecoderOptions(16, 6, 2)],
)
def test_the_receptive_field_is_what_it_sees_and_no_more(options, inputs):
    synthesis = trained(options)
    synthesis.linear.crossing.data.copy_(torch.randn(16, 16))
    latent, weights = inputs
    changed = latent.clone()
    changed[:, :, 6, 6] += 1
    with torch.no_grad():
        difference = (synthesis(latent, weights) - synthesis(changed, weights)).abs().amax((0, 1))
    affected = torch.nonzero(
        difference.unflatten(1, (SIDE, 16)).unflatten(0, (SIDE, 16)).amax((1, 3))
    )
    assert (
        affected.min() == 6 - synthesis.receptive_field
        and affected.max() == 6 + synthesis.receptive_field
    )


@pytest.mark.parametrize("name, low, high", [("fast", 2.0, 3.0), ("fine", 28, 38)])
def test_the_ladders_rungs_cost_what_they_should(name, low, high):
    """kMAC a pixel, the entropy networks' 2.0 aside."""
    network = load(ROOT / "train" / "recipes" / f"decoder-{name}.yaml").network
    synthesis = Synthesis(sum(network.groups), network.synthesis, network.levels)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        synthesis(torch.zeros(1, sum(network.groups), 8, 8), torch.ones(1, network.levels))
    assert low < counter.get_total_flops() / 2 / 128**2 / 1000 < high
