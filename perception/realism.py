"""Realism: how far apart the distributions of encodings of two sets of images lie, whichever image belongs to which.

Ballé, "Perception: the next milestone in learned image compression", proposes to measure it on PIM's z. The divergence is that
of Heusel et al., NeurIPS 2017, Fréchet's distance of Gaussians fitted to both sets; Bhardwaj et al. report no such figures.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from perception.pim import PimOne


class Moments:
    """Mean and covariance of vectors that come in portions, in float64: memory does not grow with their number."""

    def __init__(self, dimensions: int):
        self.count = 0
        self.mean = torch.zeros(dimensions, dtype=torch.float64)
        self.scatter = torch.zeros(dimensions, dimensions, dtype=torch.float64)

    def add(self, vectors: Tensor) -> None:
        """vectors: (N, D). Chan et al., "Updating formulae and a pairwise algorithm for computing sample variances", 1979."""
        vectors = vectors.double().cpu()
        mean = vectors.mean(0)
        away, apart, total = vectors - mean, mean - self.mean, self.count + len(vectors)
        self.scatter += away.T @ away + apart.outer(apart) * (self.count * len(vectors) / total)
        self.mean += apart * (len(vectors) / total)
        self.count = total

    @property
    def covariance(self) -> Tensor:
        return self.scatter / self.count


def frechet(ours: Moments, theirs: Moments) -> float:
    """Squared Fréchet distance of the Gaussians with these moments: |μ − ν|² + tr(A + B − 2 (A^½ B A^½)^½)."""
    values, vectors = torch.linalg.eigh(ours.covariance)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    cross = torch.linalg.eigvalsh(root @ theirs.covariance @ root).clamp(min=0).sqrt().sum()
    spread = ours.covariance.trace() + theirs.covariance.trace() - 2 * cross
    return max(0.0, ((ours.mean - theirs.mean).square().sum() + spread).item())


@torch.no_grad()
def moments(space: PimOne, images: Iterable[Tensor]) -> list[Moments]:
    """Of the means of z over all positions of all images, (N, 3, H, W) each, for every sub-band."""
    found: list[Moments] = []
    for image in images:
        place = space.space(space.prepared(image))
        found = found or [Moments(means.shape[1]) for means in place]
        for moment, means in zip(found, place, strict=True):
            moment.add(means.transpose(0, 1).flatten(1).T)
    return found


def divergence(ours: Sequence[Moments], theirs: Sequence[Moments]) -> float:
    """Mean of `frechet` over sub-bands: 0 for sets that agree in mean and covariance."""
    return sum(frechet(a, b) for a, b in zip(ours, theirs, strict=True)) / len(ours)
