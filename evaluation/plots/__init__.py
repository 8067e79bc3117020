"""Figures, one kind a module."""

from metamer.evaluation.plots.complexity import ComplexityPoint, plot_complexity
from metamer.evaluation.plots.curves import plot_rate_distortion
from metamer.evaluation.plots.gains import plot_gains
from metamer.evaluation.plots.intervals import plot_intervals, plot_steps
from metamer.evaluation.plots.logs import plot_training
from metamer.evaluation.plots.realism import plot_rate_realism, plot_realism_plane
from metamer.evaluation.plots.sheets import plot_contact_sheet
from metamer.evaluation.plots.style import (
    COLOURS,
    FORMATS,
    MUTED,
    Style,
    codec_styles,
    metric_title,
    new_panels,
    save_figure,
)

__all__ = [
    "COLOURS",
    "FORMATS",
    "MUTED",
    "Style",
    "ComplexityPoint",
    "codec_styles",
    "metric_title",
    "new_panels",
    "plot_complexity",
    "plot_contact_sheet",
    "plot_gains",
    "plot_intervals",
    "plot_rate_distortion",
    "plot_rate_realism",
    "plot_realism_plane",
    "plot_steps",
    "plot_training",
    "save_figure",
]
