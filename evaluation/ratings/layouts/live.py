"""LIVE's Image Quality Assessment Database, release 2, as its archive unpacks."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.io import loadmat

from metamer.evaluation.ratings.items import RatedImage, RatingsError
from metamer.evaluation.ratings.layouts.files import Folder, home_folder, parse_score

LIVE_KINDS = {
    "jp2k": (227, "JPEG 2000"),
    "jpeg": (233, "JPEG"),
    "wn": (174, "white noise"),
    "gblur": (174, "Gaussian blur"),
    # folder → images, kind; in the order of the scores
    "fastfading": (174, "JPEG 2000 over a fast-fading channel"),
}


def _matlab(path: Path) -> dict[str, np.ndarray]:
    try:
        return {
            name: np.ravel(value)
            for name, value in loadmat(path, squeeze_me=True).items()
            if not name.startswith("__")
        }
    except (
        Exception
    ) as problem:  # a damaged file fails anywhere inside SciPy's reader, with errors of many kinds
        raise RatingsError(
            f"{path} cannot be read: {str(problem).splitlines()[0] if str(problem) else 'damaged'}"
        ) from None


def live_opinions(path: Path) -> Iterator[RatedImage]:
    """refimgs, jp2k, jpeg, wn, gblur, fastfading, refnames_all.mat, and dmos_realigned.mat
    ('dmos_new') or dmos.mat ('dmos').

    The realigned scores, which came later and apart, are preferred, as their authors advise; next
    to the folders or above them. 'orgs' marks originals among the images: left out. The folders'
    info.txt holds no scores and is not read.
    """
    home, outer = home_folder(path, "refimgs"), Folder(Path(path))
    scores_file = (outer if "dmos_realigned.mat" in outer.entries else home).find(
        "dmos_realigned.mat", "dmos.mat"
    )
    names_file = home.find("refnames_all.mat")
    data = _matlab(scores_file)
    scores, originals = data.get("dmos_new", data.get("dmos")), data.get("orgs")
    names = _matlab(names_file).get("refnames_all")
    total = sum(count for count, _ in LIVE_KINDS.values())
    for file, title, values, types in (
        (scores_file, "dmos_new or dmos", scores, "iuf"),
        (scores_file, "orgs", originals, "biuf"),
        (names_file, "refnames_all", names, "OU"),
    ):
        if values is None or len(values) != total or values.dtype.kind not in types:
            raise RatingsError(
                f"{file}: no {title} with {total} {'names' if types == 'OU' else 'numbers'}"
            )
    references, index = Folder(home.find("refimgs")), 0
    for folder, (count, kind) in LIVE_KINDS.items():
        images = Folder(home.find(folder))
        for number in range(1, count + 1):
            if not originals[index]:
                where = f"{scores_file}, entry {index + 1}"
                yield RatedImage(
                    references.find(str(names[index]), where=f"{names_file}, entry {index + 1}"),
                    images.find(f"img{number}.bmp", where=where),
                    kind,
                    0,
                    parse_score(str(scores[index]), where),
                )
            index += 1
