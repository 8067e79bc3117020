"""Which stage of a recipe a step belongs to."""

import itertools
from collections.abc import Sequence

from metamer.train.recipe.options import Stage


class Schedule:
    """The steps of all stages, one stage after the other.

    Attributes:
        total: steps of all stages together.
        ends: steps taken when each stage is over.
    """

    def __init__(self, stages: Sequence[Stage]):
        self._stages = stages
        self.ends = list(itertools.accumulate(stage.steps for stage in stages))
        self.total = self.ends[-1]

    def index(self, steps_taken: int) -> int:
        """Number of the stage of the step that is next; of the last, if there is none."""
        return min(sum(end <= steps_taken for end in self.ends), len(self.ends) - 1)

    def place(self, steps_taken: int) -> int:
        """Steps of that step's stage that are taken."""
        index = self.index(steps_taken)
        return steps_taken - (self.ends[index - 1] if index else 0)

    def samples(self, steps_taken: int) -> int:
        """Samples that those steps have seen."""
        index = self.index(steps_taken)
        before = sum(stage.steps * stage.batch for stage in self._stages[:index])
        return before + self.place(steps_taken) * self._stages[index].batch
