"""The true images beside the ratings, against ours."""

from pathlib import Path

import numpy as np

from metamer.evaluation.images import read_image
from metamer.evaluation.ratings.resimulation.dataset import cut_references, read_table
from metamer.evaluation.ratings.resimulation.definitions import DISTORTIONS, LEVELS, VARIANCES
from metamer.evaluation.ratings.resimulation.strengths import distort, level_strengths, psnr


def error_statistics(reference: np.ndarray, image: np.ndarray) -> dict[str, float]:
    """Of the error of (H, W, 3) uint8 pictures: PSNR in dB, mean square, and what kind of noise it
    is.

    std_r, std_g, std_b in 8-bit steps, and correlations rg, rb, gb between channels and across,
    down between neighbours, all where the reference is between 64 and 191, so that clipping does
    not count, but for psnr and mse.
    """
    error = image.astype(np.float64) - reference
    inside = ((reference >= 64) & (reference < 192)).all(2)
    pairs = np.corrcoef(error[inside].T)
    sides = {
        side: np.corrcoef(error[one][both].ravel(), error[two][both].ravel())[0, 1]
        for side, one, two in (
            ("across", np.s_[:, 1:], np.s_[:, :-1]),
            ("down", np.s_[1:], np.s_[:-1]),
        )
        for both in (inside[one] & inside[two],)
    }
    return {
        "psnr": psnr(reference, image),
        "mse": float(np.square(error).mean()),
        **dict(zip(("std_r", "std_g", "std_b"), error[inside].std(0).tolist(), strict=True)),
        "rg": pairs[0, 1],
        "rb": pairs[0, 2],
        "gb": pairs[1, 2],
        **sides,
    }


def validate(kodak: Path, ratings: Path) -> list[dict]:
    """The true images and ours: two rows each, ``made`` 'TID2013' or 'here', with file, level and
    ``statistics``.

    ``level`` is the one whose noise the true image has. It differs from the file's name for
    i21_01_1 … 4, whose variances are those of levels 2 … 5: TID2008 had four levels, 30 to 21 dB,
    and its files bear the same names. ``differing``: the share of values that ours has otherwise;
    near 1 for noise, whose seed nobody knows. Raises MetamerError.
    """
    ratings = Path(ratings)
    pictures, rows = cut_references(kodak), []
    for entry in read_table(
        ratings / "images.csv", "file", "tid_reference", "type_number", "level"
    ):
        name, number, level = entry["tid_reference"], int(entry["type_number"]), int(entry["level"])
        reference, kind = pictures[name][0], DISTORTIONS[number]
        true = np.asarray(read_image(ratings / "images" / entry["file"]))
        if number == 1:
            error = np.square(true.astype(np.float64) - reference).mean()
            level = min(LEVELS, key=lambda step: abs(np.log(VARIANCES[step] / error)))
        resimulated = distort(
            kind, name, reference, level, level_strengths(kind, level, {name: reference})[name]
        )
        for origin, image in (("TID2013", true), ("here", resimulated)):
            rows.append(
                {
                    "file": entry["file"],
                    "made": origin,
                    "level": level,
                    **error_statistics(reference, image),
                    "differing": float((image != true).mean()),
                }
            )
    return rows
