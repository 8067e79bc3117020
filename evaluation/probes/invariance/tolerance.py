"""How little small changes of geometry matter to a distance.

Bhardwaj et al., NeurIPS 2020: nobody minds a shift by a pixel.
"""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from metamer.codec.errors import ImageError
from metamer.evaluation.images import centre_crop, read_image, to_tensor
from metamer.evaluation.probes.invariance.behaviour import (
    Behaviour,
    distance_from,
    mean_behaviour,
    write_behaviours,
)
from metamer.evaluation.progress import tracked
from metamer.perception.distance import Distance

SIDE = 256  # of the piece of a photograph that is changed
MARGIN = 8
SHIFTS = (1, 2)  # pixels
SCALES = (1.01, 1.02)
FLOOR = 1e-6  # of ratios, which are averaged as logarithms


def shift(image: Tensor, right: int, down: int) -> Tensor:
    """The middle of (1, 3, S + 16, S + 16), seen that many pixels further: (1, 3, S, S)."""
    side = image.shape[-1] - 2 * MARGIN
    return image[..., MARGIN + down : MARGIN + down + side, MARGIN + right : MARGIN + right + side]


def enlarge(image: Tensor, factor: float) -> Tensor:
    """The same middle, enlarged about its centre, bicubically."""
    side = image.shape[-1] - 2 * MARGIN
    share = side / image.shape[-1] / factor
    grid = F.affine_grid(
        torch.tensor([[[share, 0, 0], [0, share, 0]]]), [1, 3, side, side], align_corners=False
    )
    return F.grid_sample(image, grid, mode="bicubic", align_corners=False)


def small_changes(image: Tensor) -> dict[str, list[Tensor]]:
    """What is done to the middle of an image: a name, and the results that count for it."""
    moved = {f"shift {by} px": [shift(image, by, 0), shift(image, 0, by)] for by in SHIFTS}
    return moved | {f"scale {factor - 1:+.0%}": [enlarge(image, factor)] for factor in SCALES}


def add_equal_noise(reference: Tensor, changed: Tensor, seed: int, share: float = 1.0) -> Tensor:
    """The reference with white Gaussian noise of the very mean squared error that ``changed`` has,
    or of a share of it.
    """
    noise = torch.randn(reference.shape, generator=torch.Generator().manual_seed(seed))
    wanted = share * (changed - reference).square().mean()
    return reference + noise * (wanted / noise.square().mean()).sqrt()


@torch.no_grad()
def change_tolerances(distance: Distance, images: Sequence[Tensor]) -> list[Behaviour]:
    """How far a changed image is, relative to one with noise of equal mean squared error: geometric
    means over the images.

    Below 1 is tolerant; for the mean squared error it is 1. images: (1, 3, S + 16, S + 16) each,
    whose middle counts.
    """
    logs: dict[str, list[float]] = {}
    groups: dict[str, list[int]] = {}
    for number, image in enumerate(tracked(images, "photo", str(distance), leave=False)):
        reference = shift(image, 0, 0)
        far = distance_from(distance, reference)
        for name, results in small_changes(image).items():
            for changed in results:
                if torch.equal(changed, reference):  # a flat picture
                    continue
                ratio = far(changed) / far(add_equal_noise(reference, changed, number))
                logs.setdefault(name, []).append(math.log(max(ratio, FLOOR)))
                groups.setdefault(name, []).append(number)
    means = (mean_behaviour(distance, name, values, groups[name]) for name, values in logs.items())
    return [
        Behaviour(
            row.distance, row.what, *np.exp([row.value, row.low, row.high]).tolist(), row.groups
        )
        for row in means
    ]


def study_tolerance(photos: Iterable[Path], distances: Sequence[Distance], out: Path) -> str:
    """`change_tolerances` on the centres of photographs, those too small left out.

    Writes tolerance.json and tolerance.png into ``out``; returns a table.
    """
    pictures = [to_tensor(read_image(path)) for path in photos]
    images = [
        centre_crop(image, SIDE + 2 * MARGIN)
        for image in pictures
        if min(image.shape[-2:]) >= SIDE + 2 * MARGIN
    ]
    if not images:
        raise ImageError(f"there is no photograph with {SIDE + 2 * MARGIN} pixels a side")
    rows = [row for distance in distances for row in change_tolerances(distance, images)]
    return write_behaviours(
        rows,
        "distance, relative to noise of equal mean squared error",
        out / "tolerance",
        logarithmic=True,
    )
