"""Recorded results and the Markdown that pages make of them."""

import json
from pathlib import Path

ROOT = Path(__file__).parent.parent


def read(name: str, package: str = "perception"):
    """What ``PACKAGE/results/NAME.json`` of a checkout holds."""
    return json.loads((ROOT / package / "results" / f"{name}.json").read_text())


def table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    return "\n".join("| " + " | ".join(row) + " |" for row in (header, ["---"] * len(header), *rows))


def interval(value: float, low: float, high: float) -> str:
    """'.853 [.83, .87]'."""
    return f"{value:.3f} [{low:.2f}, {high:.2f}]"


def fill(template: str, fields: dict[str, str]) -> str:
    """A page: the template beside this file with its {{fields}} filled."""
    text = (Path(__file__).parent / template).read_text()
    for name, value in fields.items():
        text = text.replace("{{" + name + "}}", value)
    return text
