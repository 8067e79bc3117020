"""Raters whose preferences are known, answering a key as the page would save it."""

from collections.abc import Mapping

import numpy as np

from metamer.evaluation.study.answers import ANSWERS_KIND
from metamer.evaluation.study.scores import ELO


def simulated(
    key: dict, name: str, strengths: Mapping[str, float], seed: int, habit: str = ""
) -> dict:
    """Answers of one rater.

    strengths: codec → Elo points; habit: "" for a good rater, who sees what is ruined; "left" for
    one who always chooses that side; "random" for one who does not look.
    """
    rng = np.random.default_rng(seed)
    answers = []
    for trial, description in key["trials"].items():
        left = rng.choice(["first", "second"])
        codecs = [description[side]["codec"] for side in ("first", "second")]
        if habit == "left":
            choice = left
        elif habit == "random":
            choice = rng.choice(["first", "second"])
        elif description["kind"] == "degraded":
            choice = "first" if codecs[0] == "original" else "second"
        elif description["kind"] == "identical":
            choice = "same"
        else:
            lead = (strengths[codecs[0]] - strengths[codecs[1]]) / ELO
            choice = "first" if rng.random() < 1 / (1 + np.exp(-lead)) else "second"
        answers.append(
            {
                "trial": trial,
                "choice": str(choice),
                "left": str(left),
                "milliseconds": 2500,
                "looks": 4,
            }
        )
    return {"kind": ANSWERS_KIND, "study": key["study"], "rater": name, "answers": answers}


def plain_key(codecs: list[str], rates: list[float], pictures: int, catches: int = 8) -> dict:
    """A key of every pair of codecs on every picture at every rate, with repeats and catches."""
    trials: dict[str, dict] = {}

    def add(kind: str, picture: int, rate: float, first: str, second: str, repeats=None) -> str:
        name = f"t{len(trials)}"
        sides = ({"codec": codec, "rate": rate} for codec in (first, second))
        trials[name] = {"kind": kind, "picture": f"p{picture}", "rate": rate, "repeats": repeats}
        trials[name] |= dict(zip(("first", "second"), sides, strict=True))
        return name

    for rate in rates:
        for picture in range(pictures):
            for place, first in enumerate(codecs):
                for second in codecs[place + 1 :]:
                    name = add("pair", picture, rate, first, second)
            add("repeat", picture, rate, first=codecs[-2], second=codecs[-1], repeats=name)
    for number in range(catches):
        add("degraded", number, rates[0], *(("original", "degraded")[:: 1 - 2 * (number % 2)]))
    add("identical", 0, rates[0], codecs[0], codecs[0])
    return {"kind": "metamer study key", "study": "abc", "seed": 0, "trials": trials}
