"""Visibility: how well, how fast, and what for."""

import re

from metamer.evaluation.markdown import interval_text
from research.pages.findings.finding import CANNOT_TELL, NOT_REPRODUCED, REPRODUCED, Finding
from research.pages.findings.restorers import restorer_finding
from research.recorded_results import ROOT, read_results

AK = "Visibility (Ak & Le Callet 2019)"


def visibility_findings() -> list[Finding]:
    """How well, how fast, and what for."""
    agreement = read_results("detection")["agreement"][0]
    template = (ROOT / "research" / "pages" / "templates" / "SPACES.md").read_text()
    speeds = re.findall(r"^\| \d+×\d+ \| ([\d.]+) ", template, re.M)
    return [
        Finding(
            AK,
            "Small networks give a white-box model's probability of detection",
            REPRODUCED if agreement["pearson"][1] > 0.95 else NOT_REPRODUCED,
            f"Pearson {interval_text(*agreement['pearson'])} with ColorVideoVDP's on "
            f"{agreement['count']} held-out images",
            "1",
            "`metamer metrics detection`",
        ),
        Finding(
            AK,
            "120 times as fast as HDR-VDP-2",
            CANNOT_TELL,
            f"{speeds[0]} to {speeds[-1]} times as fast as ColorVideoVDP, by size, one thread; "
            "HDR-VDP-2 is MATLAB and was not timed",
            "–",
            "`python research/benchmarks/visibility.py`",
        ),
        restorer_finding(
            AK,
            "A restorer trained with it looks better than one trained on squared error",
            "visibility",
            "squared error",
        ),
    ]
