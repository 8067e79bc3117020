"""Inception as FID and KID read it: the network of December 2015, 2048 features a picture.

Szegedy et al., "Rethinking the Inception architecture", CVPR 2016. Heusel et al., NeurIPS 2017,
took Google's file of 2015-12-05, and figures are comparable with those of others for that file
alone: torchvision's Inception has other weights and poolings.
"""

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from metamer.perception import weights
from metamer.perception.errors import ComparisonError

SIDE = 299  # of what the network sees
VARIANCE_FLOOR = 1e-3  # of its batch normalisations


class Convolution(nn.Conv2d):
    """A convolution, the batch normalisation folded into it, and a rectifier."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int | tuple[int, int],
        stride: int = 1,
        valid: bool = False,
    ):
        sides = kernel if isinstance(kernel, tuple) else (kernel, kernel)
        padding = (0, 0) if valid or stride > 1 else (sides[0] // 2, sides[1] // 2)
        super().__init__(inputs, outputs, sides, stride, padding)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu_(super().forward(x))


class Branches(nn.ModuleDict):
    """Modules side by side on one input, their channels joined."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.values()], 1)


def tower(*modules: nn.Module) -> nn.Sequential:
    """Modules one after another, called as TensorFlow did: conv, conv_1, …; pool; mixed for
    branches.
    """
    names = {Convolution: "conv", Branches: "mixed"}
    named: OrderedDict[str, nn.Module] = OrderedDict()
    for module in modules:
        kind = names.get(type(module), "pool")
        count = sum(name.partition("_")[0] == kind for name in named)
        named[f"{kind}_{count}" if count else kind] = module
    return nn.Sequential(named)


def halving() -> nn.Module:
    return nn.MaxPool2d(3, 2)


def averaging() -> nn.Module:
    return nn.AvgPool2d(3, 1, 1, count_include_pad=False)


def fine(inputs: int, pooled: int) -> Branches:
    """35 × 35 positions."""
    return Branches(
        {
            "conv": Convolution(inputs, 64, 1),
            "tower": tower(Convolution(inputs, 48, 1), Convolution(48, 64, 5)),
            "tower_1": tower(
                Convolution(inputs, 64, 1), Convolution(64, 96, 3), Convolution(96, 96, 3)
            ),
            "tower_2": tower(averaging(), Convolution(inputs, pooled, 1)),
        }
    )


def to_middle() -> Branches:
    return Branches(
        {
            "conv": Convolution(288, 384, 3, 2),
            "tower": tower(
                Convolution(288, 64, 1), Convolution(64, 96, 3), Convolution(96, 96, 3, 2)
            ),
            "pool": halving(),
        }
    )


def middle(width: int) -> Branches:
    """17 × 17 positions; 7 × 7 kernels as rows and columns."""
    row, column = (1, 7), (7, 1)
    return Branches(
        {
            "conv": Convolution(768, 192, 1),
            "tower": tower(
                Convolution(768, width, 1),
                Convolution(width, width, row),
                Convolution(width, 192, column),
            ),
            "tower_1": tower(
                Convolution(768, width, 1),
                Convolution(width, width, column),
                Convolution(width, width, row),
                Convolution(width, width, column),
                Convolution(width, 192, row),
            ),
            "tower_2": tower(averaging(), Convolution(768, 192, 1)),
        }
    )


def to_coarse() -> Branches:
    return Branches(
        {
            "tower": tower(Convolution(768, 192, 1), Convolution(192, 320, 3, 2)),
            "tower_1": tower(
                Convolution(768, 192, 1),
                Convolution(192, 192, (1, 7)),
                Convolution(192, 192, (7, 1)),
                Convolution(192, 192, 3, 2),
            ),
            "pool": halving(),
        }
    )


def coarse(inputs: int, pool: nn.Module) -> Branches:
    """8 × 8 positions."""

    def forked() -> Branches:
        return Branches(
            {"conv": Convolution(384, 384, (1, 3)), "conv_1": Convolution(384, 384, (3, 1))}
        )

    return Branches(
        {
            "conv": Convolution(inputs, 320, 1),
            "tower": tower(Convolution(inputs, 384, 1), forked()),
            "tower_1": tower(Convolution(inputs, 448, 1), Convolution(448, 384, 3), forked()),
            "tower_2": tower(pool, Convolution(inputs, 192, 1)),
        }
    )


def inception_layers() -> nn.Sequential:
    """The whole network, its layers called as in Google's graph."""
    return tower(
        Convolution(3, 32, 3, 2),
        Convolution(32, 32, 3, valid=True),
        Convolution(32, 64, 3),
        halving(),
        Convolution(64, 80, 1),
        Convolution(80, 192, 3, valid=True),
        halving(),
        fine(192, 32),
        fine(256, 64),
        fine(288, 64),
        to_middle(),
        middle(128),
        middle(160),
        middle(160),
        middle(192),
        to_coarse(),
        coarse(1280, averaging()),
        coarse(2048, nn.MaxPool2d(3, 1, 1)),
        nn.AvgPool2d(8),
    )


def fold_normalisation(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state dictionary of convolutions from kernels (weight) and normalisations (beta, mean,
    var).
    """
    state = {}
    for name in {name.rpartition(".")[0] for name in tensors}:
        weight, beta, mean, var = (
            tensors[f"{name}.{part}"].double() for part in ("weight", "beta", "mean", "var")
        )
        scale = (var + VARIANCE_FLOOR).rsqrt()
        state[f"{name}.weight"] = (weight * scale[:, None, None, None]).float()
        state[f"{name}.bias"] = (beta - mean * scale).float()
    return state


def resize_matrix(side: int) -> Tensor:
    """(299, side): a line of ``side`` samples to 299, linearly and as the network's own graph does
    it.

    Pixel i is read at i · side / 299, without the half a pixel that resizing has elsewhere.
    """
    places = torch.arange(SIDE, dtype=torch.float64) * side / SIDE
    left = places.long().clamp(max=side - 1)
    share = places - left
    matrix = torch.zeros(SIDE, side, dtype=torch.float64)
    matrix.scatter_add_(1, left[:, None], 1 - share[:, None])
    matrix.scatter_add_(1, (left + 1).clamp(max=side - 1)[:, None], share[:, None])
    return matrix.float()


class Inception(nn.Module):
    """(N, 3, H, W) of uint8, resized to 299 × 299 → (N, 2048) features, frozen. `WeightsError`
    where weights are missing.
    """

    def __init__(self):
        super().__init__()
        self.layers = inception_layers()
        self.layers.load_state_dict(fold_normalisation(weights.load("inception")))
        self.requires_grad_(False).eval()
        self.to(memory_format=torch.channels_last)  # a third faster on CPUs

    def forward(self, image: Tensor) -> Tensor:
        if image.ndim != 4 or image.shape[1] != 3 or image.dtype != torch.uint8:
            raise ComparisonError(
                f"Inception takes (N, 3, H, W) of uint8, not {tuple(image.shape)} of {image.dtype}"
            )
        rows, columns = (resize_matrix(side).to(image.device) for side in image.shape[-2:])
        resized = rows @ image.float() @ columns.T
        return self.layers(
            ((resized - 128) / 128).contiguous(memory_format=torch.channels_last)
        ).flatten(1)
