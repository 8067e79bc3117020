"""`metamer study`: which of two decodes people take for closer to the original."""

import json
import math
from pathlib import Path

import click

from metamer.codec.errors import FileError
from metamer.commands.options import json_option

FIGURES = (".png", ".svg", ".pdf")


@click.group()
def study() -> None:
    """Ask people: a page of blind pairs for raters, and scores from their answers."""


@study.command()
@click.argument("originals", type=click.Path(path_type=Path))
@click.argument(
    "decoded", nargs=-1, required=True, metavar="DECODED…", type=click.Path(path_type=Path)
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="New folder for the page. The key goes to OUT.key.json beside it.",
)
@click.option(
    "--pairs",
    type=click.IntRange(1),
    default=48,
    show_default=True,
    help="Pairs of codecs that a rater compares, at most, evenly drawn.",
)
@click.option(
    "--repeats",
    type=click.IntRange(0),
    default=6,
    show_default=True,
    help="Pairs that are asked twice.",
)
@click.option(
    "--catches",
    type=click.IntRange(0),
    default=9,
    show_default=True,
    help="Trials with a known answer: a ruined picture, or the same one twice.",
)
@click.option(
    "--within",
    type=click.FloatRange(0, 100),
    default=3.0,
    show_default=True,
    help="Percent by which the rates of two codecs may differ.",
)
@click.option(
    "--seed", type=click.IntRange(0, 2**31), default=0, show_default=True, help="Of all draws."
)
@click.option(
    "--title",
    default="Which is closer to the original?",
    show_default=True,
    help="The question that raters read.",
)
def make(originals, decoded, out, pairs, repeats, catches, within, seed, title) -> None:
    """Write an offline page on which raters compare DECODED pictures with their ORIGINALS, blind.

    DECODED are folders with pictures of the originals' names: CODEC@BPP, as `metamer evaluate --bpp
    --keep` leaves them, CODEC with a sub-folder a rate, or CODEC alone where rates are not known.
    """
    from metamer.evaluation.study.page import write_study

    click.echo(
        write_study(
            originals, decoded, out, pairs, repeats, catches, within / 100, seed, title.strip()
        )
    )


@study.command()
@click.argument(
    "answers", nargs=-1, required=True, metavar="ANSWERS…", type=click.Path(path_type=Path)
)
@click.option(
    "--key",
    "keys",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Key of a study; repeatable. Default: every *.key.json beside the answers or a folder "
    "above.",
)
@click.option(
    "--all-raters", is_flag=True, help="Count those too who fail catch trials or lean to a side."
)
@click.option(
    "--samples",
    type=click.IntRange(100),
    default=1000,
    show_default=True,
    help="Resamples behind the intervals.",
)
@click.option(
    "--seed", type=click.IntRange(0, 2**31), default=0, show_default=True, help="Of resamples."
)
@json_option
@click.option(
    "--figure",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to draw scores over rate into, .png, .svg or .pdf.",
)
def score(answers, keys, all_raters, samples, seed, as_json, figure) -> None:
    """Bradley-Terry scores with 95 % intervals over raters and pictures, and how consistent raters
    are.

    ANSWERS are the files that raters saved. Answers of raters who fail catch trials, or who choose
    one side whatever stands there, do not count; they are named.
    """
    if figure and figure.suffix.lower() not in FIGURES:
        raise FileError(f"cannot draw '{figure.suffix}' files; known are {' '.join(FIGURES)}")
    from metamer.evaluation.study.answers import read_keys, read_votes
    from metamer.evaluation.study.raters import judge_raters, pair_agreement
    from metamer.evaluation.study.scores import score_votes

    votes = read_votes(answers, read_keys(keys, answers))
    raters = judge_raters(votes)
    counted_raters = {rater.name for rater in raters if all_raters or not rater.fault}
    counted = [vote for vote in votes if vote.rater in counted_raters]
    scores = score_votes(counted, samples, seed)
    agreement = pair_agreement(counted)
    if as_json:
        summary = {
            "scores": [score.as_dict() for score in scores],
            "raters": [
                rater.as_dict() | {"counted": rater.name in counted_raters} for rater in raters
            ],
            "agreement": None if math.isnan(agreement) else agreement,
        }
        click.echo(json.dumps(summary, indent=1))
    else:
        click.echo(
            "\n\n".join((score_table(scores), rater_table(raters, counted_raters, agreement)))
        )
    if figure:
        from metamer.evaluation.study.figure import plot_scores

        plot_scores(scores, figure, f"{len(counted_raters)} raters.")


def score_table(scores) -> str:
    """Scores for people."""
    from metamer.evaluation.markdown import markdown_table

    header = ["rate", "codec", "score (Elo)", "95 % interval", "preferred", "votes"]
    return markdown_table(
        header,
        [
            [
                "all" if score.group is None else f"{score.group:g}",
                score.codec,
                f"{score.score:+.0f}",
                f"{score.low:+.0f} … {score.high:+.0f}",
                f"{100 * score.preferred:.0f} %",
                str(score.votes),
            ]
            for score in scores
        ],
    )


def rater_table(raters, kept: set[str], agreement: float) -> str:
    """Consistency of raters for people."""
    from metamer.evaluation.markdown import markdown_table

    def share(counts: tuple[int, int]) -> str:
        return f"{counts[0]} of {counts[1]}" if counts[1] else "–"

    header = ["rater", "answers", "ruined seen", "same seen", "repeated alike", "with the others"]
    header += ["left", "seconds", "counts"]
    rows = []
    for rater in raters:
        counts = (rater.degraded, rater.identical, rater.repeats, rater.agreement, rater.left)
        verdict = (
            "yes"
            if not rater.fault
            else rater.fault
            if rater.name in kept
            else f"no: {rater.fault}"
        )
        rows.append(
            [rater.name, str(rater.answers), *map(share, counts), f"{rater.seconds:.1f}", verdict]
        )
    table = markdown_table(header, rows)
    if math.isnan(agreement):
        return table
    return f"{table}\n\nTwo raters give the same answer to {100 * agreement:.0f} % of pairs."
