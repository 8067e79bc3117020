"""PerceptNet: the way from the retina to V1 as four divisive normalisations with linear stages
between them.

Hepburn et al., "PerceptNet: a human visual system inspired neural network for estimating perceptual
distance", ICIP 2020. Here it is trained without ratings, to give photographs back, together with an
inverse that is its mirror: Hernández-Cámara, Malo & Laparra, "From images to perception: emergence
of perceptual properties by reconstructing images", 2025. Both are trained by
`train.perceptual_spaces.perceptnet.task`; the encoder alone ships.
"""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from metamer.perception.distance import Distance
from metamer.perception.errors import MetricError, WeightsError
from metamer.perception.registry import suggestion
from metamer.perception.weights import load_trained

# what they stand for, in order
LAYERS = ("adaptation", "opponency", "contrast", "centre-surround", "lgn", "orientation", "v1")
LINEAR = LAYERS[1::2]  # the others normalise
POOLED = ("opponency", "centre-surround")  # end in max-pooling
# of the normalisations and of the linear stages, as Hepburn et al. have them
CHANNELS, KERNELS = (3, 3, 6, 128), (1, 5, 5)
PARAMETRIC_CHANNELS, PARAMETRIC_KERNELS = (3, 3, 3, 128), (1, 21, 31)
SMALLEST_BETA = 1e-6
EPSILON = 1e-10  # inside the root, where it keeps the gradient finite


class DivisiveNormalisation(nn.Module):
    """x / √(β + Σⱼ γᵢⱼ xⱼ²) over the channels of (N, C, H, W); as the inverse, x · √(β + Σⱼ γᵢⱼ
    xⱼ²).

    Ballé, Laparra & Simoncelli, ICLR 2016. The inverse has weights of its own: for small γ, or x
    whose energy changes little, multiplying by what was divided by undoes the division, and
    training sees to the rest. β starts at 1, γ at 0.1 times the identity.
    """

    def __init__(self, channels: int, inverse: bool = False):
        super().__init__()
        self.inverse = inverse
        self.beta = nn.Parameter(torch.ones(channels))
        self.gamma = nn.Parameter(0.1 * torch.eye(channels))

    def forward(self, x: Tensor) -> Tensor:
        energy = F.conv2d(x.square(), self.gamma[..., None, None], self.beta)
        return x * (energy.sqrt() if self.inverse else energy.rsqrt())

    @torch.no_grad()
    def project(self) -> None:
        """Back to where the root is defined. Projecting after a step, unlike γ = g², lets a γ that
        is 0 grow.
        """
        self.beta.clamp_(min=SMALLEST_BETA)
        self.gamma.clamp_(min=0)


def convolution(inputs: int, outputs: int, kernel: int, bias: bool = True) -> nn.Conv2d:
    """Keeps the size; edges are replicated."""
    return nn.Conv2d(
        inputs, outputs, kernel, padding=kernel // 2, padding_mode="replicate", bias=bias
    )


def with_deviations(stages: dict[str, nn.Module]) -> dict[str, nn.Module]:
    """Every stage gets a buffer ``deviation``, (C,): its features' standard deviations over
    photographs, set by training.
    """
    for stage in stages.values():
        channels = (
            len(stage.beta) if isinstance(stage, DivisiveNormalisation) else stage.out_channels
        )
        stage.register_buffer("deviation", torch.ones(channels))
    return stages


class Encoder(nn.ModuleDict):
    """(N, 3, H, W) sRGB in [0, 1] → features by the names of `LAYERS`; the last are (N, 128, ⌈H/4⌉,
    ⌈W/4⌉).

    channels: of the four normalisations; kernels: sides of the three convolutions. As in the
    original, the second convolution has no bias: 36,368 parameters.
    """

    def __init__(self, channels: Iterable[int] = CHANNELS, kernels: Iterable[int] = KERNELS):
        channels = tuple(channels)
        stages = {LAYERS[0]: DivisiveNormalisation(channels[0])}
        for number, kernel in enumerate(kernels):
            linear, normalisation = LAYERS[2 * number + 1 : 2 * number + 3]
            inputs, outputs = channels[number : number + 2]
            stages[linear] = convolution(inputs, outputs, kernel, bias=linear != "centre-surround")
            stages[normalisation] = DivisiveNormalisation(outputs)
        super().__init__(with_deviations(stages))

    def forward(self, image: Tensor, last: str = LAYERS[-1]) -> dict[str, Tensor]:
        """Features by layer as far as ``last``; those of a pooled layer are its pooled ones."""
        features, x = {}, image
        for name, stage in self.items():
            x = stage(x)
            if name in POOLED:
                x = F.max_pool2d(x, 2, ceil_mode=True)
            features[name] = x
            if name == last:
                break
        return features


