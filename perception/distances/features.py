"""The feature loss: squared differences in any layer of a network, over all channels, a subset, or
weighted ones.

Johnson et al., ECCV 2016; in the form of Tariq et al., "Why are deep representations good
perceptual quality features?", ECCV 2020, equation 1, with their subsets H-x and L-x (equations 7,
8) and weights (section 5.5) by perceptual efficacy.
"""

import re
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from metamer.perception.backbones.efficacy import efficacy
from metamer.perception.backbones.imagenet import Network, layer_names, resolve_network
from metamer.perception.distances.deep import DeepDistance
from metamer.perception.errors import MetricError

DEFAULT_LAYER = {"squeezenet": "fire3", "alexnet": "relu2", "vgg16": "relu2_2"}


def channel_weights(network: Network, layer: str, channels: str = "all") -> Tensor:
    """(C,) weights that sum to 1.

    channels: "all"; "H-x" or "L-x" for the channels at or beyond the percentile that leaves the x %
    of highest or lowest perceptual efficacy; "efficacy" for weights in proportion to it.
    """
    count = network.channels[network.check(layer)]
    if channels == "all":
        return torch.full((count,), 1 / count)
    scores = efficacy(network, layer)
    if channels == "efficacy":
        return scores / scores.sum()
    subset = re.fullmatch(r"([HL])-(\d+(?:\.\d+)?)", str(channels), re.IGNORECASE)
    if not subset or not 0 < float(subset[2]) <= 100:
        raise MetricError(
            f"channels={channels!r}: give all, efficacy, or H-x or L-x with x in (0, 100]"
        )
    share = float(subset[2]) / 100
    high = subset[1].upper() == "H"
    chosen = scores >= scores.quantile(1 - share) if high else scores <= scores.quantile(share)
    return chosen.float() / chosen.sum()


class Features(DeepDistance):
    """Mean over positions and weighted sum over channels of squared feature differences.

    network: squeezenet, alexnet or vgg16; layer: one of its layers (by default an early one);
    channels: `channel_weights`.
    """

    def __init__(self, network: str = "squeezenet", layer: str = "", channels: str = "all"):
        super().__init__(network)
        self.layer = self.network.check(layer or DEFAULT_LAYER[self.network.name])
        weight = channel_weights(self.network, self.layer, channels)
        self.register_buffer("used", weight.nonzero().flatten(), persistent=False)
        self.register_buffer("weight", weight[self.used], persistent=False)

    def space(self, image: Tensor) -> Tensor:
        features = self.network(image, (self.layer,))[self.layer]
        return features[:, self.used] if len(self.used) < features.shape[1] else features

    def between(self, reference: Tensor, image: Tensor) -> Tensor:
        return (reference - image).square().mean((2, 3)) @ self.weight


SUBSETS = ("all", "H-5", "H-10", "H-25", "H-50", "L-50", "L-25", "L-10", "L-5", "efficacy")


def sweep_labels(network: str, subsets: Sequence[str] = SUBSETS) -> dict[tuple[str, str], str]:
    """(layer, subset) → the spec of that feature loss, layer by layer."""
    name = resolve_network(network)
    return {
        (layer, subset): f"features:network={name},layer={layer}"
        + f",channels={subset}" * (subset != "all")
        for layer in layer_names(name)
        for subset in subsets
    }


class LayerSweep(nn.Module):
    """Every layer of a network times every subset of its channels, in one pass: what ``features``
    would give for each.
    """

    def __init__(self, network: str, subsets: Sequence[str] = SUBSETS):
        super().__init__()
        self.network = Network(network)
        self.weights = {
            layer: torch.stack(
                [channel_weights(self.network, layer, subset) for subset in subsets], 1
            )
            for layer in self.network.layers
        }
        self.labels = list(sweep_labels(network, subsets).values())

    def space(self, image: Tensor) -> dict[str, Tensor]:
        return self.network(image, self.network.layers)

    def between(self, reference: dict[str, Tensor], image: dict[str, Tensor]) -> dict[str, float]:
        """Label → value, for places of one image each."""
        values = [
            (reference[layer] - image[layer]).square().mean((0, 2, 3)) @ weight
            for layer, weight in self.weights.items()
        ]
        return dict(zip(self.labels, torch.cat(values).tolist(), strict=True))
