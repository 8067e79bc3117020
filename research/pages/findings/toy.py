"""Transform coding against vector quantisation, and against the optimum."""

from research.pages.findings.finding import CANNOT_TELL, NOT_REPRODUCED, REPRODUCED, Finding
from research.pages.toy import excesses, signed_percent
from research.recorded_results import read_results

BALLE = "The next milestone (Ballé), nonlinear transform coding (2021)"


def toy_findings() -> list[Finding]:
    """Transform coding against vector quantisation."""
    scores = {row["method"]: row for row in read_results("toy-banana", "toy")}
    talk = {"ltc": 6.87, "ntc": 5.97, "vq": 5.95}
    deviation = max(abs(scores[name]["cost"] / value - 1) for name, value in talk.items())
    texts = [
        f"{name} {scores[name]['cost']:.3f} [{scores[name]['low']:.3f}, {scores[name]['high']:.3f}] "
        f"(talk: {value})"
        for name, value in talk.items()
    ]
    sawbridge = excesses("toy-sawbridge", "ntc")
    steps = [
        f"{row['steps']:,}"
        for row in read_results("toy-sawbridge", "toy")
        if row["method"] == "ntc"
    ]
    return [
        Finding(
            BALLE,
            "Banana: nonlinear transform coding comes within 1 % of vector quantisation, linear does "
            "not",
            REPRODUCED if deviation < 0.01 else NOT_REPRODUCED,
            "R + λD at λ = 8, intervals over vectors: " + ", ".join(texts),
            "1",
            "`metamer toy banana`",
        ),
        Finding(
            BALLE,
            "Sawbridge: nonlinear transform coding comes near the optimum (here: within 2 %)",
            near_optimum_verdict(sawbridge, 0.02),
            "above the optimum at each λ, intervals over vectors: "
            + ", ".join(
                f"{signed_percent(value)} [{signed_percent(low)}, {signed_percent(high)}]"
                for value, low, high in sawbridge
            )
            + f" %; after {', '.join(steps)} steps",
            "1",
            "`metamer toy sawbridge`",
        ),
    ]


def near_optimum_verdict(shares: list[tuple[float, float, float]], limit: float) -> str:
    """Of coders whose costs exceed the optimum by these shares, with intervals: reproduced where
    none may cost ``most`` more, not where one surely does, else nobody can tell.
    """
    if all(high <= limit for _, _, high in shares):
        return REPRODUCED
    return NOT_REPRODUCED if any(low > limit for _, low, _ in shares) else CANNOT_TELL
