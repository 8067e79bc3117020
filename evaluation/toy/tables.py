"""Scores as a table on the terminal and on a page."""

from metamer.evaluation.markdown import markdown_table
from metamer.evaluation.toy.optima import OPTIMA
from metamer.evaluation.toy.training import METHODS, Score

HEADER = ["λ", "coder", "R (bits)", "D", "R + λD", "95 % interval"]


def score_rows(scores: list[Score]) -> list[list[str]]:
    """A row a score, and one of the optimum, where it is known, after those of each λ."""
    rows = []
    for tradeoff in dict.fromkeys(score.tradeoff for score in scores):
        scores_at_tradeoff = [score for score in scores if score.tradeoff == tradeoff]
        rows += [
            [
                f"{tradeoff:g}",
                METHODS[score.method],
                f"{score.rate:.3f}",
                f"{score.distortion:.4g}",
                f"{score.cost:.3f}",
                f"{score.low:.3f} … {score.high:.3f}",
            ]
            for score in scores_at_tradeoff
        ]
        if optimum := OPTIMA.get(scores_at_tradeoff[0].source):
            best = optimum(tradeoff)
            rows.append(
                [
                    f"{tradeoff:g}",
                    "the optimum",
                    f"{best.rate:.3f}",
                    f"{best.distortion:.4g}",
                    f"{best.cost(tradeoff):.3f}",
                    "",
                ]
            )
    return rows


def score_text(scores: list[Score]) -> str:
    """Columns aligned with spaces."""
    lines = [HEADER, *score_rows(scores)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADER))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def score_markdown(scores: list[Score]) -> str:
    return markdown_table(HEADER, score_rows(scores))
