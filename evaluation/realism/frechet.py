"""Realism: how far apart the distributions of encodings of two sets of images lie, whichever image
belongs to which.

Ballé, "Perception: the next milestone in learned image compression", proposes to measure it on
PIM's z. The divergence is that of Heusel et al., NeurIPS 2017, Fréchet's distance of Gaussians
fitted to both sets; Bhardwaj et al. report no such figures.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from metamer.perception.distances.pim import PimOne


class Moments:
    """Mean and covariance of vectors that come in portions, in float64: memory does not grow with
    their number.
    """

    def __init__(self, dimensions: int):
        self.count = 0
        self.mean = torch.zeros(dimensions, dtype=torch.float64)
        self.scatter = torch.zeros(dimensions, dimensions, dtype=torch.float64)

    @classmethod
    def of(cls, vectors: Tensor) -> "Moments":
        """vectors: (N, D)."""
        moments = cls(vectors.shape[1])
        vectors = vectors.double().cpu()
        moments.count, moments.mean = len(vectors), vectors.mean(0)
        away = vectors - moments.mean
        moments.scatter = away.T @ away
        return moments

    def add(self, other: "Moments") -> None:
        """Chan et al., "Updating formulae and a pairwise algorithm for computing sample variances",
        1979.
        """
        apart, total = other.mean - self.mean, self.count + other.count
        self.scatter += other.scatter + apart.outer(apart) * (self.count * other.count / total)
        self.mean += apart * (other.count / total)
        self.count = total

    @property
    def covariance(self) -> Tensor:
        return self.scatter / (self.count - 1)


def frechet_distance(ours: Moments, theirs: Moments) -> float:
    """Squared Fréchet distance of the Gaussians with these moments: |μ − ν|² + tr(A + B − 2 (A^½ B
    A^½)^½).
    """
    values, vectors = torch.linalg.eigh(ours.covariance)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    cross = torch.linalg.eigvalsh(root @ theirs.covariance @ root).clamp(min=0).sqrt().sum()
    spread = ours.covariance.trace() + theirs.covariance.trace() - 2 * cross
    return max(0.0, ((ours.mean - theirs.mean).square().sum() + spread).item())


def frechet_distance_of_features(ours: Tensor, theirs: Tensor) -> float:
    """`frechet_distance` of the Gaussians fitted to (N, D) and (M, D) vectors, N and M at least 2,
    without their covariances.

    With A = XᵀX and B = YᵀY the trace of (A^½ B A^½)^½ is the sum of the singular values of XYᵀ, of
    N rows, not D.
    """
    means, factors = [], []
    for vectors in (ours.double(), theirs.double()):
        means.append(vectors.mean(0))
        factor = (vectors - means[-1]) / (len(vectors) - 1) ** 0.5
        factors.append(
            torch.linalg.qr(factor, mode="r").R if len(factor) > factor.shape[1] else factor
        )
    spread = (
        sum(factor.square().sum() for factor in factors)
        - 2 * torch.linalg.svdvals(factors[0] @ factors[1].T).sum()
    )
    return max(0.0, ((means[0] - means[1]).square().sum() + spread).item())


@torch.no_grad()
def pim_moments(space: PimOne, image: Tensor) -> list[Moments]:
    """Of the means of z over all positions of (N, 3, H, W) images, for every sub-band."""
    return [
        Moments.of(means.transpose(0, 1).flatten(1).T)
        for means in space.space(space.prepared(image))
    ]


def pooled_moments(images: Iterable[Sequence[Moments]]) -> list[Moments]:
    """The moments of all images together, for every sub-band."""
    pooled: list[Moments] = []
    for bands in images:
        pooled = pooled or [Moments(len(band.mean)) for band in bands]
        for whole, band in zip(pooled, bands, strict=True):
            whole.add(band)
    return pooled


def mean_frechet_distance(ours: Sequence[Moments], theirs: Sequence[Moments]) -> float:
    """Mean of `frechet_distance` over sub-bands: 0 for sets that agree in mean and covariance."""
    return sum(frechet_distance(a, b) for a, b in zip(ours, theirs, strict=True)) / len(ours)
