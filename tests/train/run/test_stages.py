"""Which stage a step belongs to, and what has been seen by then."""

from itertools import pairwise

import pytest

from metamer.train.recipe.options import Stage
from metamer.train.run.stages import Schedule

SCHEDULE = Schedule([Stage(name="first", steps=3, batch=8), Stage(name="second", steps=2, batch=4)])


@pytest.mark.parametrize(
    ("step", "index", "place", "samples"),
    [(0, 0, 0, 0), (2, 0, 2, 16), (3, 1, 0, 24), (4, 1, 1, 28), (5, 1, 2, 32)],
)
def test_a_step_belongs_to_one_stage(step, index, place, samples):
    assert SCHEDULE.index(step) == index
    assert SCHEDULE.place(step) == place
    assert SCHEDULE.samples(step) == samples


def test_every_step_adds_its_batch():
    samples = [SCHEDULE.samples(step) for step in range(SCHEDULE.total + 1)]
    assert [after - before for before, after in pairwise(samples)] == [8, 8, 8, 4, 4]
