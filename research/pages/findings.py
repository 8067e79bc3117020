"""The table of research/FINDINGS.md: the papers' findings, one a row, with a verdict each.

A verdict follows from recorded results by the rule that stands where it is made.
"""

import re
from pathlib import Path

from metamer.evaluation.markdown import interval_text, markdown_table
from research.pages.toy import excess_over_optimum
from research.recorded_results import read_results

REPRODUCED, NOT, OPEN = "**reproduced**", "**not reproduced**", "cannot tell"
# Spearman correlation between the best and the worst of trial runs of plain reconstruction that
# differed in seed, batch and learning rate (.605 to .685): single trainings closer than that do
# not tell
SCATTER = 0.08
HEADER = ("paper", "finding", "verdict", "figure", "seeds", "command")

VALENCIA = "PerceptNet by reconstruction (Hernández-Cámara et al. 2025)"
BHARDWAJ = "PIM (Bhardwaj et al. 2020)"
BALLE = "The next milestone (Ballé), nonlinear transform coding (2021)"
TARIQ = "Perceptual efficacy (Tariq et al. 2020)"
AK = "Visibility (Ak & Le Callet 2019)"

Finding = tuple[str, str, str, str, str, str]


def signed_interval(value: float, low: float, high: float) -> str:
    """A difference with its interval."""
    return f"{value:+.3f} [{low:+.3f}, {high:+.3f}]".replace("-", "−")


def perceptnet_findings() -> list[Finding]:
    """The layer that agrees best, and the optima over each objective's strength."""
    sweep = read_results("perceptnet-sweep")
    points = {
        name: point["layers"]
        for name, point in sweep["points"].items()
        if point["initialisation"] == "original"
    }
    best = {name: max(layers, key=lambda at: layers[at][0]) for name, layers in points.items()}
    at_v1 = sum(layer.startswith("v1") for layer in best.values())
    plain = points["reconstruction"]
    command = "`metamer sweep train/recipes/perceptnet-sweep.yaml`"
    rows = [
        (
            VALENCIA,
            "Over layers, agreement with people peaks at the V1-like end of the encoder",
            # trainings are independent: the finding is one of their majority
            REPRODUCED if at_v1 > 0.75 * len(points) else OPEN,
            f"in {at_v1} of {len(points)} trainings; plain reconstruction there "
            f"{interval_text(*plain['v1, standard'])}, at the LGN-like layer "
            f"{interval_text(*plain['lgn, standard'])}",
            f"1 each of {len(points)} settings",
            command,
        )
    ]
    for objective, finding in (
        ("denoising", "Over noise, it peaks inside, near σ = 0.1"),
        ("deblurring", "Over blur, it peaks at σ ≤ 1"),
    ):
        optimum = sweep["optima"][f"{objective}, standard"]
        rows.append(
            (
                VALENCIA,
                finding,
                optimum_verdict(optimum, 1.0 if objective == "deblurring" else 0.2),
                f"best at σ = {optimum['strength']:g}: {signed_interval(*optimum['over_plain'])} over "
                f"none, {signed_interval(*optimum['over_strongest'])} over the strongest; trainings "
                f"scatter by {SCATTER:.2f}",
                "1 a setting",
                command,
            )
        )
    standard, raw = (sweep["optima"][f"sparsity, {way}"] for way in ("standard", "raw"))
    rows += [
        (
            VALENCIA,
            "Much sparsity harms",
            REPRODUCED if standard["over_strongest"][1] > SCATTER else OPEN,
            f"best over strongest {signed_interval(*standard['over_strongest'])}",
            "1 a setting",
            command,
        ),
        (
            VALENCIA,
            "Moderate sparsity (λ ≤ 0.1) helps",
            REPRODUCED if standard["over_plain"][1] > SCATTER else OPEN,
            f"best over none {signed_interval(*standard['over_plain'])}; raw readout "
            f"{signed_interval(*raw['over_plain'])}; trainings scatter by {SCATTER:.2f}",
            "1 a setting",
            command,
        ),
    ]
    return rows


def optimum_verdict(optimum: dict, most: float) -> str:
    """Of a peak inside a range, at ``most`` at the highest: reproduced where it is beyond what
    trainings scatter, not reproduced where another place is, else open.
    """
    ends = (optimum["over_plain"][0], optimum["over_strongest"][0])
    inside = optimum["strength"] <= most and min(ends) > 0
    if inside and min(ends) > SCATTER:
        return REPRODUCED
    return NOT if not inside and max(ends) > SCATTER else OPEN


def pim_findings() -> list[Finding]:
    """Agreement without ratings, tolerance, slowness."""
    people = {row["metric"]: row for row in read_results("tid2013-resim")}
    pim, lpips = (people[name]["statistics"]["spearman"] for name in ("pim", "lpips-alex"))
    tolerance = [row for row in read_results("tolerance") if row["distance"] == "pim"]
    neighbours = read_results("neighbours")
    own = {row["what"]: row["value"] for row in neighbours if row["distance"] == "pim"}
    saturated = all(row["value"] == 1.0 for row in neighbours if row["distance"] in ("mse", "pim"))
    return [
        (
            BHARDWAJ,
            "Level with LPIPS on BAPPS, without ratings",
            OPEN,
            f"BAPPS is not to be had here; on TID2013-resim {interval_text(*pim)}, LPIPS (AlexNet) "
            f"{interval_text(*lpips)}",
            "1",
            "`python -m research.experiments.judge_distances`",
        ),
        (
            BHARDWAJ,
            "Tolerates small shifts and changes of scale",
            REPRODUCED if all(row["high"] < 1 for row in tolerance) else NOT,
            "of an equal error's distance: "
            + ", ".join(
                f"{row['what']} {interval_text(row['value'], row['low'], row['high'])}"
                for row in tolerance
            ),
            "1",
            "`metamer metrics tolerance`",
        ),
        (
            BHARDWAJ,
            "Neighbouring frames are nearer than others",
            OPEN if saturated else REPRODUCED,
            f"right in {100 * min(own.values()):.0f} % of all, but so is the mean squared error: "
            "the test is too easy",
            "1",
            "`metamer metrics neighbours`",
        ),
    ]


