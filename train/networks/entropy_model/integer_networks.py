"""Networks whose every activation is an integer, so that each machine picks the same coding table.

Ballé, Johnston & Minnen, "Integer networks for data compression with latent-variable models" (ICLR
2019). Activations are integers from the start of training ("units": a hidden activation of 64 units
stands for 1.0). Rounding is switched on for the last phase of training with `set_quantised`, with
straight-through gradients.

Exactness: a layer computes floor((W·A + B) · 2^-shift) with integer W, B and A. For every output
channel the largest ``shift`` is chosen for which  sum|W|·max|A| + |B| < 2^24.  Then every partial
sum, in any order of summation, is an integer that float32 holds exactly, and so are the product
with a power of two and the floor.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from metamer.codec.network.latents import HYPER_MAX
from metamer.codec.network.passes import CONTEXT_MAX, SCALE_SHIFT

HIDDEN_ONE = 64  # units that stand for 1.0 in a hidden activation
HIDDEN_MAX = 1023
EXACT_LIMIT = 2**24  # float32 holds every integer up to here
MAX_SHIFT = 24


def round_through(value: Tensor) -> Tensor:
    """Rounds half up; the gradient passes as if nothing had happened."""
    return value + (torch.floor(value + 0.5) - value).detach()


class IntegerConv2d(nn.Module):
    """Convolution from integer activations to integer activations, edges replicated.

    input_one: (C,) units that stand for 1.0 in each input channel; input_max: (C,) largest
    magnitude of each. output_one: units that stand for 1.0 in the output; low, high: the output's
    clipping range, in units. Weights are trained in real terms (units divided out) and turned into
    integers by `integers`.
    """

    def __init__(
        self,
        input_one,
        input_max,
        channels: int,
        kernel: int,
        output_one=HIDDEN_ONE,
        low=0,
        high=HIDDEN_MAX,
    ):
        super().__init__()
        self.register_buffer(
            "input_one", torch.as_tensor(input_one, dtype=torch.float32), persistent=False
        )
        self.register_buffer(
            "input_max", torch.as_tensor(input_max, dtype=torch.float32), persistent=False
        )
        self.weight = nn.Parameter(torch.empty(channels, len(self.input_one), kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(channels))
        nn.init.kaiming_normal_(self.weight)
        self.output_one, self.low, self.high, self.quantised = output_one, low, high, False

    def unit_weight(self) -> Tensor:
        return self.weight * (self.output_one / self.input_one)[:, None, None]

    def integers(self) -> tuple[Tensor, Tensor, Tensor]:
        """Integer weights (O, I, k, k), integer biases (O,) with the rounding half included, shifts
        (O,).

        The bound of the module's docstring holds unless weights are so large that shift 0 breaks
        it; export refuses those. Gradients pass to the real weights.
        """
        weight, bias = self.unit_weight(), self.bias * self.output_one
        largest_sum = (weight.abs() * self.input_max[:, None, None]).sum((1, 2, 3)) + bias.abs() + 1
        shift = torch.floor(torch.log2(EXACT_LIMIT / largest_sum.detach())).clamp(0, MAX_SHIFT)
        # rounding can add half a unit a weight: step down where that crosses the limit
        for attempt in (0, 1):
            scale = torch.exp2(shift)
            integer_weight = round_through(weight * scale[:, None, None, None])
            offset = round_through((bias + 0.5) * scale)
            bound = (integer_weight.abs() * self.input_max[:, None, None]).sum(
                (1, 2, 3)
            ) + offset.abs()
            if not attempt:
                shift = torch.where(bound.detach() < EXACT_LIMIT, shift, (shift - 1).clamp_min(0))
        return integer_weight, offset, shift

    def forward(self, units: Tensor) -> Tensor:
        margin = self.weight.shape[-1] // 2
        if margin:
            units = F.pad(units, (margin,) * 4, mode="replicate")
        if not self.quantised:
            return F.hardtanh(
                F.conv2d(units, self.unit_weight(), self.bias * self.output_one),
                self.low,
                self.high,
            )
        with torch.autocast(units.device.type, enabled=False):
            weight, offset, shift = self.integers()
            total = F.conv2d(units.float(), weight, offset) * torch.exp2(-shift)[:, None, None]
            return (total + (torch.floor(total) - total).detach()).clamp(self.low, self.high)


def set_quantised(module: nn.Module, quantised: bool = True) -> None:
    """Switches rounding of every integer layer inside ``module``."""
    for layer in module.modules():
        if isinstance(layer, IntegerConv2d):
            layer.quantised = quantised


def hidden(channels: int) -> tuple[list[int], list[int]]:
    """``input_one`` and ``input_max`` of ``channels`` hidden activations."""
    return [HIDDEN_ONE] * channels, [HIDDEN_MAX] * channels


def joined(*parts: tuple[list[int], list[int]]) -> tuple[list[int], list[int]]:
    """``input_one`` and ``input_max`` of concatenated inputs."""
    return [x for values, _ in parts for x in values], [x for _, limit in parts for x in limit]


class HyperSynthesis(nn.Module):
    """Hyper-latents (N, Z, h, w), integers in ±HYPER_MAX, to features (N, F, 4h, 4w) for the
    context networks.
    """

    def __init__(self, hyper_latents: int, width: int, features: int):
        super().__init__()
        self.first = IntegerConv2d([4] * hyper_latents, [HYPER_MAX] * hyper_latents, width, 3)
        self.spread = IntegerConv2d(*hidden(width), 16 * features, 1)
        self.last = IntegerConv2d(*hidden(features), features, 3)

    def forward(self, hyper: Tensor) -> Tensor:
        return self.last(
            F.pixel_shuffle(self.spread(self.first(hyper.clamp(-HYPER_MAX, HYPER_MAX))), 4)
        )


class ContextNetwork(nn.Module):
    """Predicts one pass: features, quality planes and what is decoded so far → mean and log-scale
    of ``targets``.

    Input (N, features + quality + decoded, h, w) in units; output a pair (N, targets, n, 1) in
    units: means (`MEAN_ONE` stand for one standard deviation of the channel), log-scales
    (`SCALE_ONE` a step of the scale table).
    """

    DECODED_ONE, DECODED_MAX = 64, CONTEXT_MAX
    MEAN_ONE, MEAN_MAX = 256, 4095
    SCALE_ONE, SCALE_MAX = 1 << SCALE_SHIFT, 1023

    def __init__(self, features: int, quality: int, decoded: int, width: int, targets: int):
        super().__init__()
        sources = joined(
            hidden(features),
            ([HIDDEN_ONE] * quality, [HIDDEN_ONE] * quality),
            ([self.DECODED_ONE] * decoded, [self.DECODED_MAX] * decoded),
        )
        self.squeeze = IntegerConv2d(*sources, width, 1)
        self.spatial = IntegerConv2d(*hidden(width), width, 3)
        self.mix = IntegerConv2d(*hidden(width), width, 1)
        self.mean = IntegerConv2d(
            *hidden(width), targets, 1, self.MEAN_ONE, -self.MEAN_MAX, self.MEAN_MAX
        )
        self.scale = IntegerConv2d(
            *hidden(width), targets, 1, self.SCALE_ONE, -self.SCALE_MAX, self.SCALE_MAX
        )
        for head in (self.mean, self.scale):
            nn.init.normal_(head.weight, std=1e-3)

    def forward(
        self, units: Tensor, select: Callable[[Tensor], Tensor] = lambda planes: planes
    ) -> tuple[Tensor, Tensor]:
        """select: from planes (N, C, h, w) the positions (N, C, n, 1) of the pass, the only ones to
        be worked out; or all.
        """
        common = self.mix(select(self.spatial(self.squeeze(units))))
        return self.mean(common), self.scale(common)
