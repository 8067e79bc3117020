"""The tables of research/FINDINGS.md: the papers' findings, one a row, with a verdict each; and
lists of the figures behind them.

A verdict follows from recorded results by the rule that stands where it is made.
"""

from metamer.evaluation.markdown import markdown_table
from research.pages.findings.efficacy import efficacy_findings
from research.pages.findings.finding import CANNOT_TELL, NOT_REPRODUCED, REPRODUCED, Finding
from research.pages.findings.perceptnet import perceptnet_findings
from research.pages.findings.pim import pim_findings
from research.pages.findings.toy import toy_findings
from research.pages.findings.visibility import visibility_findings


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
    counts = [
        sum(row.verdict == verdict for row in rows)
        for verdict in (REPRODUCED, NOT_REPRODUCED, CANNOT_TELL)
    ]
    return {
        "count": str(len(rows)),
        "reproduced": str(counts[0]),
        "not_reproduced": str(counts[1]),
        "open": str(counts[2]),
        "findings": verdict_table(rows),
        "figures": figure_lists(rows),
    }


def verdict_table(rows: list[Finding]) -> str:
    """What became of every finding, numbered from 1."""
    cells = [
        [str(number), row.paper, row.finding, row.verdict, row.seeds]
        for number, row in enumerate(rows, 1)
    ]
    return markdown_table(["no.", "paper", "finding", "verdict", "seeds"], cells)


def figure_lists(rows: list[Finding]) -> str:
    """Under each paper's name its findings' figures and commands, numbered as in the table."""
    lines = []
    for number, row in enumerate(rows, 1):
        if number == 1 or row.paper != rows[number - 2].paper:
            lines += ["", f"### {row.paper}", ""]
        lines.append(f"{number}. {row.figure}; {row.command}")
    return "\n".join(lines[1:])
