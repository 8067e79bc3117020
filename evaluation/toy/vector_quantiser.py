"""Entropy-constrained vector quantisation (Chou, Lookabaugh & Gray 1989)."""

import torch
from torch import Tensor, nn

BLOCK = 1 << 14  # vectors compared with the codebook at once
SETTLED = 1e-6  # relative fall of the cost in a round below which nothing is left to gain


class VectorQuantiser(nn.Module):
    """Codewords (K, dimensions), their ideal code lengths in bits (K,), and the weight of a squared
    error in bits.

    A vector gets the codeword of least bits + error_weight · squared error.
    """

    def __init__(self, codewords: Tensor, lengths: Tensor, error_weight: float):
        super().__init__()
        self.register_buffer("codewords", codewords)
        self.register_buffer("lengths", lengths)
        self.error_weight = error_weight

    def choose(self, vectors: Tensor) -> Tensor:
        """Indices (N,)."""
        # the vector's own square changes no choice
        fixed = self.lengths + self.error_weight * self.codewords.square().sum(1)
        return torch.cat(
            [
                torch.addmm(fixed, block, self.codewords.T, alpha=-2 * self.error_weight).argmin(1)
                for block in vectors.split(BLOCK)
            ]
        )

    def forward(self, vectors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Codes vectors (N, dimensions): cells (N, 1), bits (N,), decoded (N, dimensions)."""
        chosen = self.choose(vectors)
        return chosen[:, None], self.lengths[chosen], self.codewords[chosen]


def train_vector_quantiser(
    vectors: Tensor, codewords: int, error_weight: float, rounds: int
) -> VectorQuantiser:
    """The best on (N, dimensions) that Lloyd's algorithm comes to from ``codewords`` and ever
    fewer, halved in two steps.

    From too many it keeps more than is best: a cell loses its neighbours' vectors only while it
    shrinks.
    """
    sizes = sorted(
        {round(codewords / 2 ** (half / 2)) for half in range(2 * codewords.bit_length())} - {0},
        reverse=True,
    )
    return min(
        (lloyd(vectors, size, error_weight, rounds) for size in sizes),
        key=lambda trained: trained[1],
    )[0]


def lloyd(
    vectors: Tensor, codewords: int, error_weight: float, rounds: int
) -> tuple[VectorQuantiser, float]:
    """Lloyd's algorithm with code lengths, from the first of the vectors (N, dimensions); and its
    cost on them in bits.

    Each round chooses, then moves codewords to their cells' means and gives them their cells' code
    lengths; the cost never rises. Codewords that nothing chooses any more are dropped.
    """
    start = vectors[:codewords]
    coder = VectorQuantiser(start.clone(), torch.zeros(len(start)), error_weight)
    before = cost = float("inf")
    for _ in range(rounds):
        chosen = coder.choose(vectors)
        counts = torch.bincount(chosen, minlength=len(coder.codewords))
        sums = torch.zeros_like(coder.codewords).index_add_(0, chosen, vectors)
        used = counts > 0
        counts = counts[used].to(vectors.dtype)
        coder.codewords, coder.lengths = (
            sums[used] / counts[:, None],
            -torch.log2(counts / counts.sum()),
        )
        share = counts / counts.sum()
        # a cell's squared error is its mean square less its centroid's square
        cost = (share * coder.lengths).sum() - error_weight * (
            share[:, None] * coder.codewords.square()
        ).sum()
        cost = cost.item() + error_weight * vectors.square().sum(1).mean().item()
        if before - cost < SETTLED * abs(cost):
            break
        before = cost
    return coder, cost
