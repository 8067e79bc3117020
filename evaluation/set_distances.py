"""Distances between two sets of features, (N, D) and (M, D), and how sure they are.

Fréchet's distance is `perception.realism.frechet_of`; KID is that of Bińkowski et al., "Demystifying MMD GANs", ICLR 2018.
"""

from collections.abc import Callable

import numpy as np
from torch import Tensor

from codec.errors import ImageError

SUBSETS, SUBSET = 100, 1000  # of KID, and the largest size of one
HALVES = 100  # that an interval is made of
LEAST = 4  # pictures for an interval: two in each half
NORMAL = 1.96  # standard deviations either side hold 95 %


def discrepancy(ours: Tensor, theirs: Tensor) -> float:
    """Unbiased squared maximum mean discrepancy of (N, D) and (M, D) under the kernel (x·y / D + 1)³; it can be below 0."""
    def within(x: Tensor) -> Tensor:
        gram = kernel(x, x)
        return (gram.sum() - gram.trace()) / (len(x) * (len(x) - 1))

    def kernel(x: Tensor, y: Tensor) -> Tensor:
        return (x @ y.T / x.shape[1] + 1) ** 3

    return (within(ours) + within(theirs) - 2 * kernel(ours, theirs).mean()).item()


def kid(ours: Tensor, theirs: Tensor, subsets: int = SUBSETS, seed: int = 0) -> np.ndarray:
    """(subsets,) discrepancies of random subsets of both sets of features: KID is their mean.

    A subset is 1000 patches, or half of a set smaller than 2000: with all of it the subsets would not differ. What was decoded
    shows what the originals show, so the sets are not independent, as KID has it: small sets that agree come out below 0.
    """
    size = min(SUBSET, len(ours) // 2, len(theirs) // 2)
    if size < 2:
        raise ImageError(f"KID takes 4 patches in each set; there are {len(ours)} and {len(theirs)}")
    rng = np.random.default_rng(seed)
    ours, theirs = ours.double(), theirs.double()
    draws = ([x[rng.choice(len(x), size, replace=False)] for x in (ours, theirs)] for _ in range(subsets))
    return np.array([discrepancy(*draw) for draw in draws])


def interval(measure: Callable[[np.ndarray], float], value: float, pictures: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """95 % interval around ``value``, by how ``measure`` varies between halves of the pictures.

    pictures: (N,) indices, N at least 4; measure: some of them → what is measured on these of both sets. The delete-d jackknife
    with d one half (Shao & Wu, "A general theory for jackknife variance estimation", Annals of Statistics 17(3), 1989): the
    deviation between halves, drawn without replacement, estimates that of the whole. A bootstrap would draw pictures twice, and
    a distance that is biased upwards where pictures are few would come out too high in every resample; halves are all biased
    alike, and only their spread counts. The interval is for the distance at this number of pictures, its bias included.
    """
    rng = np.random.default_rng(seed)
    size = len(pictures) // 2
    values = np.array([measure(rng.permutation(pictures)[:size]) for _ in range(HALVES)])
    reach = NORMAL * values.std(ddof=1) * (size / (len(pictures) - size)) ** 0.5
    return float(value - reach), float(value + reach)
