"""Perceptual spaces and distances between images: ``perception.create("lpips-alex")(reference,
image)``.
"""

from metamer.perception.errors import ComparisonError, MetricError, PerceptionError, WeightsError
from metamer.perception.metric import Metric
from metamer.perception.registry import create, find, from_spec, metrics

__all__ = [  # in the order in which a reader wants them
    "create",
    "from_spec",
    "find",
    "metrics",
    "Metric",
    "PerceptionError",
    "MetricError",
    "ComparisonError",
    "WeightsError",
]
