"""The types of distortion that are made anew, and how the strength of a level is found."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from metamer.evaluation.ratings.resimulation.distortions import (
    blocks,
    blur,
    chromatic_aberration,
    colour_noise,
    contrast,
    correlated_noise,
    gaussian_noise,
    high_frequency_noise,
    impulse_noise,
    jpeg,
    jpeg2000,
    masked_noise,
    mean_shift,
    multiplicative_noise,
    pattern_noise,
    quantisation,
    saturation,
)
from metamer.evaluation.ratings.resimulation.palettes import colour_quantisation

LEVELS = range(1, 6)
# of additive noise, squared 8-bit steps [true]
VARIANCES = {level: 32.5 * 2 ** (level - 1) for level in LEVELS}
# (H, W, 3) uint8, strength, noise → the same shape
Function = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class Distortion:
    """One type: how it is made and how the strength of a level is found.

    ``mild`` and ``strong`` bound the search for the strength of a level's PSNR; ``whole``: only
    integers will do. ``common``: one strength for all references, which reaches the PSNR in the
    mean. ``strengths``: given, not searched. ``signs``: what a strength is multiplied by, level by
    level. ``basis``: 'published parameter', 'PSNR of the level', or 'guess' where even the kind of
    change, and not only its strength, is partly ours.
    """

    number: int
    title: str
    basis: str
    function: Function
    mild: float = 0.0
    strong: float = 0.0
    whole: bool = False
    common: bool = False
    strengths: tuple[float, ...] = ()
    signs: tuple[int, ...] = (1, 1, 1, 1, 1)


PUBLISHED, LEVEL_PSNR, GUESS = "published parameter", "PSNR of the level", "guess"

DISTORTIONS: dict[int, Distortion] = {
    kind.number: kind
    for kind in (
        Distortion(
            1,
            "additive Gaussian noise",
            PUBLISHED,
            gaussian_noise,
            strengths=tuple(VARIANCES.values()),
        ),
        Distortion(2, "additive noise, stronger in colour", GUESS, colour_noise, 1, 80),
        Distortion(3, "spatially correlated noise", GUESS, correlated_noise, 1, 80),
        Distortion(4, "masked noise", GUESS, masked_noise, 1, 160),
        Distortion(5, "high-frequency noise", GUESS, high_frequency_noise, 1, 80),
        Distortion(6, "impulse noise", LEVEL_PSNR, impulse_noise, 1e-4, 0.5),
        Distortion(7, "quantisation noise", LEVEL_PSNR, quantisation, 2, 128, whole=True),
        Distortion(8, "Gaussian blur", GUESS, blur, 0.2, 20, common=True),
        Distortion(10, "JPEG", LEVEL_PSNR, jpeg, 100, 1, whole=True, common=True),
        Distortion(11, "JPEG 2000", LEVEL_PSNR, jpeg2000, 2, 2000),
        Distortion(
            14,
            "non-eccentricity pattern noise",
            GUESS,
            pattern_noise,
            strengths=(20, 40, 60, 80, 100),
        ),
        Distortion(15, "local block-wise distortions", GUESS, blocks, strengths=(2, 4, 8, 16, 32)),
        Distortion(16, "mean shift", GUESS, mean_shift, 1, 255, signs=(-1, 1, -1, 1, -1)),
        Distortion(
            17, "contrast change", LEVEL_PSNR, contrast, 1e-3, 0.999, signs=(-1, 1, -1, 1, -1)
        ),
        Distortion(18, "change of colour saturation", GUESS, saturation, 1e-3, 8),
        Distortion(19, "multiplicative Gaussian noise", LEVEL_PSNR, multiplicative_noise, 1e-3, 4),
        Distortion(
            22,
            "image colour quantisation with dither",
            LEVEL_PSNR,
            colour_quantisation,
            1024,
            2,
            whole=True,
        ),
        Distortion(23, "chromatic aberrations", GUESS, chromatic_aberration, 1, 16, whole=True),
    )
}
