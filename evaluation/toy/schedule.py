"""What changes over the steps in which a transform coder is trained."""

from dataclasses import dataclass

SHARPEST = 6.0  # of the soft rounding, 1/temperature; it starts at 1, nearly uniform noise


@dataclass(frozen=True)
class Schedule:
    """All moments are shares of the steps.

    sharpening: from when till when the soft rounding sharpens; falling: from when till when the
    learning rate falls, and ``lowest`` the share of its highest that it falls to; rounded: when
    prior and synthesis begin to see rounded latents, and the analysis to rest; refit: the share of
    the highest learning rate that these two then start from again, falling to nothing, or None to
    let it fall on; prior: the prior's learning rate, relative to the transforms'; surplus: how many
    times λ training begins with, which falls to λ by half time. An untrained synthesis gains little
    by finer cells, so without a surplus training settles for too few.
    """

    sharpening: tuple[float, float] = (0.0, 0.5)
    falling: tuple[float, float] = (0.5, 1.0)
    lowest: float = 0.01
    rounded: float = 0.9
    refit: float | None = None
    prior: float = 1.0
    surplus: float = 1.0

    def temperature(self, progress: float) -> float:
        """Of the soft rounding."""
        return 1 / (1 + (SHARPEST - 1) * ramp(progress, *self.sharpening))

    def learning_rate(self, progress: float) -> float:
        """As a share of the highest."""
        if self.refit is not None and progress >= self.rounded:
            return self.refit * (1 - progress) / (1 - self.rounded)
        return self.lowest ** ramp(progress, *self.falling)

    def tradeoff(self, progress: float) -> float:
        """What λ is multiplied by."""
        return self.surplus ** (1 - ramp(progress, 0.0, 0.5))


STEADY = Schedule()


def ramp(progress: float, start: float, end: float) -> float:
    """0 until ``start``, 1 from ``end`` on, straight between them."""
    return min(max((progress - start) / (end - start), 0.0), 1.0)
