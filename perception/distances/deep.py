"""What distances on the features of one network share."""

from metamer.perception.backbones.imagenet import Network
from metamer.perception.distance import Distance


class DeepDistance(Distance):
    """A distance on the features of one network, which it may share with others."""

    def __init__(self, network: str):
        super().__init__()
        self.network = Network(network)

    @property
    def min_side(self) -> int:
        return max(self.metric.min_side, self.network.min_side)
