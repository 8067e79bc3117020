"""Bradley-Terry scores of codecs from preferences, with intervals over raters and pictures."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import choix
import numpy as np

from metamer.codec.errors import MetamerError
from metamer.evaluation.study.answers import Vote

ELO = 400 / np.log(10)  # Elo's unit: 400 points more win ten times as often as they lose
# of a win for either of any two codecs, besides what was voted: keeps finite who always wins, and
# is little beside a study's votes
PRIOR = 0.5
LEVEL = 0.95


@dataclass(frozen=True)
class CodecScore:
    """A codec's place among those at a rate.

    Attributes:
        group: Lowest rate of the group, in bits a pixel; None for all rates together, or where
            rates are not known.
        codec: Its name.
        rate: Its own, in bits a pixel.
        score: Elo points over the mean of the group.
        low, high: Ends of the 95 % interval.
        preferred: Share of comparisons that it won, ties being half.
        votes: How many comparisons it was in.
    """

    group: float | None
    codec: str
    rate: float | None
    score: float
    low: float
    high: float
    preferred: float
    votes: int

    def as_dict(self) -> dict:
        """For JSON."""
        return asdict(self)


def win_matrix(
    codecs: np.ndarray, preferred: np.ndarray, weights: np.ndarray, count: int
) -> np.ndarray:
    """(count, count): how often the row's codec was preferred to the column's.

    codecs: (N, 2) indices; preferred: (N,) 1 for the first, 0 for the second, ½ for neither;
    weights: (N,) how often each vote counts.
    """
    wins = np.zeros((count, count))
    np.add.at(wins, (codecs[:, 0], codecs[:, 1]), weights * preferred)
    np.add.at(wins, (codecs[:, 1], codecs[:, 0]), weights * (1 - preferred))
    return wins


def bradley_terry(wins: np.ndarray) -> np.ndarray:
    """(N,) scores in Elo's unit, mean 0, of (N, N) wins of the row over the column.

    Maximum likelihood of Bradley & Terry, "Rank analysis of incomplete block designs" (Biometrika
    39, 1952), by Maystre & Grossglauser's iterated spectral ranking ("Fast and accurate inference
    of Plackett-Luce models", NeurIPS 2015), with half a win added to both of any two.
    """
    padded = wins + PRIOR * (1 - np.eye(len(wins)))
    return ELO * choix.ilsr_pairwise_dense(padded, tol=1e-5)


def resampled_weights(
    raters: np.ndarray, pictures: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """(N,) how often each vote comes in a resample of raters and, independently, of pictures.

    Owen's pigeonhole bootstrap ("The pigeonhole bootstrap", Annals of Applied Statistics 1(2),
    2007): votes of one rater, and those on one picture, are not independent, so both are drawn
    whole. raters, pictures: (N,) labels 0, 1 …. With one rater, or one picture, the other alone is
    drawn. Where not everybody answered everything a resample can be empty; it is drawn again.
    """
    while True:
        weights = np.ones(len(raters))
        for labels in (raters, pictures):
            count = labels.max() + 1
            if count > 1:
                weights *= rng.multinomial(count, np.full(count, 1 / count))[labels]
        if weights.any():
            return weights


def score_group(
    votes: Sequence[Vote], group: float | None, samples: int, seed: int
) -> list[CodecScore]:
    """Scores of the codecs in these votes, the best first."""
    names = sorted({codec for vote in votes for codec in vote.codecs})
    codecs = np.array([[names.index(codec) for codec in vote.codecs] for vote in votes])
    preferred = np.array([vote.preferred for vote in votes])
    raters, pictures = (
        np.unique([getattr(vote, field) for vote in votes], return_inverse=True)[1]
        for field in ("rater", "picture")
    )
    wins = win_matrix(codecs, preferred, np.ones(len(votes)), len(names))
    scores = bradley_terry(wins)
    rng = np.random.default_rng(seed)
    drawn = [
        bradley_terry(
            win_matrix(codecs, preferred, resampled_weights(raters, pictures, rng), len(names))
        )
        for _ in range(samples)
    ]
    low, high = np.quantile(drawn, ((1 - LEVEL) / 2, (1 + LEVEL) / 2), axis=0)
    counts = wins + wins.T
    rates = {
        codec: rate for vote in votes for codec, rate in zip(vote.codecs, vote.rates, strict=True)
    }
    return [
        CodecScore(
            group,
            names[index],
            rates[names[index]] if group is not None else None,
            *(float(values[index]) for values in (scores, low, high)),
            preferred=float(wins[index].sum() / counts[index].sum()),
            votes=int(counts[index].sum()),
        )
        for index in np.argsort(-scores)
    ]


def score_votes(votes: Sequence[Vote], samples: int = 1000, seed: int = 0) -> list[CodecScore]:
    """Scores of all rates together and, where there are several, at each.

    Votes on pairs count; those on repeats and catch trials say how consistent raters are
    (`raters`). Codecs were compared at equal rates alone, so scores at a rate are over the mean of
    the codecs there and do not tell one rate from another.

    Args:
        votes: Of raters to be believed.
        samples: How many resamples make the intervals.
        seed: Of the resamples.

    Raises:
        MetamerError: No vote on a pair.
    """
    votes = [vote for vote in votes if vote.kind == "pair"]
    if not votes:
        raise MetamerError("no rater whose answers count compared two codecs")
    groups = sorted({vote.rate for vote in votes if vote.rate is not None})
    scores = [] if len(groups) == 1 else score_group(votes, None, samples, seed)
    for group in groups:
        group_votes = [vote for vote in votes if vote.rate == group]
        scores += score_group(group_votes, group, samples, seed)
    return scores
