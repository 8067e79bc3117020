"""TID2013-resim: Kodak photographs with the distortions of TID2013 that have a definition
(`definitions`).

TID2013's images cannot be had, its 3000 opinions can. Where a distortion can be defined, the
picture that an opinion is about can be approximated: an approximation it stays, and every figure
that comes of it has to say so.
"""

import csv
import io
import itertools
from pathlib import Path

import numpy as np
from PIL import Image

from metamer.codec.errors import ImageError, MetamerError
from metamer.codec.system import files
from metamer.evaluation.images import read_image, save_image
from metamer.evaluation.progress import progress
from metamer.evaluation.ratings.resimulation.definitions import DISTORTIONS, LEVELS
from metamer.evaluation.ratings.resimulation.strengths import (
    TARGETS,
    distort,
    level_strengths,
    psnr,
)

HEIGHT, WIDTH = 384, 512
# top and left of TID's own crops where they are known, found by comparison with Kodak's
# photographs, bit for bit
CROPS = {
    "I01": (126, 104),
    "I03": (44, 73),
    "I04": (206, 0),
    "I06": (43, 66),
    "I08": (4, 71),
    "I19": (255, 0),
    "I21": (60, 28),
}
TITLE = "TID2013-resim, an approximation of TID2013"
ENTRIES = "entries.csv"  # next to the pictures; marks a folder of ours
COLUMNS = ("file", "type", "level", "title", "basis", "parameter", "psnr", "target", "reference")


def read_table(path: Path, *columns: str) -> list[dict[str, str]]:
    """The rows of a CSV file that has these columns."""
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except OSError as problem:
        raise MetamerError(f"{path} cannot be read: {files.reason(problem)}") from None
    except (UnicodeDecodeError, csv.Error):
        raise MetamerError(f"{path} is no table") from None
    if any(row.get(column) is None for row in rows for column in columns):
        raise MetamerError(f"{path} lacks a column of {', '.join(columns)}")
    return rows


def cut_references(kodak: Path) -> dict[str, tuple[np.ndarray, bool]]:
    """I01 … I24 → ((384, 512, 3) uint8, whether it is TID's own crop); others are cut from the
    middle of their photograph.

    ``kodak``: kodim01.png … kodim24.png. Raises MetamerError.
    """
    references = {}
    for number in range(1, 25):
        name = f"I{number:02d}"
        image = np.asarray(read_image(Path(kodak) / f"kodim{number:02d}.png"))
        if image.shape[0] < HEIGHT or image.shape[1] < WIDTH:
            raise ImageError(
                f"{name}: its photograph is {image.shape[1]}x{image.shape[0]}, smaller than "
                f"{WIDTH}x{HEIGHT}"
            )
        top, left = CROPS.get(name) or (
            (image.shape[0] - HEIGHT) // 2,
            (image.shape[1] - WIDTH) // 2,
        )
        references[name] = (
            np.ascontiguousarray(image[top : top + HEIGHT, left : left + WIDTH]),
            name in CROPS,
        )
    return references


def _opinions(path: Path) -> dict[str, str]:
    """i01_01_1 → its mean opinion as written."""
    try:
        lines = [line.split() for line in path.read_text().splitlines() if line.strip()]
        return {name.lower().removesuffix(".bmp"): score for score, name in lines}
    except OSError as problem:
        raise MetamerError(f"{path} cannot be read: {files.reason(problem)}") from None
    except ValueError:
        raise MetamerError(f"{path} has lines other than a score and a name") from None


def resimulate(kodak: Path, ratings: Path, out: Path) -> None:
    """Writes TID2013-resim into ``out``, in TID2013's layout with PNG for BMP; an interrupted run
    continues type by type.

    reference_images/I01.png, distorted_images/i01_01_1.png, mos_with_names.txt with the opinions on
    what was made anew, and entries.csv with COLUMNS: parameter (signed, in the function's unit),
    psnr and target in dB (no target where strengths were given), reference 'exact' or 'centred'.
    ``ratings``: the folder of TID2013's mos_with_names.txt. Raises MetamerError. Delete ``out``
    after a change of definitions.
    """
    ratings, out = Path(ratings), Path(out)
    pictures, opinions = cut_references(kodak), _opinions(ratings / "mos_with_names.txt")
    images = {name: image for name, (image, _) in pictures.items()}
    for folder in ("reference_images", "distorted_images"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    for name, image in images.items():
        save_image(Image.fromarray(image), out / "reference_images" / f"{name}.png")
    rows = (
        {row["file"]: row for row in read_table(out / ENTRIES, *COLUMNS)}
        if (out / ENTRIES).exists()
        else {}
    )
    with progress(len(DISTORTIONS) * len(LEVELS), "level") as bar:
        for kind, level in itertools.product(DISTORTIONS.values(), LEVELS):
            bar.update()
            names = {name: f"{name.lower()}_{kind.number:02d}_{level}.png" for name in images}
            if absent := next(
                (file for file in names.values() if file.removesuffix(".png") not in opinions), None
            ):
                raise MetamerError(f"{ratings}: no opinion on {absent.removesuffix('.png')}")
            if all(
                file in rows and (out / "distorted_images" / file).exists()
                for file in names.values()
            ):
                continue
            for name, strength in level_strengths(kind, level, images).items():
                image = distort(kind, name, images[name], level, strength)
                save_image(Image.fromarray(image), out / "distorted_images" / names[name])
                rows[names[name]] = {
                    "file": names[name],
                    "type": kind.number,
                    "level": level,
                    "title": kind.title,
                    "basis": kind.basis,
                    "parameter": f"{kind.signs[level - 1] * strength:.6g}",
                    "psnr": f"{psnr(images[name], image):.3f}",
                    "target": "" if kind.strengths else f"{TARGETS[level]:.3f}",
                    "reference": "exact" if pictures[name][1] else "centred",
                }
            _list(out, rows, opinions)


def _list(out: Path, rows: dict[str, dict], opinions: dict[str, str]) -> None:
    """Writes entries.csv and mos_with_names.txt."""
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    table.writeheader()
    table.writerows(rows[file] for file in sorted(rows))
    files.write_file(str(out / ENTRIES), text.getvalue().encode())
    lines = "".join(f"{opinions[file.removesuffix('.png')]} {file}\n" for file in sorted(rows))
    files.write_file(str(out / "mos_with_names.txt"), lines.encode())
