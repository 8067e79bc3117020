"""Writes the pages METRICS.md, SPACES.md, POINTS.md and TOY.md and two of their figures: python -m
research.pages
"""

from metamer.evaluation import plots
from metamer.evaluation.probes.macadam import plot_macadam
from metamer.evaluation.results import folders
from research.pages.build import PAGES, page_text
from research.recorded_results import ROOT, read_results

FIGURES = ROOT / "research" / "figures"

plot_macadam(FIGURES / "perception" / "macadam.png")
plots.plot_realism_plane(
    folders.parse_summaries(read_results("realism", "train")),
    "psnr",
    FIGURES / "train" / "slider.png",
)
for name in PAGES:
    (ROOT / "research" / name).write_text(page_text(name))
