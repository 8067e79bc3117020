"""TID2008 and TID2013, as their archives unpack."""

import re
from collections.abc import Iterator
from pathlib import Path

from metamer.evaluation.ratings.items import RatedImage, RatingsError
from metamer.evaluation.ratings.layouts.files import (
    Folder,
    home_folder,
    parse_score,
    read_text_lines,
)

TID_KINDS = (  # TID2008 has the first 17
    "additive Gaussian noise",
    "additive noise, stronger in colour",
    "spatially correlated noise",
    "masked noise",
    "high-frequency noise",
    "impulse noise",
    "quantisation noise",
    "Gaussian blur",
    "image denoising",
    "JPEG",
    "JPEG 2000",
    "JPEG transmission errors",
    "JPEG 2000 transmission errors",
    "non-eccentricity pattern noise",
    "local block-wise distortions",
    "mean shift",
    "contrast change",
    "change of colour saturation",
    "multiplicative Gaussian noise",
    "comfort noise",
    "lossy compression of noisy images",
    "image colour quantisation with dither",
    "chromatic aberrations",
    "sparse sampling and reconstruction",
)


def tid_opinions(path: Path, kinds: tuple[str, ...]) -> Iterator[RatedImage]:
    """mos_with_names.txt ('5.51429 I01_01_1.bmp': reference, type, level), reference_images,
    distorted_images.

    A PNG may stand for each BMP: re-made images come so.
    """
    home = home_folder(path, "mos_with_names.txt")
    references, images = (
        Folder(home.find(name)) for name in ("reference_images", "distorted_images")
    )
    for where, line in read_text_lines(home.find("mos_with_names.txt")):
        match = re.fullmatch(r"(\S+)\s+((i\d\d)_(\d\d)_(\d))\.(bmp|png)", line, re.IGNORECASE)
        if not match or not 1 <= int(match[4]) <= len(kinds):
            raise RatingsError(f"{where}: {line!r} is not a score and a name such as i01_01_1.bmp")
        score, stem, reference, kind, level, _ = match.groups()
        yield RatedImage(
            references.find(reference + ".bmp", reference + ".png", where=where),
            images.find(stem + ".bmp", stem + ".png", where=where),
            kinds[int(kind) - 1],
            int(level),
            parse_score(score, where),
        )
