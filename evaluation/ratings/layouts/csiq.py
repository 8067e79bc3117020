"""CSIQ, as its archive unpacks."""

import posixpath
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
    workbook_sheet,
)

CSIQ_KINDS = {
    "awgn": "additive Gaussian noise",
    "blur": "Gaussian blur",
    "contrast": "contrast change",
    "fnoise": "additive pink noise",
    "jpeg": "JPEG",
    "jpeg2000": "JPEG 2000",
}
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