class Decoder(nn.ModuleDict):
    """The encoder's mirror: last features → features by name, the last of them the image.

    The stages bear the names of those that they undo, in reverse: convolutions for convolutions,
    multiplication for division, bilinear upsampling for pooling.
    """

    def __init__(self, channels: Iterable[int] = CHANNELS, kernels: Iterable[int] = KERNELS):
        channels = tuple(channels)
        stages = {}
        for number, kernel in reversed(list(enumerate(kernels))):
            linear, normalisation = LAYERS[2 * number + 1 : 2 * number + 3]
            inputs, outputs = channels[number + 1], channels[number]
            stages[normalisation] = DivisiveNormalisation(inputs, inverse=True)
            stages[linear] = convolution(inputs, outputs, kernel)
        stages[LAYERS[0]] = DivisiveNormalisation(channels[0], inverse=True)
        super().__init__(with_deviations(stages))

    def forward(self, code: Tensor, size: tuple[int, int]) -> dict[str, Tensor]:
        """size: height and width of the image, which pooling has rounded up."""
        features, x = {}, code
        sizes = {"centre-surround": tuple(-(-side // 2) for side in size), "opponency": size}
        for name, stage in self.items():
            if name in POOLED:
                x = F.interpolate(x, sizes[name], mode="bilinear", align_corners=False)
            x = features[name] = stage(x)
        return features


def build_network(
    kind: type[Encoder] | type[Decoder], tensors: dict[str, Tensor], source: str
) -> Encoder | Decoder:
    """The encoder or decoder that these tensors are the weights of; its architecture is in their
    shapes.
    """
    try:
        channels = [len(tensors[f"{name}.beta"]) for name in LAYERS[::2]]
        kernels = [tensors[f"{name}.weight"].shape[-1] for name in LINEAR]
        network = kind(channels, kernels)
        network.load_state_dict(tensors)
    except (KeyError, RuntimeError, IndexError, TypeError):
        raise WeightsError(f"{source} does not hold the weights of a PerceptNet") from None
    return network.eval().requires_grad_(False)


def tensors_below(tensors: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    """The tensors below a name."""
    return {
        key.removeprefix(f"{name}."): tensor
        for key, tensor in tensors.items()
        if key.startswith(f"{name}.")
    }


def root_mean_square(reference: Tensor, image: Tensor) -> Tensor:
    """(N,) root of the mean squared difference of features: the L2 norm, regardless of the size of
    the image.
    """
    squares = (reference - image).square().flatten(1).mean(1)
    return (squares + EPSILON).sqrt() - squares.new_tensor(EPSILON).sqrt()


def standardised(features: Tensor, stage: nn.Module) -> Tensor:
    """A stage's features in units of their standard deviations over photographs.

    Trained to reconstruct, a network may scale a feature as it likes, for the next stage can take
    that back. What such a scale says about visibility is an accident; the feature's spread over
    natural images is not.
    """
    return features / stage.deviation[:, None, None]


class PerceptNet(Distance):
    """Root mean squared difference of one layer's features.

    weights: their name, or a file, of an encoder alone or of encoder and decoder; layer: one of
    `LAYERS`, by default the last; standard: compare `standardised` features, or else those the
    network itself has, as the papers do.
    """

    def __init__(self, weights: str = "perceptnet", layer: str = "v1", standard: bool = True):
        super().__init__()
        if layer not in LAYERS:
            raise MetricError(
                f"perceptnet has no layer {layer!r}{suggestion(layer, LAYERS)}: {', '.join(LAYERS)}"
            )
        tensors = load_trained(weights)
        self.encoder = build_network(Encoder, tensors_below(tensors, "encoder") or tensors, weights)
        self.layer, self.standard = layer, standard

    def space(self, image: Tensor) -> Tensor:
        features = self.encoder(image, self.layer)[self.layer]
        return standardised(features, self.encoder[self.layer]) if self.standard else features

    def between(self, reference: Tensor, image: Tensor) -> Tensor:
        return root_mean_square(reference, image)
