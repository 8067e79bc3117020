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
    own = {row["what"]: row["value"] for row in neighbours if row["distance"] == "pim"}
    saturated = all(row["value"] == 1.0 for row in neighbours if row["distance"] in ("mse", "pim"))
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
            CANNOT_TELL if saturated else REPRODUCED,
            f"right in {100 * min(own.values()):.0f} % of all, but so is the mean squared error: "
            "the test is too easy",
            "1",
            "`metamer metrics neighbours`",
        ),
    ]
