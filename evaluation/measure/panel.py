"""Many distances over the same images, with networks that they share run once an image."""

from collections.abc import Iterable

import torch
from torch import Tensor

from metamer.evaluation.measure.rows import original_key
from metamer.perception.backbones.imagenet import remembering, share_networks
from metamer.perception.distance import Distance
from metamer.perception.distances.features import LayerSweep


class Panel:
    """Distances and layer sweeps that look at the same images; networks they have in common run
    once an image.
    """

    def __init__(self, distances: Iterable[Distance], sweeps: Iterable[LayerSweep] = ()):
        self.distances, self.sweeps = list(distances), list(sweeps)
        self.networks = share_networks((*self.distances, *self.sweeps))

    @property
    def labels(self) -> list[str]:
        """What a row holds: the distances' labels, then the sweeps'."""
        return [d.label for d in self.distances] + [
            label for sweep in self.sweeps for label in sweep.labels
        ]

    @torch.no_grad()
    def places(self, image: Tensor) -> list:
        """Where the image lies in every distance's and sweep's space."""
        with remembering(self.networks):
            return [d.space(d.prepared(image)) for d in self.distances] + [
                sweep.space(image) for sweep in self.sweeps
            ]

    @torch.no_grad()
    def compare(self, reference: list, image: list) -> dict[str, float]:
        """Label → value for two images' places."""
        count = len(self.distances)
        row = {
            d.label: d.between(a, b).item()
            for d, a, b in zip(self.distances, reference, image, strict=False)
        }
        for sweep, a, b in zip(self.sweeps, reference[count:], image[count:], strict=True):
            row |= sweep.between(a, b)
        return row

    def originals(self, reference: list) -> dict[str, float]:
        """`rows.original_key` → the original's own value, in metrics that read one image alone."""
        return {
            original_key(d.label): d.between(place, place).item()
            for d, place in zip(self.distances, reference, strict=False)
            if d.metric.no_reference
        }
