"""Rate-distortion optimised rounding of latents: what an encoder alone decides."""

import numpy as np

from metamer.codec.network.model import Model


def choose_residuals(
    exact: np.ndarray, tables: np.ndarray, model: Model, rdoq_lambda: np.ndarray
) -> np.ndarray:
    """Rounds residuals to the nearest integer, or one closer to zero where that saves more than it
    costs.

    Minimises bits + rdoq_lambda·(error in steps)². For elements that stood alone the weight of a
    squared step would be 6 / ln 2 = 8.7 bits (from Δ² = 18 / (ln 2 · λ · 255²), three channels a
    pixel); it pays to value fidelity more, because later passes predict from what this one keeps,
    and most in the first.

    Args:
        exact: (n,) residuals in steps.
        tables: (n,) uint8, the coding table of each.
        model: The model.
        rdoq_lambda: (n,) bits that a squared step is worth.

    Returns:
        (n,) int32.
    """
    nearest = np.rint(exact).astype(np.int32)
    some = np.flatnonzero(nearest)
    value, table, error = nearest[some], tables[some], exact[some]
    closer = value - np.sign(value)
    saved = model.tables.cost(value, table) - model.tables.cost(closer, table)
    worse = rdoq_lambda[some] * ((error - closer) ** 2 - (error - value) ** 2)
    nearest[some] = np.where(saved > worse, closer, value)
    return nearest
