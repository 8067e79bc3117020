"""BRISQUE: how far the statistics of a picture are from those of undistorted photographs, without
an original (Mittal et al., TIP 2012).

piq takes the statistics. Its own ``brisque`` fetches the weights from an address that may be out of
reach, so the regression, a line, is done here; the weights are the authors'.
"""

import torch
from torch import Tensor

from metamer.perception.distance import Distance
from metamer.perception.distances.structural_similarity import to_luma
from metamer.perception.errors import ComparisonError
from metamer.perception.optional_imports import import_package
from metamer.perception.weights import load

SCALES = 2  # the picture, and at half its size
KERNEL_GAMMA = 0.05  # of the authors' model, as is the bias
BIAS = 153.591


class Brisque(Distance):
    """BRISQUE of the second image alone: about 0 where it looks undistorted, 100 where it does not;
    good photographs can be below 0.

    Raises:
        MetricError: piq is missing.
        WeightsError: The weights are damaged.
    """

    def __init__(self):
        super().__init__()
        self.piq = import_package("piq.brisque")
        for name, tensor in load("brisque").items():
            self.register_buffer(name, tensor.double())

    def space(self, image: Tensor) -> Tensor:
        """(N,) scores; `ComparisonError` for an image without texture."""
        # in double: single precision loses the deviations of flat areas, 2.6 in a JPEG of quality 5
        luma = to_luma(image.double().clamp(0, 1) * 255).round()
        try:  # one by one: where one of several is flat, piq says nothing
            return torch.cat([self.score(one[None]) for one in luma])
        except AssertionError:  # as piq refuses stripes, or two halves of one colour each
            raise self.untextured() from None

    def untextured(self) -> ComparisonError:
        return ComparisonError(
            f"{self}: the image has no texture, nothing can be said of its quality"
        )

    def score(self, luma: Tensor) -> Tensor:
        """(1,) of (1, 1, H, W) luma in 8-bit levels."""
        features = []
        for scale in range(SCALES):
            if scale:
                luma = self.piq.imresize(luma, sizes=(luma.shape[2] // 2, luma.shape[3] // 2))
            if luma.amax() - luma.amin() < 1:
                raise self.untextured()
            features.append(self.piq._natural_scene_statistics(luma))
        return self.regression(torch.cat(features, 1))

    def regression(self, features: Tensor) -> Tensor:
        """(N,) scores of (N, 36) features: the authors' support vector regression."""
        away = torch.cdist(self.piq._scale_features(features), self.support_vectors)
        return torch.exp(-KERNEL_GAMMA * away.square()) @ self.coefficients + BIAS

    def between(self, reference: Tensor, image: Tensor) -> Tensor:
        return image.float()
