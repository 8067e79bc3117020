"""KID, the kernel distance of two sets of features: in its usual estimator, and in one for sets of
which each row of one belongs to a row of the other.

KID is that of Bińkowski et al., "Demystifying MMD GANs", ICLR 2018.
"""

import numpy as np
import torch
from torch import Tensor

from metamer.codec.errors import ImageError

SUBSETS, SUBSET = 100, 1000  # of KID, and the largest size of one


def _kernel_sums(ours: Tensor, theirs: Tensor) -> tuple[float, Tensor]:
    """Sum of the kernel (x·y / D + 1)³ within both sets, without each row with itself, and the
    kernel between them, of two (N, D).
    """

    def kernel(x: Tensor, y: Tensor) -> Tensor:
        return (x @ y.T / x.shape[1] + 1) ** 3

    within = [kernel(x, x) for x in (ours, theirs)]
    return sum((gram.sum() - gram.trace()).item() for gram in within), kernel(ours, theirs)


def squared_mmd(ours: Tensor, theirs: Tensor) -> float:
    """Unbiased squared maximum mean discrepancy of two independent (N, D), as KID is usually
    estimated (Gretton et al., "A kernel two-sample test", JMLR 13, 2012, lemma 6, equation 3).

    It can be below 0. Of originals and their decodes, which show the same and so are not
    independent, it comes out too low: by several 10⁻³ for 240 patches, and below 0 for a set and
    itself.
    """
    within, between = _kernel_sums(ours, theirs)
    count = len(ours)
    return within / (count * (count - 1)) - 2 * between.mean().item()


def paired_squared_mmd(ours: Tensor, theirs: Tensor) -> float:
    """The same of two (N, D) whose rows belong together (lemma 6, equation 4 there).

    It leaves out what a row has in common with the same row of the other set, and so is 0 for a set
    and itself; it can be below 0.
    """
    within, between = _kernel_sums(ours, theirs)
    apart = (between.sum() - between.trace()).item()
    return (within - 2 * apart) / (len(ours) * (len(ours) - 1))


def kid_of_subsets(
    ours: Tensor, theirs: Tensor, paired: bool = False, subsets: int = SUBSETS, seed: int = 0
) -> np.ndarray:
    """(subsets,) discrepancies of random subsets of rows of two (N, D): KID is their mean.

    A subset is 1000 patches, or half of a set smaller than 2000: with all of it the subsets would
    not differ. paired: the same rows of both, by `paired_squared_mmd`; else rows drawn for each, by
    `squared_mmd`.
    """
    size = min(SUBSET, len(ours) // 2)
    if size < 2:
        raise ImageError(f"KID takes 4 patches in each set; there are {len(ours)}")
    rng = np.random.default_rng(seed)
    ours, theirs = ours.double(), theirs.double()
    values = []
    for _ in range(subsets):
        first = torch.from_numpy(rng.choice(len(ours), size, replace=False))
        if paired:
            values.append(paired_squared_mmd(ours[first], theirs[first]))
        else:
            second = torch.from_numpy(rng.choice(len(theirs), size, replace=False))
            values.append(squared_mmd(ours[first], theirs[second]))
    return np.array(values)
