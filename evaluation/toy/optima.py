"""The best that can be done, where it is known."""

import math
from dataclasses import dataclass

import numpy as np
from scipy import optimize


@dataclass(frozen=True)
class Optimum:
    """rate: bits a vector; distortion: in the source's units."""

    rate: float
    distortion: float

    def cost(self, tradeoff: float) -> float:
        return self.rate + tradeoff * self.distortion


def binary_entropy(share: float) -> float:
    """In bits."""
    return -sum(part * math.log2(part) for part in (share, 1 - share) if part > 0)


def laplace_quantiser(dead: float, step: float) -> Optimum:
    """A scalar quantiser of the density e^(−|x|)/2: one cell over ±dead, then cells of one width,
    each with its mean.

    Beyond ±dead the density is exponential, so every outer cell looks alike and their number is
    geometric.
    """
    outside, ratio = math.exp(-dead), math.exp(-step)
    # variance of an exponential of mean 1 cut off at step
    spread = 1 - step**2 * ratio / (1 - ratio) ** 2
    rate = binary_entropy(outside) + outside * (1 + binary_entropy(ratio) / (1 - ratio))
    return Optimum(rate, 2 - outside * (dead**2 + 2 * dead + 2) + outside * spread)


def laplace(tradeoff: float) -> Optimum:
    """The optimal entropy-constrained scalar quantiser, which has that form (Sullivan, IEEE Trans.
    Inf. Theory 1996).
    """
    step = math.sqrt(6 / (math.log(2) * tradeoff))  # the best at high rates
    solution = optimize.minimize(
        lambda logs: laplace_quantiser(*np.exp(logs)).cost(tradeoff),
        np.log([step / 2, step]),
        method="Nelder-Mead",
        options={"xatol": 1e-8, "fatol": 1e-12, "maxiter": 4000},
    )
    best = laplace_quantiser(*np.exp(solution.x))
    return min(best, Optimum(0.0, 2.0), key=lambda one: one.cost(tradeoff))


def laplace_bound(distortion: np.ndarray) -> np.ndarray:
    """Shannon's lower bound on the rate in bits at a mean squared error: h − ½ log2(2πe D), h =
    log2(2e).
    """
    return np.maximum(math.log2(2 * math.e) - np.log2(2 * math.pi * math.e * distortion) / 2, 0)


def sawbridge_quantiser(width: float) -> Optimum:
    """The jump's place cut into intervals of one width and a smaller rest, each sent as the mean
    path of its interval.

    In an interval of width w the path's indicator is on with a probability rising from 0 to 1,
    which leaves w · ∫ s (1 − s) ds = w/6 of squared error over [0, 1].
    """
    whole = math.floor(1 / width + 1e-9)
    rest = max(1 - whole * width, 0.0)
    rate = -whole * width * math.log2(width) - (rest * math.log2(rest) if rest else 0)
    return Optimum(rate, (whole * width**2 + rest**2) / 6)


def sawbridge(tradeoff: float) -> Optimum:
    """The optimum of any deterministic code of the path in continuous time (derived here; Wagner &
    Ballé 2021 characterise it).

    Intervals are best, for a cell of probability p errs by p/6 at least; and of all partitions with
    the same Σ p², equal parts and one smaller have the least entropy.
    """
    most = 2 + math.ceil(tradeoff)
    widths = np.unique(np.concatenate([1 / np.arange(1, most), np.linspace(1 / most, 1, 4000)]))
    return min((sawbridge_quantiser(width) for width in widths), key=lambda one: one.cost(tradeoff))


OPTIMA = {"laplace": laplace, "sawbridge": sawbridge}
