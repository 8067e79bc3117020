"""PerceptNet: which layer agrees best with people, and how strong an objective should be.

Each by features as the network has them, `raw` as in the paper, and in units of their deviations
over photographs, `standard`: a verdict is that of both readouts, else nobody can tell.
"""

from collections.abc import Iterable

from scipy import stats

from metamer.evaluation.markdown import interval_text
from metamer.evaluation.probes.perceptnet_sweep.points import READOUTS
from research.pages.findings.finding import (
    CANNOT_TELL,
    NOT_REPRODUCED,
    REPRODUCED,
    Finding,
    signed_interval,
)
from research.recorded_results import read_results

VALENCIA = "PerceptNet by reconstruction (Hernández-Cámara et al. 2025)"
COMMAND = "`metamer sweep train/recipes/perceptnet-sweep.yaml`"
# Spearman correlation between the best and the worst of trial runs of plain reconstruction that
# differed in seed, batch and learning rate (.605 to .685): single trainings closer than that do
# not tell
SCATTER = 0.08
ENDS = {"over_plain": "none", "over_strongest": "the strongest"}  # of a curve over strengths


def perceptnet_findings() -> list[Finding]:
    """The layer that agrees best, and the optima over each objective's strength."""
    sweep = read_results("perceptnet-sweep")
    noise, blur, sparsity = (
        {readout: sweep["optima"][f"{objective}, {readout}"] for readout in READOUTS}
        for objective in ("denoising", "deblurring", "sparsity")
    )
    return [
        best_layer(sweep["points"]),
        inner_optimum("Over noise, it peaks inside, near σ = 0.1", noise, 0.2),
        inner_optimum("Over blur, it peaks at σ ≤ 1", blur, 1.0),
        gain("Much sparsity harms", sparsity, "over_strongest"),
        gain("Moderate sparsity (λ ≤ 0.1) helps", sparsity, "over_plain"),
    ]


def best_layer(points: dict[str, dict]) -> Finding:
    """Where over the layers agreement peaks. points: name → what was scored."""
    trained = {
        name: point["layers"]
        for name, point in points.items()
        if point["initialisation"] == "original"
    }
    texts, verdicts = [], []
    for readout in READOUTS:
        at_v1 = trainings_at_v1(trained.values(), readout)
        plain = trained["reconstruction"]
        verdicts.append(REPRODUCED if is_majority(at_v1, len(trained)) else CANNOT_TELL)
        texts.append(
            f"{readout}: in {at_v1} of {len(trained)} trainings; plain reconstruction there "
            f"{interval_text(*plain[f'v1, {readout}'])}, at the LGN-like layer "
            f"{interval_text(*plain[f'lgn, {readout}'])}"
        )
    return Finding(
        VALENCIA,
        "Over layers, agreement with people peaks at the V1-like end of the encoder",
        common_verdict(verdicts),
        "; ".join(texts),
        f"1 each of {len(trained)} settings",
        COMMAND,
    )


def trainings_at_v1(trained: Iterable[dict], readout: str) -> int:
    """How many peak at V1 among their layers in that readout. trained: "LAYER, READOUT" → agreement
    with its interval, of each.
    """
    count = 0
    for layers in trained:
        of_readout = {name: value[0] for name, value in layers.items() if name.endswith(readout)}
        count += max(of_readout, key=of_readout.__getitem__) == f"v1, {readout}"
    return count


def is_majority(count: int, total: int) -> bool:
    """Whether more than half do, beyond chance: a one-sided binomial test at 5 %."""
    return stats.binomtest(count, total, alternative="greater").pvalue < 0.05


def inner_optimum(finding: str, optima: dict[str, dict], limit: float) -> Finding:
    """Whether agreement peaks between the ends of an objective's strength, at ``most`` at the
    highest.
    """
    verdicts = [optimum_verdict(optimum, limit) for optimum in optima.values()]
    return sweep_finding(finding, verdicts, optima, tuple(ENDS))


def gain(finding: str, optima: dict[str, dict], end: str) -> Finding:
    """Whether the best strength is above one end."""
    verdicts = [REPRODUCED if is_sure(optimum, end) else CANNOT_TELL for optimum in optima.values()]
    return sweep_finding(finding, verdicts, optima, (end,))


def sweep_finding(
    finding: str, verdicts: list[str], optima: dict[str, dict], ends: tuple[str, ...]
) -> Finding:
    """A row on the curves of both readouts, with what the best is above."""
    texts = [
        f"{readout}: best at {optimum['strength']:g}, "
        + ", ".join(f"{signed_interval(*optimum[end])} over {ENDS[end]}" for end in ends)
        + f"; trainings scatter by {optimum.get('scatter') or SCATTER:.2f}"
        for readout, optimum in optima.items()
    ]
    seeds = next(iter(optima.values())).get("seeds", 1)
    return Finding(
        VALENCIA,
        finding,
        common_verdict(verdicts),
        "; ".join(texts),
        f"{seeds} a setting",
        COMMAND,
    )


def common_verdict(verdicts: list[str]) -> str:
    """What all say, else that nobody can tell."""
    return verdicts[0] if len(set(verdicts)) == 1 else CANNOT_TELL


def is_sure(optimum: dict, end: str) -> bool:
    """Whether the best is above an end beyond chance. With several seeds the interval knows what
    trainings scatter; with one it has to lie beyond `SCATTER`.
    """
    return optimum[end][1] > (SCATTER if optimum.get("scatter") is None else 0)


def optimum_verdict(optimum: dict, limit: float) -> str:
    """Of a peak inside a range, at ``most`` at the highest: reproduced where it is surely above
    both ends, not reproduced where another place is above one of them, else nobody can tell.
    """
    certain = [is_sure(optimum, end) for end in ENDS]
    if 0 < optimum["strength"] <= limit:
        return REPRODUCED if all(certain) else CANNOT_TELL
    return NOT_REPRODUCED if any(certain) else CANNOT_TELL
