"""Pages about what was measured, from the registry and from research/results/: no table of theirs is typed by hand."""

from research.pages import metrics, points, spaces, toy
from research.pages.recorded_results import fill_template

PAGES = {
    "METRICS.md": metrics.metrics_fields,
    "SPACES.md": spaces.spaces_fields,
    "POINTS.md": points.points_fields,
    "TOY.md": toy.toy_fields,
}


def page_text(name: str) -> str:
    """The whole text of the page of that name."""
    return fill_template(name, PAGES[name]())
