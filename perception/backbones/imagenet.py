"""Feature extractors: the convolutional parts of SqueezeNet 1.1, AlexNet and VGG16, any layer by
name.

Iandola et al. 2016, Krizhevsky 2014 ("one weird trick", as torchvision has it) and Simonyan &
Zisserman 2015, trained on ImageNet.
"""

from collections.abc import Iterable
from contextlib import ExitStack, contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from metamer.perception import weights
from metamer.perception.errors import ComparisonError, MetricError
from metamer.perception.registry import suggestion

# of ImageNet; LPIPS' shift and scale say the same
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Fire(nn.Module):
    """SqueezeNet's module: 1×1 squeeze, then 1×1 and 3×3 expansions side by side."""

    def __init__(self, inputs: int, squeezed: int, expanded: int):
        super().__init__()
        self.squeeze = nn.Conv2d(inputs, squeezed, 1)
        self.expand1x1 = nn.Conv2d(squeezed, expanded, 1)
        self.expand3x3 = nn.Conv2d(squeezed, expanded, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu_(self.squeeze(x))
        return torch.cat((F.relu_(self.expand1x1(x)), F.relu_(self.expand3x3(x))), 1)


def squeezenet() -> tuple[list[nn.Module], dict[str, int]]:
    """Modules as torchvision numbers them, and the number of the last module of each named
    layer.
    """
    pool = nn.MaxPool2d(3, 2, ceil_mode=True)
    modules = [
        nn.Conv2d(3, 64, 3, stride=2),
        nn.ReLU(inplace=True),
        pool,
        Fire(64, 16, 64),
        Fire(128, 16, 64),
        pool,
        Fire(128, 32, 128),
        Fire(256, 32, 128),
        pool,
        Fire(256, 48, 192),
        Fire(384, 48, 192),
        Fire(384, 64, 256),
        Fire(512, 64, 256),
    ]
    return modules, {"relu1": 1} | {
        f"fire{i}": at for i, at in zip(range(2, 10), (3, 4, 6, 7, 9, 10, 11, 12), strict=True)
    }


def alexnet() -> tuple[list[nn.Module], dict[str, int]]:
    def convolution(
        inputs: int, outputs: int, kernel: int, stride: int = 1, padding: int = 1
    ) -> list[nn.Module]:
        return [nn.Conv2d(inputs, outputs, kernel, stride, padding), nn.ReLU(inplace=True)]

    pool = nn.MaxPool2d(3, 2)
    modules = [
        *convolution(3, 64, 11, 4, 2),
        pool,
        *convolution(64, 192, 5, 1, 2),
        pool,
        *convolution(192, 384, 3),
        *convolution(384, 256, 3),
        *convolution(256, 256, 3),
    ]
    return modules, {f"relu{i}": at for i, at in enumerate((1, 4, 7, 9, 11), 1)}


def vgg16() -> tuple[list[nn.Module], dict[str, int]]:
    modules, layers, inputs = [], {}, 3
    for stage, (width, depth) in enumerate(((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)), 1):
        if stage > 1:
            modules.append(nn.MaxPool2d(2))
        for convolution in range(1, depth + 1):
            modules += [nn.Conv2d(inputs, width, 3, padding=1), nn.ReLU(inplace=True)]
            layers[f"relu{stage}_{convolution}"] = len(modules) - 1
            inputs = width
    return modules, layers


# name → modules, weights, smallest side that reaches the last layer
NETWORKS = {
    "squeezenet": (squeezenet, "squeezenet1_1", 17),
    "alexnet": (alexnet, "alexnet", 31),
    "vgg16": (vgg16, "vgg16", 16),
}
ALIASES = {"squeeze": "squeezenet", "alex": "alexnet", "vgg": "vgg16"}


def resolve_network(name: str) -> str:
    """A network's name from a name or alias; unknown ones: `MetricError` with a suggestion."""
    resolved = ALIASES.get(str(name).lower(), str(name).lower())
    if resolved not in NETWORKS:
        raise MetricError(
            f"no network is called {name!r}{suggestion(resolved, [*NETWORKS, *ALIASES])}"
        )
    return resolved


def layer_names(name: str) -> tuple[str, ...]:
    """A network's layers from first to last, without its weights."""
    return tuple(NETWORKS[resolve_network(name)][0]()[1])


def layer_widths(name: str) -> dict[str, int]:
    """Layer → channels of a network, without its weights."""
    modules, ends = NETWORKS[resolve_network(name)][0]()
    return {layer: output_width(modules[: end + 1]) for layer, end in ends.items()}


class Network(nn.Module):
    """(N, 3, H, W) sRGB in [0, 1] → {layer: (N, C, h, w)}, with ImageNet's weights, frozen.

    ``layers`` names the layers from first to last, ``channels`` their widths.
    """

    def __init__(self, name: str):
        super().__init__()
        self.name = resolve_network(name)
        build, weights_name, self.min_side = NETWORKS[self.name]
        modules, self.ends = build()
        self.features = nn.Sequential(*modules)
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer(
            "deviation", torch.tensor(DEVIATION).view(1, 3, 1, 1), persistent=False
        )
        self.load_state_dict(weights.load(weights_name))
        self.requires_grad_(False).eval()
        self.layers = tuple(self.ends)
        self.channels = layer_widths(self.name)
        self.memory: dict[int, tuple[Tensor, dict[str, Tensor]]] | None = None

    def check(self, layer: str) -> str:
        """The layer's name if the network has it; otherwise `MetricError` with a suggestion."""
        if layer not in self.ends:
            raise MetricError(
                f"{self.name} has no layer {layer!r}{suggestion(str(layer), self.layers)}: "
                f"{', '.join(self.layers)}"
            )
        return layer

    def forward(self, image: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
        height, width = image.shape[-2:]
        if min(height, width) < self.min_side:
            raise ComparisonError(
                f"{self.name} needs {self.min_side} pixels a side, the image has {width}x{height}"
            )
        layers = tuple(layers)
        if self.memory is None:
            return self.run(image, layers)
        if id(image) not in self.memory:
            # keeps the image, so that its id stays its own
            self.memory[id(image)] = (image, self.run(image, self.layers))
        return {layer: self.memory[id(image)][1][layer] for layer in layers}

    def run(self, image: Tensor, layers: tuple[str, ...]) -> dict[str, Tensor]:
        names = {self.ends[layer]: layer for layer in layers}
        features = {}
        x = (image - self.mean) / self.deviation
        for number, module in enumerate(self.features[: max(names) + 1]):
            x = module(x)
            if number in names:
                features[names[number]] = x
        return features

    @contextmanager
    def remembering(self):
        """While it lasts, every tensor passed is run once, through all layers, and its features
        kept. For many distances over the same images.
        """
        self.memory = {}
        try:
            yield self.memory
        finally:
            self.memory = None


def share_networks(owners: Iterable[nn.Module]) -> list[Network]:
    """Lets all whose `network` has the same name hold the same one, and returns those there are."""
    networks: dict[str, Network] = {}
    for owner in owners:
        if isinstance(getattr(owner, "network", None), Network):
            owner.network = networks.setdefault(owner.network.name, owner.network)
    return list(networks.values())


@contextmanager
def remembering(networks: Iterable[Network]):
    """`Network.remembering` of them all."""
    with ExitStack() as stack:
        for network in networks:
            stack.enter_context(network.remembering())
        yield


def output_width(modules: list[nn.Module]) -> int:
    """Channels after these modules."""
    for module in reversed(modules):
        if isinstance(module, Fire):
            return 2 * module.expand1x1.out_channels
        if isinstance(module, nn.Conv2d):
            return module.out_channels
    raise AssertionError("a network begins with a convolution")
