"""Whom to believe: catch trials, repeated pairs, sides, and agreement with others."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from scipy import stats

from metamer.evaluation.study.answers import Vote

PASSED = 0.8  # share of ruined pictures to be seen: who tosses a coin passes five of six in 11 %
CHANCE = 0.001  # a lean to one side that comes by chance less often than this is a habit


@dataclass(frozen=True)
class Rater:
    """How consistent a rater is; counts as (how many, of how many).

    Attributes:
        name: As in the answers.
        answers: How many were given.
        degraded: Catch trials in which the original was preferred to its ruin.
        identical: Trials of the same picture twice in which neither was preferred.
        repeats: Pairs asked again that were answered alike.
        agreement: Pairs on which the rater sides with the majority of the others.
        left: Preferences for what stood on the left.
        seconds: Median time for an answer.
        fault: Why the answers do not count; empty where they do.
    """

    name: str
    answers: int
    degraded: tuple[int, int]
    identical: tuple[int, int]
    repeats: tuple[int, int]
    agreement: tuple[int, int]
    left: tuple[int, int]
    seconds: float
    fault: str

    def as_dict(self) -> dict:
        """For JSON."""
        return asdict(self)


def judge_raters(votes: Sequence[Vote]) -> list[Rater]:
    """Every rater, in the order of the votes.

    A rater's answers do not count who saw fewer than four fifths of the ruined pictures, or who
    leans to one side more than chance would in one case of a thousand (sides are drawn anew in
    every trial, so a preference for a side is none for a picture).
    """
    votes_by_rater: dict[str, list[Vote]] = defaultdict(list)
    for vote in votes:
        votes_by_rater[vote.rater].append(vote)
    totals: Counter[str] = Counter()
    for vote in votes:
        totals[vote.trial] += vote.preferred - 0.5
    return [judge_rater(name, rater_votes, totals) for name, rater_votes in votes_by_rater.items()]


def judge_rater(name: str, votes: Sequence[Vote], totals: Counter[str]) -> Rater:
    """One rater. totals: trial → sum of all raters' preferences for its first picture, from −½ to
    ½ each.
    """
    degraded = [
        vote.preferred == (1.0 if vote.codecs[0] == "original" else 0.0)
        for vote in votes
        if vote.kind == "degraded"
    ]
    identical = [vote.preferred == 0.5 for vote in votes if vote.kind == "identical"]
    repeats = repeated_alike(votes)
    sides = [vote.left == (vote.preferred == 1.0) for vote in votes if vote.preferred != 0.5]
    agreement = []
    for vote in votes:
        preference = vote.preferred - 0.5
        others = totals[vote.trial] - preference
        if vote.kind == "pair" and preference and others:
            agreement.append(preference * others > 0)
    return Rater(
        name=name,
        answers=len(votes),
        degraded=counted(degraded),
        identical=counted(identical),
        repeats=counted(repeats),
        agreement=counted(agreement),
        left=counted(sides),
        seconds=float(np.median([vote.seconds for vote in votes])),
        fault=fault_of(degraded, sides),
    )


def counted(values: Sequence[bool]) -> tuple[int, int]:
    """How many are true, of how many."""
    return int(sum(values)), len(values)


def repeated_alike(votes: Sequence[Vote]) -> list[bool]:
    """Of every pair that was asked twice, whether the same codec was preferred."""

    def liked(vote: Vote) -> str:
        return "" if vote.preferred == 0.5 else vote.codecs[0 if vote.preferred else 1]

    first = {vote.trial: vote for vote in votes}
    return [
        liked(vote) == liked(first[vote.repeats])
        for vote in votes
        if vote.repeats is not None and vote.repeats in first
    ]


def fault_of(degraded: Sequence[bool], sides: Sequence[bool]) -> str:
    """Why a rater's answers do not count, empty where they do."""
    if degraded and np.mean(degraded) < PASSED:
        return f"saw {sum(degraded)} of {len(degraded)} ruined pictures"
    if sides and stats.binomtest(int(sum(sides)), len(sides)).pvalue < CHANCE:
        return f"chose the left in {sum(sides)} of {len(sides)} preferences"
    return ""


def pair_agreement(votes: Sequence[Vote]) -> float:
    """Chance that two raters, drawn at random, give the same answer to a pair; NaN with one."""
    answers: dict[str, Counter] = defaultdict(Counter)
    for vote in votes:
        if vote.kind == "pair":
            answers[vote.trial][vote.preferred] += 1
    alike = total = 0
    for counts in answers.values():
        number = sum(counts.values())
        alike += sum(count * (count - 1) for count in counts.values())
        total += number * (number - 1)
    return alike / total if total else float("nan")
