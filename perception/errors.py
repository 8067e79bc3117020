"""What may go wrong here, each with one line to show."""


class PerceptionError(ValueError):
    """The base of every error that is the caller's to mend."""


class MetricError(PerceptionError):
    """An unknown distance or option, or one whose package is missing."""


class ComparisonError(PerceptionError):
    """Images that a distance cannot compare: shapes, sizes, types or values."""


class WeightsError(PerceptionError):
    """Pretrained weights that are missing, damaged or out of reach."""