def toy_findings() -> list[Finding]:
    """Transform coding against vector quantisation."""
    scores = {row["method"]: row for row in read_results("toy-banana", "toy")}
    talk = {"ltc": 6.87, "ntc": 5.97, "vq": 5.95}
    off = max(abs(scores[name]["cost"] / value - 1) for name, value in talk.items())
    texts = [
        f"{name} {scores[name]['cost']:.3f} [{scores[name]['low']:.3f}, {scores[name]['high']:.3f}] "
        f"(talk: {value})"
        for name, value in talk.items()
    ]
    sawbridge = excess_over_optimum("toy-sawbridge", "ntc")
    furthest = max(map(float, re.findall(r"[\d.]+", sawbridge)))
    return [
        (
            BALLE,
            "Banana: nonlinear transform coding comes within 1 % of vector quantisation, linear does "
            "not",
            REPRODUCED if off < 0.01 else NOT,
            "R + λD at λ = 8, intervals over vectors: " + ", ".join(texts),
            "1",
            "`metamer toy banana`",
        ),
        (
            BALLE,
            "Sawbridge: nonlinear transform coding comes near the optimum (here: within 2 %)",
            REPRODUCED if furthest <= 2 else NOT,
            f"above the optimum at each λ: {sawbridge}",
            "1",
            "`metamer toy sawbridge`",
        ),
    ]


def layer_counts(name: str, against: str) -> tuple[int, int, int, int]:
    """Layers in which H-10 agrees better with people than other channels, those with intervals
    apart, those with intervals apart the other way, and all.
    """
    layers: dict[str, dict[str, list[float]]] = {}
    for row in read_results(name):
        layer, _, channels = row["metric"].partition(",channels=")
        layers.setdefault(layer, {})[channels or "all"] = row["statistics"]["spearman"]
    pairs = [(own["H-10"], own[against]) for own in layers.values()]
    return (
        sum(high[0] > low[0] for high, low in pairs),
        sum(high[1] > low[2] for high, low in pairs),
        sum(low[1] > high[2] for high, low in pairs),
        len(pairs),
    )


def efficacy_findings() -> list[Finding]:
    """Channels of high efficacy against those of low, and against all."""
    rows = []
    for against, said in (
        ("L-10", "The top tenth of a layer's channels agrees better than the lowest"),
        ("all", "The top tenth often agrees better than the whole layer"),
    ):
        for name, types in (
            ("tid2013-resim-layers-live", "LIVE's types of distortion, the paper's first"),
            ("tid2013-resim-layers", "all types"),
        ):
            better, apart, opposite, count = layer_counts(name, against)
            # networks are the paper's own, so a layer is a case: what most of them show, and no
            # layer surely contradicts more often than it surely confirms
            if better > count / 2 and apart > opposite:
                verdict = REPRODUCED
            else:
                verdict = NOT if better < count / 2 and opposite >= apart else OPEN
            rows.append(
                (
                    TARIQ,
                    f"{said}: {types}",
                    verdict,
                    f"in {better} of {count} layers; intervals apart in {apart}, the other way in "
                    f"{opposite}",
                    "published networks",
                    "`metamer metrics judge tid2013 RESIM --layers …`",
                )
            )
    rows.append(
        (
            TARIQ,
            "Weighting a loss by efficacy improves what is trained",
            OPEN,
            "no such training was recorded",
            "–",
            "–",
        )
    )
    return rows


def visibility_findings() -> list[Finding]:
    """How well, how fast, and what for."""
    agreement = read_results("detection")["agreement"][0]
    template = (Path(__file__).parent / "templates" / "SPACES.md").read_text()
    speeds = re.findall(r"^\| \d+×\d+ \| ([\d.]+) ", template, re.M)
    return [
        (
            AK,
            "Small networks give a white-box model's probability of detection",
            REPRODUCED if agreement["pearson"][1] > 0.95 else NOT,
            f"Pearson {interval_text(*agreement['pearson'])} with ColorVideoVDP's on "
            f"{agreement['count']} held-out images",
            "1",
            "`metamer metrics detection`",
        ),
        (
            AK,
            "120 times as fast as HDR-VDP-2",
            OPEN,
            f"{speeds[0]} to {speeds[-1]} times as fast as ColorVideoVDP, by size, one thread; "
            "HDR-VDP-2 is MATLAB and was not timed",
            "–",
            "`python research/benchmarks/visibility.py`",
        ),
        (
            AK,
            "A restorer trained with it looks better than one trained on squared error",
            OPEN,
            "no such training was recorded",
            "–",
            "–",
        ),
    ]


def findings() -> list[Finding]:
    """Every finding, paper by paper."""
    return [
        *perceptnet_findings(),
        *pim_findings(),
        *toy_findings(),
        *efficacy_findings(),
        *visibility_findings(),
    ]


def findings_fields() -> dict[str, str]:
    """What the page's template asks for."""
    rows = findings()
    counts = [sum(row[2] == verdict for row in rows) for verdict in (REPRODUCED, NOT, OPEN)]
    return {
        "count": str(len(rows)),
        "reproduced": str(counts[0]),
        "not_reproduced": str(counts[1]),
        "open": str(counts[2]),
        "findings": markdown_table(HEADER, rows),
    }
