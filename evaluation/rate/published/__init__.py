"""What others have published of their codecs on Kodak: kodak.csv and complexity.csv in this folder,
each row with its source.

Facts for comparison, not measurements made here; a codec that runs here should be run. They hold
for Kodak's 24 photographs alone and `check_kodak` refuses others. kodak.csv: a row a setting;
columns of distances are called by their labels, empty where the source has none; licence is that of
the file that the figures were taken from.
"""

import csv
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np

from metamer.codec.errors import MetamerError
from metamer.evaluation.images import picture_digest, read_image
from metamer.evaluation.rate.bjontegaard import bd_rate
from metamer.perception.registry import suggestion

FOLDER = Path(__file__).parent
WORDS = ("codec", "source", "licence")  # columns that hold no number
ANCHOR = "bpg_444_x265_ycbcr"  # what the plane of rate, distortion and complexity refers to
# SHA-256 of the sorted digests of all pictures' size and pixels, whatever their files' names or
# formats
KODAK = "0bd1a4a7fd207abf544cf579f5a38e0d71e08d660b4711767f19117e1402d196"


@dataclass(frozen=True)
class PublishedCodec:
    """A codec on Kodak. rows: by rising rate, bpp and the mean of each distance that the source
    gives, by its label.
    """

    name: str
    source: str
    licence: str
    rows: Sequence[dict[str, float]]

    @cached_property
    def curves(self) -> dict[str, np.ndarray]:
        """Distance's label → (settings, 2) bits a pixel and mean value, by rising rate."""
        labels = dict.fromkeys(key for row in self.rows for key in row if key != "bpp")
        return {
            label: np.array([(row["bpp"], row[label]) for row in self.rows if label in row])
            for label in labels
        }

    @property
    def title(self) -> str:
        """For legends and tables, where it stands among what was measured."""
        return f"{self.name} ({self.source})"


@dataclass(frozen=True)
class PublishedComplexity:
    """Thousands of multiply-accumulates a pixel. least: of the decoder for low rates, where that is
    a smaller network.
    """

    name: str
    encoder: float
    decoder: float
    least: float
    source: str


@cache
def published_codecs() -> dict[str, PublishedCodec]:
    """All curves by name."""
    rows_by_codec: dict[str, list[dict[str, str]]] = {}
    with open(FOLDER / "kodak.csv", newline="") as file:
        for row in csv.DictReader(file):
            rows_by_codec.setdefault(row["codec"], []).append(row)
    return {name: _published(name, rows) for name, rows in rows_by_codec.items()}


def _published(name: str, rows: Sequence[dict[str, str]]) -> PublishedCodec:
    numbers = [
        {key: float(text) for key, text in row.items() if text and key not in WORDS} for row in rows
    ]
    return PublishedCodec(
        name, rows[0]["source"], rows[0]["licence"], sorted(numbers, key=lambda row: row["bpp"])
    )


def find_published(name: str) -> PublishedCodec:
    """A published codec by its name. Raises MetamerError with a suggestion."""
    codecs = published_codecs()
    if name not in codecs:
        raise MetamerError(
            f"there are no published figures of '{name}'{suggestion(name, codecs)}; known are "
            f"{', '.join(codecs)}"
        )
    return codecs[name]


def check_kodak(pictures: Sequence[Path]) -> None:
    """Raises MetamerError where the pictures are not Kodak's 24, to the pixel."""
    # other numbers of pictures are known without reading them
    some = pictures if len(pictures) == 24 else []
    check_kodak_digests([picture_digest(read_image(path)) for path in some])


def check_kodak_digests(digests: Iterable[str]) -> None:
    """`check_kodak` of `images.picture_digest` of every picture, empty where it is not known."""
    digests = sorted(digests)
    if hashlib.sha256("".join(digests).encode()).hexdigest() == KODAK:
        return
    if "" in digests:
        raise MetamerError(
            "published figures are of Kodak's 24 photographs, and these results do not say which "
            "pixels theirs have; measure again"
        )
    raise MetamerError(
        "published figures are of Kodak's 24 photographs, which these pictures are not"
    )


def published_bd_rates(anchor: str = ANCHOR) -> list[tuple[PublishedComplexity, float]]:
    """Every network with its BD-rate in percent (PCHIP, PSNR) against a published anchor's curve,
    for the plane of both.
    """
    base, codecs = find_published(anchor).curves["psnr"], published_codecs()
    return [
        (network, bd_rate(base, codecs[network.name].curves["psnr"])[0])
        for network in published_complexities()
    ]


def published_complexities() -> list[PublishedComplexity]:
    """What networks take, by rising cost of decoding."""
    with open(FOLDER / "complexity.csv", newline="") as file:
        networks = [
            PublishedComplexity(
                row["codec"],
                float(row["encoder"]),
                float(row["decoder"]),
                float(row["decoder_least"] or row["decoder"]),
                row["source"],
            )
            for row in csv.DictReader(file)
        ]
    return sorted(networks, key=lambda network: network.decoder)
