"""The critic: its size, what it may touch, and that its losses bound the divergences they are named
after.
"""

import copy
import math
from typing import get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lightning_fabric import Fabric
from torch.nn import functional as F

from metamer.train.loss.critic import (
    CriticOptions,
    FeatureCritic,
    LossName,
    Opponent,
    PatchCritic,
)
from metamer.train.loss.critic_losses import LOSSES
from metamer.train.networks.codec import Codec, NetworkOptions
from metamer.train.networks.levels import level_weights
from metamer.train.recipe.options import Stage

LATENTS, LEVELS = 6, 3
# what photographs and decodes show, with what odds
P, Q = torch.tensor([1, 2, 5, 4]) / 12, torch.tensor([4, 2, 2, 4]) / 12
RATIO = P / Q


def opponent(**options) -> Opponent:
    torch.manual_seed(0)
    return Opponent(
        CriticOptions(**{"width": 4, **options}),
        LATENTS,
        LEVELS,
        Fabric(accelerator="cpu", devices=1),
    )


def batch_of(
    batch: int = 2, side: int = 32, seed: int = 1
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Images, latents and quality weights."""
    rng = torch.Generator().manual_seed(seed)
    level = torch.rand(batch, generator=rng) * (LEVELS - 1)
    return (
        torch.rand(batch, 3, side, side, generator=rng),
        torch.randn(batch, LATENTS, side // 16, side // 16, generator=rng),
        level_weights(level, LEVELS),
    )


@pytest.mark.parametrize("size", [(32, 32), (64, 48)])
@pytest.mark.parametrize("conditional", [True, False])
def test_a_number_for_every_patch(size, conditional):
    critic = PatchCritic(LATENTS, LEVELS, CriticOptions(width=4, conditional=conditional))
    latent = torch.zeros(2, LATENTS, size[0] // 16, size[1] // 16)
    assert critic(torch.rand(2, 3, *size), latent, torch.ones(2, LEVELS)).shape == (
        2,
        1,
        size[0] // 8,
        size[1] // 8,
    )


def test_size():
    """HiFiC's widths at 384 latents and 9 levels, counted by hand; the fourth layer is 3x3."""
    condition = (384 + 9) * 12 * 9 + 12
    layers = (
        15 * 64 * 16
        + 64
        + 64 * 128 * 16
        + 128
        + 128 * 256 * 16
        + 256
        + 256 * 512 * 9
        + 512
        + 512
        + 1
    )
    for options, expected in (
        (CriticOptions(), condition + layers),
        (CriticOptions(spectral_norm=False), condition + layers),
        (CriticOptions(conditional=False), layers - 12 * 64 * 16),
    ):
        assert sum(p.numel() for p in PatchCritic(384, 9, options).parameters()) == expected


def test_patches_see_no_further_than_their_field():
    """Three 4x4 layers of stride 2 and a 3x3 one: 38 pixels, 15 of them before the patch's own
    eight.
    """
    critic = PatchCritic(LATENTS, LEVELS, CriticOptions(width=4, conditional=False))
    image, latent, weights = batch_of(1, 96)
    image.requires_grad_()
    critic(image, latent, weights)[0, 0, 6, 6].backward()
    rows = image.grad.abs().sum((0, 1, 3)).nonzero().flatten()
    assert (rows.min().item(), rows.max().item()) == (6 * 8 - 15, 6 * 8 + 22)


@pytest.mark.parametrize("size", [(32, 32), (64, 48)])
def test_features_are_judged_layer_by_layer(size):
    critic = FeatureCritic(LATENTS, LEVELS, CriticOptions(input="squeezenet", width=4))
    logits = critic(
        torch.rand(2, 3, *size),
        torch.zeros(2, LATENTS, size[0] // 16, size[1] // 16),
        torch.ones(2, LEVELS),
    )
    # squeezenet begins with a 3x3 layer of stride 2, unpadded
    assert logits.shape == (2, 5, size[0] // 2 - 1, size[1] // 2 - 1)


def test_the_network_of_the_critics_features_is_neither_trained_nor_saved():
    adversary = opponent(input="squeezenet")
    frozen = {name: value.clone() for name, value in adversary.critic.network.state_dict().items()}
    image, latent, weights = batch_of()
    adversary.learn(image, 0.5 * image, latent, weights, 1.0, 1.0)
    assert all(
        torch.equal(value, frozen[name])
        for name, value in adversary.critic.network.state_dict().items()
    )
    assert not any(name.startswith("network.") for name in adversary.state()["model"])


def singular_values(critic: PatchCritic) -> list[float]:
    layers = [layer for layer in critic.modules() if isinstance(layer, torch.nn.Conv2d)]
    return [
        torch.linalg.matrix_norm(layer.weight.detach().flatten(1), 2).item() for layer in layers
    ]


def test_spectral_norm_bounds_every_layer():
    critic = opponent(width=16).critic
    for layer in critic.modules():
        if isinstance(layer, torch.nn.Conv2d):
            layer.parametrizations.weight.original.data *= 5
    critic.train()
    for _ in range(30):
        critic(*batch_of())
    critic.eval()
    assert len(singular_values(critic)) == 6
    assert singular_values(critic) == pytest.approx([1] * 6, abs=0.02)


def test_spectral_norm_holds_while_the_critic_learns():
    bounded, free = opponent(learning_rate=0.02), opponent(learning_rate=0.02, spectral_norm=False)
    image, latent, weights = batch_of()
    for _ in range(30):
        for adversary in (bounded, free):
            adversary.learn(image, 0.5 * image, latent, weights, 1.0, 1.0)
    bounded.critic.eval()
    assert max(singular_values(bounded.critic)) < 1.1
    assert max(singular_values(free.critic)) > 1.5


@pytest.mark.parametrize("conditional", [True, False])
def test_only_a_conditional_critic_looks_at_latents_and_quality(conditional):
    critic = opponent(conditional=conditional).critic.eval()
    image, latent, weights = batch_of()
    logits = critic(image, latent, weights)
    assert torch.equal(logits, critic(image, latent + 1, weights)) != conditional
    assert torch.equal(logits, critic(image, latent, weights.roll(1, 1))) != conditional


def test_latents_tell_of_their_own_place():
    critic = opponent().critic.eval()
    image, latent, weights = batch_of(1, 96)
    other_latent = latent.clone()
    other_latent[..., 0, 0] += 3
    changed = (
        (critic(image, latent, weights) != critic(image, other_latent, weights))
        .flatten(2)
        .view(12, 12)
        .nonzero()
    )
    # a 3x3 layer takes it 32 pixels far, the field of a patch 15 more
    assert len(changed) and changed.max() < 12 // 2


INPUT_NAME = pytest.mark.parametrize("input_name", ["pixels", "squeezenet"])


@INPUT_NAME
@pytest.mark.parametrize("spectral_norm", [True, False])
def test_judging_changes_no_critic_and_has_gradients_for_the_decoder_only(
    spectral_norm, input_name
):
    adversary = opponent(spectral_norm=spectral_norm, input=input_name)
    before = {name: value.clone() for name, value in adversary.critic.state_dict().items()}
    decoded, latent, weights = (value.requires_grad_() for value in batch_of())
    adversary.judge(decoded, latent, weights).sum().backward()
    assert decoded.grad.abs().sum() > 0 and latent.grad is None
    assert all(parameter.grad is None for parameter in adversary.critic.parameters())
    assert all(
        torch.equal(value, before[name]) for name, value in adversary.critic.state_dict().items()
    )


def test_recipes_may_name_every_loss():
    assert get_args(LossName) == tuple(LOSSES)


@INPUT_NAME
def test_judgement_is_that_of_the_critic(input_name):
    adversary = opponent(input=input_name)
    decoded, latent, weights = batch_of()
    with torch.no_grad():
        expected = F.softplus(-adversary.critic.eval()(decoded, latent, weights)).mean((1, 2, 3))
    torch.testing.assert_close(adversary.judge(decoded, latent, weights), expected)


def test_learning_leaves_the_codec_alone():
    torch.manual_seed(0)
    codec = Codec(
        NetworkOptions(
            groups=[2, 4],
            width=8,
            analysis_blocks=1,
            synthesis_blocks=1,
            hyper_latents=4,
            features=4,
            context_width=8,
            levels=LEVELS,
        )
    )
    adversary = opponent()
    image, _, weights = batch_of()
    reconstruction = codec(image, weights @ torch.arange(LEVELS).float(), Stage("s", 1))
    before = [parameter.detach().clone() for parameter in adversary.critic.parameters()]
    adversary.learn(image, reconstruction.image, reconstruction.latent, weights, 1.0, 1.0)
    assert reconstruction.image.requires_grad
    assert all(parameter.grad is None for parameter in codec.parameters())
    assert all(
        not torch.equal(old, new)
        for old, new in zip(before, adversary.critic.parameters(), strict=True)
    )


def test_gradients_are_clipped_and_the_rate_is_that_of_the_stage():
    adversary = opponent(learning_rate=0.01)
    image, latent, weights = batch_of()
    adversary.learn(image, 0.5 * image, latent, weights, 0.25, 1e-6)
    total = (
        torch.stack([parameter.grad.norm() for parameter in adversary.critic.parameters()])
        .norm()
        .item()
    )
    assert total <= 1e-6 * 1.001
    assert [group["lr"] for group in adversary.optimiser.param_groups] == [0.0025]


@INPUT_NAME
def test_a_critic_carries_on_from_its_state(input_name):
    adversary, restored = opponent(input=input_name), opponent(learning_rate=1e-2, input=input_name)
    image, latent, weights = batch_of()
    adversary.learn(image, 0.5 * image, latent, weights, 1.0, 1.0)
    restored.load_state(
        copy.deepcopy(adversary.state())
    )  # as a checkpoint does, in which nothing is shared
    for critic in (adversary, restored):
        critic.options.learning_rate = 1e-3
        critic.learn(image, 0.9 * image, latent, weights, 1.0, 1.0)
    assert all(
        torch.equal(value, restored.critic.state_dict()[name])
        for name, value in adversary.critic.state_dict().items()
    )


# name → divergence of P from Q, and the V at which T = g_f(V) is f'(P/Q): Nowozin et al., tables 1,
# 2 and 6; their Jensen-Shannon conjugate belongs to twice the usual divergence, their Pearson
# generator to the one with Q below the line
F_DIVERGENCES = {
    "kl": ((P * (P / Q).log()).sum(), 1 + RATIO.log()),
    "reverse-kl": ((Q * (Q / P).log()).sum(), RATIO.log()),
    "jensen-shannon": (
        (P * (2 * P / (P + Q)).log() + Q * (2 * Q / (P + Q)).log()).sum(),
        RATIO.log(),
    ),
    "pearson": (((P - Q) ** 2 / Q).sum(), 2 * (RATIO - 1)),
}


def bound(name: str, value: torch.Tensor) -> float:
    """−loss of a critic that says ``value`` (4,) of the four things to be seen, each shown as often
    as its odds are.
    """
    real, fake = (
        value.repeat_interleave((12 * odds).round().long()).reshape(3, 1, 2, 2) for odds in (P, Q)
    )
    return -LOSSES[name].critic(real, fake).item()


@pytest.mark.parametrize("name", F_DIVERGENCES)
def test_the_best_critic_finds_the_divergence(name):
    divergence, best = F_DIVERGENCES[name]
    assert bound(name, best) == pytest.approx(divergence.item(), abs=1e-6)


@pytest.mark.parametrize("name", F_DIVERGENCES)
@settings(max_examples=40)
@given(
    change=st.lists(st.floats(-3, 3), min_size=4, max_size=4).filter(
        lambda change: max(map(abs, change)) > 0.05
    )
)
def test_no_other_critic_finds_as_much(name, change):
    divergence, best = F_DIVERGENCES[name]
    assert bound(name, best + torch.tensor(change)) < divergence.item() - 1e-5


@pytest.mark.parametrize(
    "name, best, divergence",
    [
        # softplus(−V), softplus(V) at V = ln P/Q; the square at V = P/(P + Q), from the calculus of
        # each place on its own
        ("non-saturating", RATIO.log(), -(P * (P / (P + Q)).log() + Q * (Q / (P + Q)).log()).sum()),
        ("least-squares", P / (P + Q), (P * Q / (P + Q)).sum() / 2),
    ],
)
def test_the_best_critic_of_other_losses(name, best, divergence):
    assert -bound(name, best) == pytest.approx(divergence.item(), abs=1e-6)
    for place in range(4):
        for change in (-0.05, 0.05):
            assert (
                -bound(name, best + change * F.one_hot(torch.tensor(place), 4))
                > divergence.item() + 1e-5
            )


@pytest.mark.parametrize("name", LOSSES)
def test_the_codecs_loss_falls_where_the_critic_takes_it_for_a_photograph(name):
    """Its loss falls as V rises, one value an image (least squares: up to 1, where it wants
    to be).
    """
    value = torch.linspace(-2, 0.9, 30, requires_grad=True)
    loss = LOSSES[name].codec(value.reshape(-1, 1, 1, 1).expand(-1, 1, 2, 2))
    assert loss.shape == (30,)
    (slope,) = torch.autograd.grad(loss.sum(), value)
    assert (slope < 0).all()


def pictures(batch: int, contrast: float, rng: torch.Generator) -> torch.Tensor:
    return 0.5 + contrast * (torch.rand(batch, 3, 32, 32, generator=rng) - 0.5)


def learned_bound(name: str, contrast: float, steps: int) -> float:
    """The bound on fresh pictures that differ in contrast, after a critic learned to tell them
    apart.
    """
    adversary, rng = opponent(loss=name, learning_rate=5e-3), torch.Generator().manual_seed(2)
    _, latent, weights = batch_of(16)
    for _ in range(steps):
        adversary.learn(
            pictures(16, 0.5, rng), pictures(16, contrast, rng), latent, weights, 1.0, 1.0
        )
    adversary.critic.eval()
    _, latent, weights = batch_of(64)
    with torch.no_grad():
        real, fake = (
            adversary.critic(pictures(64, value, rng), latent, weights) for value in (0.5, contrast)
        )
    return -adversary.loss.critic(real, fake).item()


@pytest.mark.parametrize("name", F_DIVERGENCES)
def test_a_critic_learns_how_far_decodes_are_from_photographs(name):
    before, after, on_equal = (
        learned_bound(name, 0.2, 0),
        learned_bound(name, 0.2, 60),
        learned_bound(name, 0.5, 60),
    )
    print(
        f"{name}: {before:.3f} before, {after:.3f} after 60 steps; {on_equal:.4f} where there is "
        "nothing to find"
    )
    assert after > before + 0.1 and after > 0.1
    assert abs(on_equal) < 0.02
    if name == "jensen-shannon":
        assert after < 2 * math.log(2)


@INPUT_NAME
def test_a_network_without_latents_has_a_critic_too(input_name):
    """Conditional or not: there is nothing to show it besides the picture."""
    torch.manual_seed(0)
    fabric = Fabric(accelerator="cpu", devices=1)
    adversary = Opponent(CriticOptions(width=4, input=input_name), 0, LEVELS, fabric)
    image, _, weights = batch_of()
    judged = adversary.judge(image, None, weights)
    adversary.learn(image, 0.5 * image, None, weights, 1.0, 1.0)
    assert adversary.critic.condition is None and judged.shape == (2,)
    assert not torch.equal(adversary.judge(image, None, weights), judged)
