"""Spearman correlations with opinions that others published on the real TID2013, all 3000 images,
and how far the set re-created here ranks distances as it does.
"""

import numpy as np

from metamer.evaluation.intervals import bootstrap_interval
from metamer.evaluation.ratings.agreement import spearman
from research.recorded_results import read_results

# "Benchmark" of the README of PyTorch Image Quality (piq, github.com/photosynthesis-team), which
# names the papers that values are from
PIQ = "piq"
PYIQA = "pyiqa"  # FR_benchmark_results.csv of IQA-PyTorch (github.com/chaofengc)
SNEYERS = "SSIMULACRA 2.1's authors"  # README of github.com/cloudinary/ssimulacra2
# distance → (correlation, who says so); of several values the paper's own, or the one of the
# variant that is here
TID2013 = {
    "vsi": (0.897, PIQ),
    "mdsi": (0.890, PIQ),
    "haarpsi": (0.873, PIQ),
    "fsim": (0.851, PIQ),
    "ssimulacra2": (0.845, SNEYERS),
    "dists": (0.830, PIQ),
    "gmsd": (0.803, PIQ),
    "ms-ssim": (0.787, PIQ),
    "lpips-alex": (0.745, PYIQA),
    "psnr": (0.687, PIQ),
    "lpips-vgg": (0.670, PIQ),
    "vif": (0.610, PIQ),
    "ssim": (0.554, PIQ),
}


def published_text(label: str) -> str:
    """The value, or a dash."""
    return f"{TID2013[label][0]:.3f}" if label in TID2013 else "–"


def column_agreement() -> tuple[float, float, float]:
    """Spearman's correlation of the published values with those on TID2013-resim, the twelve
    references that all distances saw, and a 95 % interval from drawing distances anew.
    """
    values = {
        row["metric"]: row["statistics"]["spearman"][0]
        for row in read_results("tid2013-resim-twelve")
    }
    columns = (
        np.array([values[label] for label in TID2013]),
        np.array([value for value, _ in TID2013.values()]),
    )
    return spearman(*columns), *bootstrap_interval(spearman, columns, samples=2000)
