"""Adam and its slow momentum: what a step is, and that it resumes."""

import dataclasses

import torch
from torch import nn

from metamer.train.recipe.options import Recipe
from metamer.train.step.optimisation import optimiser_of


class OneWeight(nn.Module):
    """A quadratic's parameter, as `Network` gives its groups."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([1.0]))

    def parameter_groups(self, recipe: Recipe) -> list[dict]:
        return [{"params": [self.weight], "share": 1.0, "lr": 1e-3}]


def steps(recipe: Recipe, gradients: torch.Tensor) -> list[float]:
    network = OneWeight()
    optimiser, places = optimiser_of(network, recipe), [1.0]
    for gradient in gradients:
        network.weight.grad = gradient.reshape(1)
        optimiser.step()
        places.append(network.weight.item())
    return places


def recipe(**values) -> Recipe:
    return dataclasses.replace(Recipe(stages=[]), **values)


def test_a_slow_momentum_adds_its_weight_times_the_gradients_average():
    """Algorithm 1 of the paper, without warm-up of α and β₃."""
    alpha, decay, rate = 5.0, 0.9, 1e-3
    gradients = torch.randn(20, generator=torch.Generator().manual_seed(0))
    fast = slow = square = torch.zeros(())
    weight, expected = torch.tensor(1.0), [1.0]
    for step, gradient in enumerate(gradients, 1):
        fast = 0.9 * fast + 0.1 * gradient
        slow = decay * slow + (1 - decay) * gradient
        square = 0.999 * square + 0.001 * gradient.square()
        root = (square / (1 - 0.999**step)).sqrt() + 1e-8
        weight = weight - rate * (fast / (1 - 0.9**step) + alpha * slow) / root
        expected.append(float(weight))
    places = steps(recipe(slow_momentum=alpha, slow_momentum_decay=decay), gradients)
    torch.testing.assert_close(places, expected, rtol=1e-5, atol=1e-6)


def test_a_small_gradient_in_much_noise_takes_it_further():
    gradients = 0.05 + torch.randn(3000, generator=torch.Generator().manual_seed(1))
    adam, slow = (steps(recipe(slow_momentum=alpha), gradients)[-1] - 1 for alpha in (0.0, 5.0))
    assert slow < 3 * adam < 0
