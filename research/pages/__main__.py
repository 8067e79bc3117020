"""Writes the generated pages and the figures that follow from recorded results: python -m
research.pages
"""

from research.pages.build import PAGES, page_text
from research.pages.figures import draw_figures
from research.recorded_results import ROOT

draw_figures(ROOT / "research" / "figures")
for name in PAGES:
    (ROOT / "research" / name).write_text(page_text(name))
