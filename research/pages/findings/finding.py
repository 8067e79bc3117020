"""A finding of a paper, and what can become of it."""

from typing import NamedTuple

REPRODUCED, NOT_REPRODUCED, CANNOT_TELL = "**reproduced**", "**not reproduced**", "cannot tell"


class Finding(NamedTuple):
    """A row of the table, as text.

    Attributes:
        paper: Whose finding it is.
        finding: What they found.
        verdict: One of the three above, by a rule that stands where the finding is made.
        figure: What was measured here, with intervals.
        seeds: How many trainings are behind it.
        command: That measures it again.
    """

    paper: str
    finding: str
    verdict: str
    figure: str
    seeds: str
    command: str


def signed_interval(value: float, low: float, high: float) -> str:
    """A difference with its interval."""
    return f"{value:+.3f} [{low:+.3f}, {high:+.3f}]".replace("-", "−")
