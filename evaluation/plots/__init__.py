"""Figures, one kind a module."""

from evaluation.plots.complexity import Complexity, rate_distortion_complexity
from evaluation.plots.curves import rate_distortion
from evaluation.plots.distances import intervals, macadam, steps, tuning
from evaluation.plots.gains import gains
from evaluation.plots.logs import training
from evaluation.plots.realism import plane, rate_realism
from evaluation.plots.sheets import sheet
from evaluation.plots.style import COLOURS, FORMATS, looks, plt, save, title

__all__ = ["COLOURS", "FORMATS", "Complexity", "gains", "intervals", "looks", "macadam", "plane",
           "plt", "rate_distortion", "rate_distortion_complexity", "rate_realism", "save", "sheet", "steps", "title",
           "training", "tuning"]
