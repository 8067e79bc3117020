"""The steps of an effort, on one latent whose cost is known."""

from types import SimpleNamespace

import numpy as np
import pytest

from metamer.codec.encoder.effort.descent import refine
from metamer.codec.encoder.effort.slope import Slope

WANTED = 1.0


class Line:
    """A view and guide of one latent; it costs ``bits`` of where it is."""

    def __init__(self, bits, share, decay, momentum):
        self.bits, self.share, self.decay, self.momentum = bits, share, decay, momentum
        self.exact, self.inside, self.index = np.zeros((1, 1, 1)), (slice(None), slice(None)), 0
        self.model = SimpleNamespace(arrays={"step": np.ones((1, 1))})
        self.original = np.zeros((16, 16, 3))
        self.visited: list[float] = []
        self.rdoq_lambdas: list[float] = []

    def code(self, targets, rdoq_lambda):
        self.visited.append(targets.item())
        self.rdoq_lambdas.append(np.asarray(rdoq_lambda).item())
        return SimpleNamespace(decoded=targets.item(), bits=self.bits(targets.item()))

    def planes(self, decoded):
        return decoded

    def pixels(self, planes):
        return planes

    def distances(self, pixels):
        return np.zeros(1)

    def wanted(self, coding, planes, slope, curvature):
        return np.full((1, 1, 1), WANTED)

    def rdoq_lambda(self, usual, curvature):
        return 3 * usual


def visited(line: Line, steps: int) -> tuple[list[float], float]:
    """Where the latent was, and where it ends."""
    ones = np.ones((1, 1, 1))
    best = refine(line, line, Slope(np.ones(1), 1.0), ones, ones, steps)
    return line.visited, best.decoded


def test_steps_go_a_share_of_the_way_and_on_with_the_last_move():
    line = Line(lambda at: (at - WANTED) ** 2, 0.5, 0.5, 0.2)
    # of the way to 1: a half, a quarter, an eighth; and a fifth of the last move
    assert visited(line, 3)[0] == pytest.approx([0, 0.5, 0.725, 0.804375])
    assert line.rdoq_lambdas == [1, 3, 3, 3]


def test_what_costs_far_more_is_taken_back_and_tried_at_half_the_length():
    line = Line(lambda at: 100 + 100 * (at > 0.6), 0.8, 1.0, 0.0)
    positions, best = visited(line, 2)
    assert positions == pytest.approx([0, 0.8, 0.4])
    assert best in (0, positions[2])


def test_the_best_step_is_kept_whichever_it_was():
    line = Line(lambda at: 100 + abs(at - 0.5), 0.5, 1.0, 0.0)
    assert visited(line, 4)[1] == 0.5
