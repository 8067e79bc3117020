"""The contextual loss: two images as sets of features, each of one's matched with the nearest of
the other's, wherever that lies.

Mechrez, Talmi & Zelnik-Manor, "The contextual loss for image transformation with non-aligned data",
ECCV 2018, section 3; for restoration, "Maintaining natural image statistics with the contextual
loss", ACCV 2018. Weights by perceptual efficacy as in Tariq et al., ECCV 2020, section 5.5.
"""

import torch
from torch import Tensor

from metamer.perception.distances.deep import DeepDistance
from metamer.perception.distances.features import DEFAULT_LAYER, channel_weights
from metamer.perception.distances.lpips import unit_length
from metamer.perception.errors import MetricError

RELATIVE = 1e-5  # ε of equation 3


class Contextual(DeepDistance):
    """−log CX, CX being the mean over the reference's features of how clearly the image has one
    that is nearer to it than to others (equations 2 to 5), by cosine.

    network, layer, channels: as for `Features`; a channel's weight is that of its products.
    positions: features of an image that are compared, on an even grid, as all with all costs the
    square of their number. bandwidth: h; 0.5 in the first paper, 0.1 in the second and here.

    CX of an image with itself is 1 where its features all differ, and less where they repeat, as in
    flat areas: it is taken relative to that of the reference, so that identical images are at 0.
    """

    def __init__(
        self,
        network: str = "squeezenet",
        layer: str = "",
        channels: str = "all",
        positions: int = 1024,
        bandwidth: float = 0.1,
    ):
        super().__init__(network)
        if positions < 1 or not bandwidth > 0:
            raise MetricError("contextual: positions are 1 or more, bandwidth is above 0")
        self.layer = self.network.check(layer or DEFAULT_LAYER[self.network.name])
        self.positions, self.bandwidth = positions, bandwidth
        weight = channel_weights(self.network, self.layer, channels)
        self.register_buffer("used", weight.nonzero().flatten(), persistent=False)
        self.register_buffer("scale", weight[self.used].sqrt()[:, None], persistent=False)

    def space(self, image: Tensor) -> Tensor:
        """(N, C, P) weighted features."""
        features = self.network(image, (self.layer,))[self.layer]
        height, width = features.shape[-2:]
        step = max(1.0, (height * width / self.positions) ** 0.5)
        rows, columns = (
            (torch.arange(max(1, int(side / step)), device=features.device) * step).long()
            for side in (height, width)
        )
        chosen = features[..., rows, :][..., columns].flatten(2)
        return chosen[:, self.used].float() * self.scale

    def between(self, reference: Tensor, image: Tensor) -> Tensor:
        with torch.no_grad():
            itself = self.similarity(reference, reference)
        return (itself.log() - self.similarity(reference, image).log()).clamp_min(0)

    def similarity(self, reference: Tensor, image: Tensor) -> Tensor:
        """(N,) CX of two places."""
        # near 0, where the nearest are found, half precision has no distances
        with torch.autocast(reference.device.type, enabled=False):
            centre = reference.mean(2, keepdim=True)
            reference_vectors, image_vectors = (
                unit_length(place - centre) for place in (reference, image)
            )
            cosine = image_vectors.transpose(1, 2) @ reference_vectors  # (N, image's, reference's)
            # a distance is 1 − cosine, and what of exponents is the same in a row drops out of it
            nearest = (1 - cosine.max(2, keepdim=True).values).clamp_min(0)
            similar = torch.softmax(cosine / (self.bandwidth * (nearest + RELATIVE)), 2)
            return similar.max(1).values.mean(1)
