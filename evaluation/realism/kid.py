"""KID of two sets of features, row by row of what was coded and decoded, and how sure a distance of
sets is.

KID is that of Bińkowski et al., "Demystifying MMD GANs", ICLR 2018; Fréchet's distance is
`frechet.frechet_distance_of_features`.
"""

import numpy as np
from torch import Tensor

from metamer.codec.errors import ImageError

SUBSETS, SUBSET = 100, 1000  # of KID, and the largest size of one


def squared_mmd(ours: Tensor, theirs: Tensor) -> float:
    """Unbiased squared maximum mean discrepancy of two (N, D) under the kernel (x·y / D + 1)³; it
    can be below 0.

    The U-statistic of Gretton et al., "A kernel two-sample test", JMLR 13, 2012 (lemma 6, equation
    4). It leaves out what a row has in common with the same row of the other set, and so is 0 for a
    set and itself. The estimator for independent sets does not, and of originals and their decodes,
    which show the same, comes out too low: by several 10⁻³ for 240 patches.
    """

    def apart(x: Tensor, y: Tensor) -> Tensor:
        gram = (x @ y.T / x.shape[1] + 1) ** 3
        return gram.sum() - gram.trace()

    total = apart(ours, ours) + apart(theirs, theirs) - 2 * apart(ours, theirs)
    return (total / (len(ours) * (len(ours) - 1))).item()


def kid_of_subsets(
    ours: Tensor, theirs: Tensor, subsets: int = SUBSETS, seed: int = 0
) -> np.ndarray:
    """(subsets,) discrepancies of random subsets of rows of two (N, D): KID is their mean.

    A subset is 1000 patches, or half of a set smaller than 2000: with all of it the subsets would
    not differ.
    """
    size = min(SUBSET, len(ours) // 2)
    if size < 2:
        raise ImageError(f"KID takes 4 patches in each set; there are {len(ours)}")
    rng = np.random.default_rng(seed)
    ours, theirs = ours.double(), theirs.double()
    draws = (rng.choice(len(ours), size, replace=False) for _ in range(subsets))
    return np.array([squared_mmd(ours[draw], theirs[draw]) for draw in draws])
