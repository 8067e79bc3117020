"""Integer networks with their integers fixed, as they ship."""

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from metamer.train.networks.entropy_model.integer_networks import (
    EXACT_LIMIT,
    ContextNetwork,
    IntegerConv2d,
)


def exact(layer: IntegerConv2d) -> tuple[Tensor, Tensor, Tensor]:
    """Weights (O, C, k, k), biases (O,), powers of two (O,); refuses a layer that float32 might not
    compute exactly.
    """
    weight, bias, shift = (part.detach() for part in layer.integers())
    bound = (weight.double().abs() * layer.input_max[:, None, None]).sum(
        (1, 2, 3)
    ) + bias.double().abs()
    if bound.max() >= EXACT_LIMIT:
        raise ValueError(
            f"an accumulator can reach {bound.max():.0f}, which float32 does not hold exactly"
        )
    return weight, bias, torch.exp2(-shift)


class FrozenConv(nn.Module):
    """An `IntegerConv2d` with its integers fixed."""

    def __init__(self, layer: IntegerConv2d):
        super().__init__()
        weight, bias, scale = exact(layer)
        self.conv = nn.Conv2d(weight.shape[1], weight.shape[0], weight.shape[-1])
        self.conv.weight.data, self.conv.bias.data = weight, bias
        self.register_buffer("scale", scale[:, None, None])
        self.margin, self.low, self.high = weight.shape[-1] // 2, layer.low, layer.high

    def forward(self, units: Tensor) -> Tensor:
        if self.margin:
            units = F.pad(units, (self.margin,) * 4, mode="replicate")
        return torch.floor(self.conv(units) * self.scale).clamp(self.low, self.high)


class FrozenRows(nn.Module):
    """The same at chosen positions: (n, k·k·C) neighbourhoods, row by row, channels innermost → (n,
    O).
    """

    def __init__(self, layer: IntegerConv2d):
        super().__init__()
        weight, bias, scale = exact(layer)
        rows = weight.permute(0, 2, 3, 1).flatten(1)
        self.conv = nn.Linear(rows.shape[1], rows.shape[0])
        self.conv.weight.data, self.conv.bias.data = rows, bias
        self.register_buffer("scale", scale)
        self.low, self.high = layer.low, layer.high

    def forward(self, units: Tensor) -> Tensor:
        return torch.floor(self.conv(units) * self.scale).clamp(self.low, self.high)


def freeze(module: nn.Module, kind: type[nn.Module] = FrozenConv) -> nn.Module:
    """A copy of ``module`` with every integer layer frozen."""
    module = copy.deepcopy(module)
    for name, child in list(module.named_modules()):
        if isinstance(child, IntegerConv2d):
            parent = module.get_submodule(name.rpartition(".")[0])
            setattr(parent, name.rpartition(".")[2], kind(child))
    return module.eval()


class ContextGraph(nn.Module):
    """context (1, h, w, C) in units → mean and log-scale, int16, (n, targets) of the n positions of
    one pass, in raster order.

    parity: of row + column of those. The first layer alone runs everywhere; the others do half the
    work of convolutions.
    """

    def __init__(self, network: ContextNetwork, parity: int):
        super().__init__()
        self.network, self.parity = freeze(network, FrozenRows), parity

    def forward(self, context: Tensor) -> tuple[Tensor, Tensor]:
        network, (_, height, width, channels) = self.network, context.shape
        common = network.squeeze(context.reshape(-1, channels))
        around = self.around(height, width)
        common = common.index_select(0, around.flatten()).reshape(around.shape[0], -1)
        common = network.mix(network.spatial(common))
        return network.mean(common).to(torch.int16), network.scale(common).to(torch.int16)

    def around(self, height: int, width: int) -> Tensor:
        """(n, 9) where the 3x3 neighbours of each position are, edges replicated."""
        twice = 2 * torch.arange((height * width + 1 - self.parity) // 2)
        # rows of even length each begin with the other colour; along odd ones colours alternate
        # from row to row by themselves
        here = twice + (self.parity + twice // width * (1 - width % 2)) % 2
        row, offsets = here // width, torch.arange(-1, 2)
        rows = (row[:, None] + offsets).clamp(0, height - 1)
        columns = ((here - row * width)[:, None] + offsets).clamp(0, width - 1)
        return (rows[:, :, None] * width + columns[:, None]).flatten(1)
