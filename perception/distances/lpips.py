"""LPIPS 0.1: learned perceptual image patch similarity (Zhang et al., CVPR 2018, section 4)."""

import torch.nn.functional as F
from torch import Tensor

from metamer.perception import weights
from metamer.perception.distances.deep import DeepDistance

# network → the layers whose differences LPIPS weighs, and the name of its heads
TAPS = {
    "squeezenet": (
        ("relu1", "fire3", "fire5", "fire6", "fire7", "fire8", "fire9"),
        "lpips-squeeze",
    ),
    "alexnet": (("relu1", "relu2", "relu3", "relu4", "relu5"), "lpips-alex"),
    "vgg16": (("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3"), "lpips-vgg"),
}
# inside the root: outside it, where the paper's code has it, the gradient at zero features is
# infinite
EPSILON = 1e-10


def unit_length(features: Tensor) -> Tensor:
    """Features of unit length over channels at every position."""
    return features * (features.square().sum(1, keepdim=True) + EPSILON).rsqrt()


class Lpips(DeepDistance):
    """Sum over layers of the spatial mean of weighted squared differences of unit-normalised
    features.
    """

    def __init__(self, network: str):
        super().__init__(network)
        self.layers, heads = TAPS[self.network.name]
        for index, head in enumerate(weights.load(heads).values()):
            # (1, C, 1, 1), not negative
            self.register_buffer(f"head{index}", head, persistent=False)

    def space(self, image: Tensor) -> list[Tensor]:
        return [unit_length(features) for features in self.network(image, self.layers).values()]

    def between(self, reference: list[Tensor], image: list[Tensor]) -> Tensor:
        return sum(
            F.conv2d((image_layer - reference_layer).square(), getattr(self, f"head{index}")).mean(
                (1, 2, 3)
            )
            for index, (reference_layer, image_layer) in enumerate(
                zip(reference, image, strict=True)
            )
        )


def lpips_squeeze() -> Lpips:
    return Lpips("squeezenet")


def lpips_alex() -> Lpips:
    return Lpips("alexnet")


def lpips_vgg() -> Lpips:
    return Lpips("vgg16")
