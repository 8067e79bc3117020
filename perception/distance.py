"""What every distance is: a space in which two images are placed, and a number for how far apart
they lie there.
"""

from typing import Any

import torch
from torch import Tensor, nn

from metamer.perception.errors import ComparisonError, MetricError
from metamer.perception.metric import Metric


class Distance(nn.Module):
    """Compares images: (N, 3, H, W) sRGB in [0, 1] (or uint8) → (N,) float32.

    Subclasses write ``between``, and ``space`` unless they compare pixels; `perception.create` sets
    ``metric`` and ``label``. Decoders overshoot, so values a little outside [0, 1] are taken as
    they come. Weights are frozen: gradients flow to the images alone.
    """

    metric: Metric
    label: str

    @property
    def min_side(self) -> int:
        """Smallest height and width in pixels, with the options chosen."""
        return self.metric.min_side

    def forward(self, reference: Tensor, image: Tensor) -> Tensor:
        """Values as the metric's paper reports them.

        Args:
            reference: (N, 3, H, W), sRGB in [0, 1], or uint8.
            image: The same shape.

        Returns:
            (N,) float32. `Metric.higher_is_better` says which way they point.

        Raises:
            ComparisonError: Images that cannot be compared: shapes, sizes, types, values that are
                not finite.
        """
        return self.between(*self.places(reference, image))

    def loss(self, reference: Tensor, image: Tensor) -> Tensor:
        """Values to minimise, whichever way the metric points.

        Args:
            reference: (N, 3, H, W), sRGB in [0, 1], or uint8.
            image: The same shape; gradients flow to it.

        Returns:
            (N,) float32, 0 for identical images.

        Raises:
            ComparisonError: As for `forward`.
            MetricError: The metric reads the second image alone: `Metric.no_reference`.
        """
        if self.metric.no_reference:
            raise MetricError(f"{self} knows no original, there is nothing to minimise")
        return self.shortfall(*self.places(reference, image))

    def places(self, reference: Tensor, image: Tensor) -> tuple[Any, Any]:
        """Where two (N, 3, H, W) images of one shape lie."""
        if reference.shape != image.shape:
            raise ComparisonError(
                f"{self}: the images differ in shape: {tuple(reference.shape)} and "
                f"{tuple(image.shape)}"
            )
        return self.space(self.prepared(reference)), self.space(self.prepared(image))

    def shortfall(self, reference: Any, image: Any) -> Tensor:
        """(N,) for two places, what ``loss`` gives: how far their value is from that of identical
        images.

        VIF can exceed that, which is no better. A distance whose values saturate gives something
        that does not.
        """
        return (self.between(reference, image) - self.metric.best).abs()

    def space(self, image: Tensor) -> Any:
        """Where a prepared (N, 3, H, W) image lies: a tensor, or several."""
        return image

    def between(self, reference: Any, image: Any) -> Tensor:
        """(N,) values for two places of ``space``."""
        raise NotImplementedError

    def prepared(self, image: Tensor) -> Tensor:
        """float32 in [0, 1], or an `ComparisonError` that says what is wrong.

        What is not finite is found in images alone that no gradient is asked for: one that a
        network in training made is its loop's to watch, and to look here would make a GPU wait.
        """
        if image.ndim != 4 or image.shape[1] != 3 or not len(image):
            raise ComparisonError(f"{self} compares (N, 3, H, W) images, not {tuple(image.shape)}")
        height, width = image.shape[-2:]
        if min(height, width) < self.min_side:
            raise ComparisonError(
                f"{self} needs {self.min_side} pixels a side, the image has {width}x{height}"
            )
        if image.dtype == torch.uint8:
            return image.float() / 255
        if not image.is_floating_point():
            raise ComparisonError(
                f"{self} takes floating point images in [0, 1] or uint8, not {image.dtype}"
            )
        image = image.float()
        # thirty times as fast as to look at each value
        if not image.requires_grad and not torch.isfinite(image.sum()):
            raise ComparisonError(f"{self}: the image has values that are NaN or infinite")
        return image

    def train(self, mode: bool = True) -> "Distance":
        return super().train(False)  # a yardstick has no training mode

    def __repr__(self) -> str:
        return f"Distance({getattr(self, 'label', type(self).__name__)})"

    def __str__(self) -> str:
        return getattr(self, "label", type(self).__name__)
