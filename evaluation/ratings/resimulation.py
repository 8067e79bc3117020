"""TID2013-resim: Kodak photographs with the distortions of TID2013 that have a definition
(`distortions`).

TID2013's images cannot be had, its 3000 opinions can. Where a distortion can be defined, the
picture that an opinion is about can be approximated: an approximation it stays, and every figure
that comes of it has to say so.
"""

import csv
import io
import itertools
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import optimize

from metamer.codec.errors import ImageError, MetamerError
from metamer.codec.system import files
from metamer.evaluation.images import read_image, save_image, to_tensor
from metamer.evaluation.progress import progress
from metamer.evaluation.ratings.distortions import DISTORTIONS, LEVELS, VARIANCES, Distortion
from metamer.perception import create

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
# dB: 33.0, 30.0, 27.0, 24.0, 21.0
TARGETS = {level: float(10 * np.log10(255**2 / VARIANCES[level])) for level in LEVELS}
TRUE_STRENGTHS = {("I01", 23, 5): 5.0}  # the strengths that true images show; rules give the others
TITLE = "TID2013-resim, an approximation of TID2013"
ENTRIES = "entries.csv"  # next to the pictures; marks a folder of ours
PSNR = create("psnr")
COLUMNS = ("file", "type", "level", "title", "basis", "parameter", "psnr", "target", "reference")


def psnr(reference: np.ndarray, image: np.ndarray) -> float:
    """The registry's, of (H, W, 3) uint8 arrays."""
    return PSNR(to_tensor(reference), to_tensor(image)).item()


def seeded_noise(reference: str, number: int, level: int) -> np.random.Generator:
    """The noise of one entry, always the same: ``reference`` is I01 … I24."""
    return np.random.default_rng((int(reference[1:]), number, level))


def solve_strength(reached: Callable[[float], float], target: float, kind: Distortion) -> float:
    """The strength between ``kind.mild`` and ``kind.strong`` whose PSNR in dB, ``reached``, is
    nearest to ``target``.

    PSNR has to fall from mild to strong; where even an end does not get there, that end is the
    answer.
    """
    seen: dict[float, float] = {}

    def excess(strength: float) -> float:
        if strength not in seen:
            seen[strength] = reached(strength) - target
        return seen[strength]

    mild, strong = kind.mild, kind.strong
    if excess(mild) > 0 > excess(strong):
        if kind.whole:
            while abs(mild - strong) > 1:
                middle = float((mild + strong) // 2)
                mild, strong = (middle, strong) if excess(middle) > 0 else (mild, middle)
        else:
            optimize.brentq(
                lambda power: excess(float(np.exp(power))), np.log(mild), np.log(strong), xtol=3e-4
            )
    return min(seen, key=lambda strength: abs(seen[strength]))


def distort(
    kind: Distortion, reference: str, image: np.ndarray, level: int, strength: float
) -> np.ndarray:
    """The entry of ``reference`` at ``level`` with an unsigned ``strength``: (H, W, 3) uint8."""
    return kind.function(
        image, kind.signs[level - 1] * strength, seeded_noise(reference, kind.number, level)
    )


def level_strengths(
    kind: Distortion, level: int, images: dict[str, np.ndarray]
) -> dict[str, float]:
    """Reference → strength of ``level``, as ``kind`` wants it found. ``images``: (H, W, 3)
    uint8.
    """
    if kind.strengths:
        return dict.fromkeys(images, kind.strengths[level - 1])

    def reached(strength: float, names: Iterable[str]) -> float:
        return float(
            np.mean(
                [
                    psnr(images[name], distort(kind, name, images[name], level, strength))
                    for name in names
                ]
            )
        )

    if kind.common:
        return dict.fromkeys(
            images, solve_strength(lambda strength: reached(strength, images), TARGETS[level], kind)
        )
    return {
        name: TRUE_STRENGTHS.get((name, kind.number, level))
        or solve_strength(
            lambda strength, name=name: reached(strength, [name]), TARGETS[level], kind
        )
        for name in images
    }


def _table(path: Path, *columns: str) -> list[dict[str, str]]:
    """The rows of a CSV file that has these columns."""
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except OSError as problem:
        raise MetamerError(f"{path} cannot be read: {problem.strerror.lower()}") from None
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
        raise MetamerError(f"{path} cannot be read: {problem.strerror.lower()}") from None
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
        {row["file"]: row for row in _table(out / ENTRIES, *COLUMNS)}
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
    for entry in _table(ratings / "images.csv", "file", "tid_reference", "type_number", "level"):
        name, number, level = entry["tid_reference"], int(entry["type_number"]), int(entry["level"])
        reference, kind = pictures[name][0], DISTORTIONS[number]
        true = np.asarray(read_image(ratings / "images" / entry["file"]))
        if number == 1:
            error = np.square(true.astype(np.float64) - reference).mean()
            level = min(LEVELS, key=lambda step: abs(np.log(VARIANCES[step] / error)))
        ours = distort(
            kind, name, reference, level, level_strengths(kind, level, {name: reference})[name]
        )
        for made, image in (("TID2013", true), ("here", ours)):
            rows.append(
                {
                    "file": entry["file"],
                    "made": made,
                    "level": level,
                    **error_statistics(reference, image),
                    "differing": float((image != true).mean()),
                }
            )
    return rows
