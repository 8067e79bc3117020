"""PIM: agreement without ratings, tolerance, slowness."""

from metamer.evaluation.markdown import interval_text
from research.pages.findings.finding import CANNOT_TELL, NOT_REPRODUCED, REPRODUCED, Finding
from research.recorded_results import read_results

BHARDWAJ = "PIM (Bhardwaj et al. 2020)"


def pim_findings() -> list[Finding]:
    """Agreement without ratings, tolerance, slowness."""
    people = {row["metric"]: row for row in read_results("tid2013-resim")}
    pim, lpips = (people[name]["statistics"]["spearman"] for name in ("pim", "lpips-alex"))
    tolerance = [row for row in read_results("tolerance") if row["distance"] == "pim"]
    neighbours = read_results("neighbours")
    by_pim, squared = (
        {row["what"]: row for row in neighbours if row["distance"] == name}
        for name in ("pim", "mse")
    )
    return [
        Finding(
            BHARDWAJ,
            "Level with LPIPS on BAPPS, without ratings",
            CANNOT_TELL,
            f"BAPPS is not to be had here; on TID2013-resim {interval_text(*pim)}, LPIPS (AlexNet) "
            f"{interval_text(*lpips)}",
            "1",
            "`python -m research.experiments.judge_distances`",
        ),
        Finding(
            BHARDWAJ,
            "Tolerates small shifts and changes of scale",
            REPRODUCED if all(row["high"] < 1 for row in tolerance) else NOT_REPRODUCED,
            "of an equal error's distance: "
            + ", ".join(
                f"{row['what']} {interval_text(row['value'], row['low'], row['high'])}"
                for row in tolerance
            ),
            "1",
            "`metamer metrics tolerance`",
        ),
        Finding(
            BHARDWAJ,
            "Neighbouring frames are nearer than others",
            slowness_verdict(by_pim, squared),
            slowness_text(by_pim, squared),
            "1",
            "`metamer metrics neighbours`",
        ),
    ]


def slowness_text(by_pim: dict[str, dict], squared: dict[str, dict]) -> str:
    """How often PIM is right where the squared error always is, and where it is not."""
    easy = [row["value"] for case, row in by_pim.items() if squared[case]["value"] == 1]
    texts = [f"right in {100 * min(easy):.0f} % where the squared error always is"]
    texts += [
        f"{case} {interval_text(row['value'], row['low'], row['high'])}, squared error "
        f"{squared[case]['value']:.3f}"
        for case, row in by_pim.items()
        if squared[case]["value"] < 1
    ]
    return "; ".join(texts if len(texts) > 1 else [*texts, "no harder comparison was recorded"])


def slowness_verdict(by_pim: dict[str, dict], squared: dict[str, dict]) -> str:
    """Of comparisons by name: reproduced where a distance is surely right in more than half of
    each, and in one surely more often than the squared error; not where it is surely wrong in more
    than half of one; else nobody can tell.
    """
    if any(row["high"] < 0.5 for row in by_pim.values()):
        return NOT_REPRODUCED
    exceeds_squared = any(row["low"] > squared[case]["high"] for case, row in by_pim.items())
    right = all(row["low"] > 0.5 for row in by_pim.values())
    return REPRODUCED if exceeds_squared and right else CANNOT_TELL
