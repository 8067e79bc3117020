"""What research/TOY.md says of recorded scores."""

from metamer.evaluation.markdown import markdown_table
from metamer.evaluation.toy import tables
from metamer.evaluation.toy.optima import OPTIMA
from metamer.evaluation.toy.sources import SOURCES
from metamer.evaluation.toy.training import METHODS, Score
from research.recorded_results import read_results

TALK = {"ltc": 6.87, "ntc": 5.97, "vq": 5.95}  # R + λD of banana in Ballé's talk, λ not stated


def recorded_scores(name: str) -> list[Score]:
    """Those that `metamer toy` wrote, recorded under that name."""
    return [Score(**row) for row in read_results(name, "toy")]


def signed_percent(share: float) -> str:
    """In percent: '+0.3'."""
    return f"{100 * share:+.1f}".replace("-", "−")


def banana_effort() -> str:
    """What training took: 'linear transform coding 3,000 steps and 21 seconds, …'."""
    return ", ".join(
        f"{METHODS[score.method]} {score.steps:,} steps and {score.seconds:.0f} seconds"
        for score in recorded_scores("toy-banana")
    )


def banana_table() -> str:
    """Against the talk. The cost of a best coder rises with λ as its distortion, so that of another
    λ follows from it.
    """
    scores = recorded_scores("toy-banana")
    rows = []
    for score in scores:
        ratios = ["–"] * 2
        if talk_cost := TALK.get(score.method):
            even = score.tradeoff + (talk_cost - score.cost) / score.distortion
            ratios = [
                f"{talk_cost:.2f} ({signed_percent(score.cost / talk_cost - 1)} %)",
                f"{even:.2f}",
            ]
        rows.append(
            [
                METHODS[score.method],
                f"{score.rate:.3f}",
                f"{score.distortion:.4f}",
                f"{score.cost:.3f} [{score.low:.3f}, {score.high:.3f}]",
                *ratios,
            ]
        )
    header = [
        "coder",
        "R (bits)",
        "D",
        f"R + λD at λ = {scores[0].tradeoff:g}",
        "talk (difference)",
        "λ of the talk's figure",
    ]
    return markdown_table(header, rows)


def excesses(name: str, method: str) -> list[tuple[float, float, float]]:
    """What a coder costs beyond the optimum at each λ, as a share, with the interval over
    vectors.
    """
    all_excesses = []
    for score in recorded_scores(name):
        if score.method == method:
            optimum = OPTIMA[score.source](score.tradeoff).cost(score.tradeoff)
            costs = (score.cost, score.low, score.high)
            all_excesses.append(tuple(float(cost / optimum - 1) for cost in costs))
    return all_excesses


def excess_over_optimum(name: str, method: str) -> str:
    """'+1.2, +3.4 %': what a coder costs beyond the optimum at each λ."""
    return ", ".join(signed_percent(value) for value, _, _ in excesses(name, method)) + " %"


def toy_fields() -> dict[str, str]:
    """What the template of TOY.md asks for."""
    excess = {
        f"{name}_{method}": excess_over_optimum(f"toy-{name}", method)
        for name in OPTIMA
        for method in SOURCES[name].methods
    }
    return {
        "banana": banana_table(),
        "banana_effort": banana_effort(),
        **excess,
        "laplace": tables.score_markdown(recorded_scores("toy-laplace")),
        "sawbridge": tables.score_markdown(recorded_scores("toy-sawbridge")),
    }
