"""The strength of each level: given, or the one that reaches its PSNR."""

from collections.abc import Callable, Iterable

import numpy as np
from scipy import optimize

from metamer.evaluation.images import to_tensor
from metamer.evaluation.ratings.resimulation.definitions import LEVELS, VARIANCES, Distortion
from metamer.perception import create

# dB: 33.0, 30.0, 27.0, 24.0, 21.0
TARGETS = {level: float(10 * np.log10(255**2 / VARIANCES[level])) for level in LEVELS}
TRUE_STRENGTHS = {("I01", 23, 5): 5.0}  # the strengths that true images show; rules give the others
PSNR = create("psnr")


def psnr(reference: np.ndarray, image: np.ndarray) -> float:
    """The registry's, of (H, W, 3) uint8 arrays."""
    return PSNR(to_tensor(reference), to_tensor(image)).item()


def seeded_noise(reference: str, number: int, level: int) -> np.random.Generator:
    """The noise of one entry, always the same: ``reference`` is I01 … I24."""
    return np.random.default_rng((int(reference[1:]), number, level))


def solve_strength(reached: Callable[[float], float], target: float, kind: Distortion) -> float:
    """The strength between ``kind.mild`` and ``kind.strong`` whose PSNR in dB, ``reached``, is
    nearest to ``target``.

    PSNR has to fall from mild to strong; where even an end does not get there, that end is the
    answer.
    """
    errors: dict[float, float] = {}

    def excess(strength: float) -> float:
        if strength not in errors:
            errors[strength] = reached(strength) - target
        return errors[strength]

    mild, strong = kind.mild, kind.strong
    if excess(mild) > 0 > excess(strong):
        if kind.whole:
            while abs(mild - strong) > 1:
                middle = float((mild + strong) // 2)
                mild, strong = (middle, strong) if excess(middle) > 0 else (mild, middle)
        else:
            optimize.brentq(
                lambda power: excess(float(np.exp(power))), np.log(mild), np.log(strong), xtol=3e-4
            )
    return min(errors, key=lambda strength: abs(errors[strength]))


def distort(
    kind: Distortion, reference: str, image: np.ndarray, level: int, strength: float
) -> np.ndarray:
    """The entry of ``reference`` at ``level`` with an unsigned ``strength``: (H, W, 3) uint8."""
    return kind.function(
        image, kind.signs[level - 1] * strength, seeded_noise(reference, kind.number, level)
    )


def level_strengths(
    kind: Distortion, level: int, images: dict[str, np.ndarray]
) -> dict[str, float]:
    """Reference → strength of ``level``, as ``kind`` wants it found. ``images``: (H, W, 3)
    uint8.
    """
    if kind.strengths:
        return dict.fromkeys(images, kind.strengths[level - 1])

    def reached(strength: float, names: Iterable[str]) -> float:
        return float(
            np.mean(
                [
                    psnr(images[name], distort(kind, name, images[name], level, strength))
                    for name in names
                ]
            )
        )

    if kind.common:
        return dict.fromkeys(
            images, solve_strength(lambda strength: reached(strength, images), TARGETS[level], kind)
        )
    return {
        name: TRUE_STRENGTHS.get((name, kind.number, level))
        or solve_strength(
            lambda strength, name=name: reached(strength, [name]), TARGETS[level], kind
        )
        for name in images
    }
