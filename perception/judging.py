"""A distance as the codec asks for it: pixels in, one number out. The codec knows it by its entry
point, `metamer.judges`.
"""

import numpy as np

from metamer.perception.errors import MetricError
from metamer.perception.registry import from_spec, metric_of


class Judge:
    """One distance of the registry.

    Args:
        spec: As for `registry.from_spec`: ``name`` or ``name:option=value,option=value``.

    Attributes:
        name: The spec.
        best: The value of two identical images.
        higher_is_better: The direction.

    Raises:
        MetricError: As for `registry.from_spec`; also where a package is missing, or the metric
            knows no original (`Metric.no_reference`).
        WeightsError: As for `registry.from_spec`.
    """

    def __init__(self, spec: str):
        metric = metric_of(spec)
        if metric.no_reference:
            raise MetricError(f"{metric.name} knows no original, nothing can be encoded towards it")
        self.name, self.best = spec, metric.best
        self.higher_is_better = metric.higher_is_better
        self._distance = from_spec(spec)

    def __call__(self, original: np.ndarray, decoded: np.ndarray) -> float:
        """The distance's value.

        Args:
            original: (H, W, 3) uint8.
            decoded: The same shape.

        Raises:
            ComparisonError: The distance cannot compare images of that size.
        """
        import torch

        images = (
            torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))[None]
            for pixels in (original, decoded)
        )
        with torch.no_grad():
            return float(self._distance(*images))
