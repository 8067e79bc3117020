"""Figures."""

from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
from matplotlib import pyplot as plt

# Okabe & Ito's palette, told apart with any colour vision
COLOURS = ["#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999"]
LABELS = {"psnr": "PSNR (dB)", "ms_ssim": "MS-SSIM (dB, −10 log₁₀(1 − x))"}


def rate_distortion(metrics: dict[str, dict[str, np.ndarray]], path: Path) -> None:
    """One panel a metric: mean curves (settings, 2) of bpp and metric for each codec, named beside their ends."""
    metrics = {name: curves for name, curves in metrics.items() if curves}
    figure, panels = plt.subplots(1, len(metrics), figsize=(6.5 * len(metrics), 5), squeeze=False, layout="constrained")
    for panel, (metric, curves) in zip(panels[0], metrics.items(), strict=True):
        for index, (name, curve) in enumerate(curves.items()):
            height = -10 * np.log10(1 - curve[:, 1]) if metric == "ms_ssim" else curve[:, 1]
            panel.plot(curve[:, 0], height, color=COLOURS[index % len(COLOURS)], marker="o", markersize=3, label=name,
                       linewidth=2.2 if index == 0 else 1.3, zorder=3 if index == 0 else 2)
        panel.set_xscale("log")
        ticks = [tick for tick in (0.05, 0.1, 0.2, 0.5, 1, 2, 5) if panel.get_xlim()[0] <= tick <= panel.get_xlim()[1]]
        panel.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        panel.minorticks_off()
        panel.set_xlabel("bits per pixel (whole file)")
        panel.set_ylabel(LABELS[metric])
        panel.grid(alpha=0.3)
        panel.spines[["top", "right"]].set_visible(False)
        panel.legend(frameon=False, loc="lower right")
    figure.savefig(path, dpi=130)
    plt.close(figure)
