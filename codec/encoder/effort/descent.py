"""Steps towards a better trade, of which the best is kept."""

import numpy as np

from metamer.codec.encoder.effort.guide import Guide
from metamer.codec.encoder.effort.slope import Slope
from metamer.codec.encoder.effort.view import Coding, View
from metamer.codec.options import Progress

# a step that ends at so many times the least cost is taken back, and those that follow are half as
# long
FAR = 1.05


def refine(
    view: View,
    guide: Guide,
    slope: Slope,
    rdoq_lambda: np.ndarray,
    importance: np.ndarray,
    steps: int,
    progress: Progress | None = None,
) -> Coding:
    """The best of what is coded without effort and after every step.

    rdoq_lambda: (h, w, M) without effort; importance: (h, w, 1) how much more than elsewhere an
    error counts there.
    """
    height, width = view.original.shape[:2]
    # bits that a squared step costs where transforms are orthogonal: of three planes, each with one
    # error a pixel
    curvature = slope.mse * view.model.arrays["step"][view.index] ** 2 / (3 * height * width)
    curvature = (curvature * importance).astype(np.float32)
    share, least = guide.share, np.inf
    targets = kept = wanted = view.exact[view.inside]
    move = np.zeros_like(targets)
    for step in range(steps + 1):
        coding = view.code(targets, rdoq_lambda)
        planes = view.planes(coding.decoded)
        cost = coding.bits + float(slope.weights @ guide.distances(view.pixels(planes)))
        if cost < least:
            best, least = coding, cost
        if step == steps:
            return best
        if cost > FAR * least:
            share /= 2
        else:
            kept, move = targets, targets - kept
            wanted = guide.wanted(coding, planes, slope, curvature)
        if not step:
            rdoq_lambda = guide.rdoq_lambda(rdoq_lambda, curvature)
        targets = kept + share * (wanted - kept) + guide.momentum * move
        share *= guide.decay
        if progress:
            progress()
    raise AssertionError("the last step returns")
