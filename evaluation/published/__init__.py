"""What others have published of their codecs on Kodak: kodak.csv and complexity.csv beside this file, each row with its source.

Facts for comparison, not measurements made here; a codec that runs here should be run. They hold for Kodak's 24 photographs
alone and `check` refuses others.
"""

import csv
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from codec.errors import MetamerError
from evaluation.bjontegaard_differences import bd_rate
from evaluation.pictures import read
from perception.registry import suggestion

FOLDER = Path(__file__).parent
ANCHOR = "bpg_444_x265_ycbcr"  # what the plane of rate, distortion and complexity refers to
# SHA-256 of the sorted digests of all pictures' size and pixels, whatever their files' names or formats
KODAK = "0bd1a4a7fd207abf544cf579f5a38e0d71e08d660b4711767f19117e1402d196"


@dataclass(frozen=True)
class Published:
    """A codec's mean curves on Kodak. curves: metric's label → (settings, 2) bits a pixel and mean value, by rising rate."""

    name: str
    source: str
    licence: str
    curves: dict[str, np.ndarray]

    @property
    def title(self) -> str:
        """For legends and tables, where it stands among what was measured."""
        return f"{self.name} ({self.source})"


@dataclass(frozen=True)
class Complexity:
    """Thousands of multiply-accumulates a pixel. least: of the decoder for low rates, where that is a smaller network."""

    name: str
    encoder: float
    decoder: float
    least: float
    source: str


@cache
def catalogue() -> dict[str, Published]:
    """All curves by name."""
    found: dict[str, list[dict[str, str]]] = {}
    with open(FOLDER / "kodak.csv", newline="") as file:
        for row in csv.DictReader(file):
            found.setdefault(row["codec"], []).append(row)
    return {name: _published(name, rows) for name, rows in found.items()}


def _published(name: str, rows: Sequence[dict[str, str]]) -> Published:
    curves = {}
    for metric in ("psnr", "ms-ssim"):
        points = sorted((float(row["bpp"]), float(row[metric])) for row in rows if row[metric])
        if points:
            curves[metric] = np.array(points)
    return Published(name, rows[0]["source"], rows[0]["licence"], curves)


def find(name: str) -> Published:
    """A published codec by its name. Raises MetamerError with a suggestion."""
    known = catalogue()
    if name not in known:
        raise MetamerError(f"there are no published figures of '{name}'{suggestion(name, known)}; known are {', '.join(known)}")
    return known[name]


def check(pictures: Sequence[Path]) -> None:
    """Raises MetamerError where the pictures are not Kodak's 24, to the pixel."""
    if len(pictures) == 24:
        found = sorted(hashlib.sha256(b"%dx%d " % image.size + image.tobytes()).hexdigest() for image in map(read, pictures))
        if hashlib.sha256("".join(found).encode()).hexdigest() == KODAK:
            return
    raise MetamerError("published figures are of Kodak's 24 photographs, which these pictures are not")


def placed(anchor: str = ANCHOR) -> list[tuple[Complexity, float]]:
    """Every network with its BD-rate in percent (PCHIP, PSNR) against a published anchor's curve, for the plane of both."""
    base, known = find(anchor).curves["psnr"], catalogue()
    return [(each, bd_rate(base, known[each.name].curves["psnr"])[0]) for each in complexities()]


def complexities() -> list[Complexity]:
    """What networks take, by rising cost of decoding."""
    with open(FOLDER / "complexity.csv", newline="") as file:
        found = [Complexity(row["codec"], float(row["encoder"]), float(row["decoder"]),
                            float(row["decoder_least"] or row["decoder"]), row["source"]) for row in csv.DictReader(file)]
    return sorted(found, key=lambda each: each.decoder)
