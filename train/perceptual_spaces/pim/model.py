"""What is trained: the space that ships, and joint encoders that do not."""

import torch
from torch import Tensor, nn

from metamer.perception.distances.pim import Mixture, PimSpace, pointwise


class JointEncoder(nn.Module):
    """p(z|x,y) of one sub-band, for either marginal encoder: unit-variance Gaussians whose means
    see both pictures' features.

    The means are halfway between the marginal encoders', and a correction, which starts at zero:
    the three agree from the first step on.
    """

    def __init__(self, hidden: int, dimensions: int):
        super().__init__()
        self.correction = pointwise(6, hidden, 2 * dimensions)
        nn.init.zeros_(self.correction[-1].weight)
        nn.init.zeros_(self.correction[-1].bias)

    def forward(
        self, features: Tensor, gaussian: Tensor, mixture: Mixture
    ) -> tuple[Tensor, Tensor]:
        """Means (N, D, h, w) of z for the Gaussian and for the mixture; the arguments are (2·N, …),
        x's before y's.
        """
        mixture_mean = (mixture.log_weights.exp()[:, :, None] * mixture.means).sum(1)
        corrections = self.correction(torch.cat(features.chunk(2), 1)).float().chunk(2, 1)
        return tuple(
            sum(means.chunk(2)) / 2 + correction
            for means, correction in zip((gaussian, mixture_mean), corrections, strict=True)
        )


class PimModel(nn.Module):
    """The space that ships, and the joint encoders that do not."""

    def __init__(self, space: PimSpace, hidden: int):
        super().__init__()
        dimensions = space.encoders[0].gaussian[-1].out_channels
        self.space = space
        self.joint = nn.ModuleList(JointEncoder(hidden, dimensions) for _ in space.front_ends)


@torch.no_grad()
def standardise(space: PimSpace, images: Tensor) -> None:
    """Scales first and last layers so that sub-bands, features and means of z have unit variance at
    the start.

    Sub-bands differ a hundredfold in magnitude. Means that hardly vary are lost in z's unit noise:
    training first learns to ignore them, and takes hundreds of steps to return.
    """
    for front_end, encoder, band in zip(
        space.front_ends, space.encoders, space.bands(images), strict=True
    ):
        first = front_end[0]
        first.weight /= band.std((0, 2, 3))[:, None, None] + 1e-6
        first.bias -= first.weight.sum((2, 3)) @ band.mean((0, 2, 3))
        features = scaled(front_end, band)
        scaled(encoder.gaussian, features)
        scaled(encoder.mixture, features)


def scaled(network: nn.Sequential, inputs: Tensor) -> Tensor:
    """The network's outputs, after its last layer was scaled so that each has zero mean and unit
    variance.
    """
    outputs, last = network(inputs), network[-1]
    deviation = outputs.std((0, 2, 3)) + 1e-6
    last.bias.sub_(outputs.mean((0, 2, 3))).div_(deviation)
    last.weight /= deviation[:, None, None, None]
    return network(inputs)
