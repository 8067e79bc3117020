"""Pages about what was measured, from the registry and from research/results/: no table of theirs
is typed by hand.
"""

from pathlib import Path

from research.pages import metrics, points, spaces, toy
from research.pages.findings import page as findings

TEMPLATES = Path(__file__).parent / "templates"
PAGES = {
    "FINDINGS.md": findings.findings_fields,
    "METRICS.md": metrics.metrics_fields,
    "SPACES.md": spaces.spaces_fields,
    "POINTS.md": points.points_fields,
    "TOY.md": toy.toy_fields,
}


def fill_template(name: str, fields: dict[str, str]) -> str:
    """A page: the template of that name with its {{fields}} filled."""
    text = (TEMPLATES / name).read_text()
    for field, value in fields.items():
        text = text.replace("{{" + field + "}}", value)
    return text


def page_text(name: str) -> str:
    """The whole text of the page of that name."""
    return fill_template(name, PAGES[name]())
