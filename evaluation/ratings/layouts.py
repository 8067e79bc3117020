"""How each data set of ratings is laid out, as its own archive unpacks."""

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.io import loadmat

from metamer.evaluation.ratings.files import (
    Folder,
    home_folder,
    parse_score,
    read_fraction,
    read_text_lines,
    split_cells,
    workbook_sheet,
)
from metamer.evaluation.ratings.items import RatedImage, RatingsError

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
CSIQ_KINDS = {
    "awgn": "additive Gaussian noise",
    "blur": "Gaussian blur",
    "contrast": "contrast change",
    "fnoise": "additive pink noise",
    "jpeg": "JPEG",
    "jpeg2000": "JPEG 2000",
}
LIVE_KINDS = {
    "jp2k": (227, "JPEG 2000"),
    "jpeg": (233, "JPEG"),
    "wn": (174, "white noise"),
    "gblur": (174, "Gaussian blur"),
    # folder → images, kind; in the order of the scores
    "fastfading": (174, "JPEG 2000 over a fast-fading channel"),
}
BAPPS_KINDS = {
    "traditional": "traditional distortions",
    "cnn": "distortions by convolutional networks",
    "superres": "super-resolution",
    "deblur": "deblurring",
    "color": "colourisation",
    # the last one in the training split alone
    "frameinterp": "frame interpolation",
    "mix": "mixed distortions",
}


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


CSIQ_SCORES = (
    "csiq.DMOS.xlsx",
    "csiq.DMOS.csv",
    "csiq.DMOS.txt",
    "csiq_dmos.csv",
    "csiq_dmos.txt",
    "csiq.csv",
    "csiq_label.txt",
)
# the titles that are read
CSIQ_WORKBOOK, CSIQ_LABELS = ("image", "dst_type", "dst_lev", "dmos"), ("distorted", "score")


def csiq_opinions(path: Path) -> Iterator[RatedImage]:
    """src_imgs, dst_imgs/TYPE (or all in dst_imgs) and the scores, in the first of CSIQ_SCORES that
    is there.

    They are read in three forms, whatever the file's name. The official workbook's sheet
    all_by_image, or its export as text: a row of titles, with or without empty cells before it,
    that has image, dst_type, dst_lev and dmos. A table with the titles distorted and score: label
    lists, such as IQA-Dataset's, cut to these names. Lines of a name and a score without titles,
    '1600.AWGN.1.png 0.062', as most loaders of csiq_label.txt have them, .png or not.
    """
    home = home_folder(path, "dst_imgs")
    references, images = Folder(home.find("src_imgs")), Folder(home.find("dst_imgs"), deep=True)
    if not home.entries.keys() & {name.lower() for name in CSIQ_SCORES}:
        raise RatingsError(f"{home.path} has no scores: {', '.join(CSIQ_SCORES)}")
    scores = home.find(*CSIQ_SCORES)
    if scores.suffix.lower() == ".xlsx":
        rows = workbook_sheet(scores, "all_by_image")
    else:
        rows = ((where, split_cells(line)) for where, line in read_text_lines(scores))
    rows, columns = list(rows), [0, 1]
    for index, (_, cells) in enumerate(rows):
        titles = {title.lower(): column for column, title in enumerate(cells)}
        if wanted := next(
            (wanted for wanted in (CSIQ_WORKBOOK, CSIQ_LABELS) if titles.keys() >= set(wanted)),
            None,
        ):
            rows, columns = rows[index + 1 :], [titles[title] for title in wanted]
            break
    for where, cells in rows:
        *name, score = (cells[column] if column < len(cells) else "" for column in columns)
        if not any((*name, score)):
            continue  # a workbook's remarks next to the table, or nothing
        if len(name) == 3:
            image, kind, level = (re.sub(r"\.0+$", "", part) for part in name)
            kind = kind.lower().replace(" ", "")
            stem = f"{image}.{'AWGN' if kind == 'noise' else kind}.{level}"
        else:
            stem = re.sub(r"\.png$", "", posixpath.basename(name[0]), flags=re.IGNORECASE)
        match = re.fullmatch(r"(.+)\.(\w+)\.(\d)", stem)
        if not match or match[2].lower() not in CSIQ_KINDS:
            raise RatingsError(f"{where}: {stem!r} is not a name such as 1600.AWGN.1")
        yield RatedImage(
            references.find(match[1] + ".png", where=where),
            images.find(stem + ".png", where=where),
            CSIQ_KINDS[match[2].lower()],
            int(match[3]),
            parse_score(score, where),
        )


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
    home, given = home_folder(path, "refimgs"), Folder(Path(path))
    scores_file = (given if "dmos_realigned.mat" in given.entries else home).find(
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


def bapps_judgements(
    folder: Path, task: str, split: str, images: tuple[str, ...], verdict: str
) -> Iterator[tuple]:
    """The paths of ``images``, the kind and the fraction for every .npy file of
    TASK/SPLIT/*/VERDICT, by kind and number.
    """
    split_folder = Folder(Folder(home_folder(folder, task).find(task)).find(split))
    for name, kind in split_folder.entries.items():
        if kind.is_dir():
            inside = Folder(kind)
            pictures = [Folder(inside.find(part)) for part in images]
            for file in Folder(inside.find(verdict)).entries.values():
                if file.suffix.lower() == ".npy":
                    paths = (part.find(file.stem + ".png", where=str(file)) for part in pictures)
                    yield *paths, BAPPS_KINDS.get(name, name), read_fraction(file)
