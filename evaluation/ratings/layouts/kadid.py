"""KADID-10k, as its archive unpacks."""

import re
from collections.abc import Iterator
from pathlib import Path

from metamer.evaluation.ratings.items import RatedImage, RatingsError
from metamer.evaluation.ratings.layouts.files import (
    Folder,
    home_folder,
    parse_score,
    read_text_lines,
    split_cells,
)

KADID_KINDS = (
    "Gaussian blur",
    "lens blur",
    "motion blur",
    "colour diffusion",
    "colour shift",
    "colour quantisation",
    "colour saturation in HSV",
    "colour saturation in Lab",
    "JPEG 2000",
    "JPEG",
    "white noise",
    "white noise in YCbCr",
    "impulse noise",
    "multiplicative noise",
    "denoising",
    "brightening",
    "darkening",
    "mean shift",
    "jitter",
    "non-eccentricity patch",
    "pixelation",
    "quantisation",
    "colour blocks",
    "oversharpening",
    "contrast change",
)


def kadid_opinions(path: Path) -> Iterator[RatedImage]:
    """dmos.csv (dist_img, ref_img, dmos, var; its 'dmos' rises with quality) and images;
    I01_01_01.png: type, level.
    """
    home = home_folder(path, "dmos.csv")
    images = Folder(home.find("images"))
    rows = ((where, split_cells(line)) for where, line in read_text_lines(home.find("dmos.csv")))
    where, header = next(rows, (f"{home.path / 'dmos.csv'}", []))
    if header[:3] != ["dist_img", "ref_img", "dmos"]:
        raise RatingsError(f"{where}: the columns are not dist_img, ref_img, dmos")
    for where, row in rows:
        match = re.fullmatch(r"i\d\d_(\d\d)_(\d\d)\.\w+", row[0].lower())
        if not match or len(row) < 3 or not 1 <= int(match[1]) <= len(KADID_KINDS):
            raise RatingsError(
                f"{where}: {row[0]!r} is not a name such as I01_01_01.png with its reference and "
                "score"
            )
        yield RatedImage(
            images.find(row[1], where=where),
            images.find(row[0], where=where),
            KADID_KINDS[int(match[1]) - 1],
            int(match[2]),
            parse_score(row[2], where),
        )
