"""Transform coding against vector quantisation, and against the optimum."""

import re

from research.pages.findings.finding import NOT_REPRODUCED, REPRODUCED, Finding
from research.pages.toy import excess_over_optimum
from research.recorded_results import read_results

BALLE = "The next milestone (Ballé), nonlinear transform coding (2021)"


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
        Finding(
            BALLE,
            "Banana: nonlinear transform coding comes within 1 % of vector quantisation, linear does "
            "not",
            REPRODUCED if off < 0.01 else NOT_REPRODUCED,
            "R + λD at λ = 8, intervals over vectors: " + ", ".join(texts),
            "1",
            "`metamer toy banana`",
        ),
        Finding(
            BALLE,
            "Sawbridge: nonlinear transform coding comes near the optimum (here: within 2 %)",
            REPRODUCED if furthest <= 2 else NOT_REPRODUCED,
            f"above the optimum at each λ: {sawbridge}",
            "1",
            "`metamer toy sawbridge`",
        ),
    ]
