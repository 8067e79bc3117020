"""Human ratings of images, read from the folders that the data sets' own archives unpack to.

Names are matched in any case, since it varies between releases and from copy to copy. Whatever cannot be read, or is listed and
not there, is a RatingsError that names the file and, in a list, the line.
"""

import math
import posixpath
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from scipy.io import loadmat

from codec.errors import MetamerError
from perception.registry import suggestion


class RatingsError(MetamerError):
    """A data set of ratings that is not where or what it should be, or numbers that no agreement can be told from."""


@dataclass(frozen=True)
class RatedImage:
    """An image and its mean opinion, on the scale of its set. ``level``: the distortion's, from 1; 0 where none is told."""

    reference: Path
    image: Path
    kind: str
    level: int
    opinion: float


@dataclass(frozen=True)
class OpinionSet:
    """A set of mean opinions; ``higher_is_better`` gives the sense of its scale."""

    name: str
    items: tuple[RatedImage, ...]
    higher_is_better: bool


@dataclass(frozen=True)
class RatedTriplet:
    """Which of two images is closer to the reference: ``preference`` is the fraction of observers who said ``second``."""

    reference: Path
    first: Path
    second: Path
    kind: str
    preference: float


@dataclass(frozen=True)
class RatedPair:
    """Two images and the fraction of observers, ``same``, who saw no difference in a brief look."""

    first: Path
    second: Path
    kind: str
    same: float


TID_KINDS = (  # TID2008 has the first 17
    "additive Gaussian noise", "additive noise, stronger in colour", "spatially correlated noise", "masked noise",
    "high-frequency noise", "impulse noise", "quantisation noise", "Gaussian blur", "image denoising", "JPEG", "JPEG 2000",
    "JPEG transmission errors", "JPEG 2000 transmission errors", "non-eccentricity pattern noise",
    "local block-wise distortions", "mean shift", "contrast change", "change of colour saturation",
    "multiplicative Gaussian noise", "comfort noise", "lossy compression of noisy images",
    "image colour quantisation with dither", "chromatic aberrations", "sparse sampling and reconstruction",
)
KADID_KINDS = (
    "Gaussian blur", "lens blur", "motion blur", "colour diffusion", "colour shift", "colour quantisation",
    "colour saturation in HSV", "colour saturation in Lab", "JPEG 2000", "JPEG", "white noise", "white noise in YCbCr",
    "impulse noise", "multiplicative noise", "denoising", "brightening", "darkening", "mean shift", "jitter",
    "non-eccentricity patch", "pixelation", "quantisation", "colour blocks", "oversharpening", "contrast change",
)
CSIQ_KINDS = {"awgn": "additive Gaussian noise", "blur": "Gaussian blur", "contrast": "contrast change",
              "fnoise": "additive pink noise", "jpeg": "JPEG", "jpeg2000": "JPEG 2000"}
LIVE_KINDS = {"jp2k": (227, "JPEG 2000"), "jpeg": (233, "JPEG"), "wn": (174, "white noise"), "gblur": (174, "Gaussian blur"),
              "fastfading": (174, "JPEG 2000 over a fast-fading channel")}  # folder → images, kind; in the order of the scores
BAPPS_KINDS = {"traditional": "traditional distortions", "cnn": "distortions by convolutional networks",
               "superres": "super-resolution", "deblur": "deblurring", "color": "colourisation",
               "frameinterp": "frame interpolation", "mix": "mixed distortions"}  # the last one in the training split alone


class _Folder:
    """A folder whose entries are found in any case; with ``deep``, also the files of the folders in it."""

    def __init__(self, path: Path, deep: bool = False):
        self.path = path
        try:
            entries = sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))  # macOS adds such to copies
            self.entries = {entry.name.lower(): entry for entry in entries}
        except OSError as problem:
            raise RatingsError(f"{path} cannot be read: {problem.strerror.lower()}") from None
        if deep:
            for folder in [entry for entry in self.entries.values() if entry.is_dir()]:
                self.entries |= _Folder(folder).entries

    def find(self, *names: str, where: str | None = None) -> Path:
        """The first of ``names`` that is there; ``where`` is the line that asks for it."""
        for name in names:
            if name.lower() in self.entries:
                return self.entries[name.lower()]
        missing = f"{self.path / names[0]} is missing"
        raise RatingsError(f"{where}: {missing}" if where else missing)


def _home(path: Path, sign: str) -> _Folder:
    """The folder that holds ``sign``: the one given, or one in it, as some archives unpack into a folder of their own."""
    given = _Folder(Path(path))
    if sign in given.entries:
        return given
    for folder in (_Folder(entry) for entry in given.entries.values() if entry.is_dir()):
        if sign in folder.entries:
            return folder
    raise RatingsError(f"{path} has no {sign}")


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    """('file, line 1', text) of every line that is not blank."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as problem:
        raise RatingsError(f"{path} cannot be read: {problem.strerror.lower()}") from None
    except UnicodeDecodeError:
        raise RatingsError(f"{path} is not text") from None
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            yield f"{path}, line {number}", line.strip()


def _score(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise RatingsError(f"{where}: {text!r} is not a score")
    return value


def _tid(path: Path, kinds: tuple[str, ...]) -> Iterator[RatedImage]:
    """mos_with_names.txt ('5.51429 I01_01_1.bmp': reference, type, level), reference_images, distorted_images.

    A PNG may stand for each BMP: re-made images come so.
    """
    home = _home(path, "mos_with_names.txt")
    references, images = (_Folder(home.find(name)) for name in ("reference_images", "distorted_images"))
    for where, line in _lines(home.find("mos_with_names.txt")):
        match = re.fullmatch(r"(\S+)\s+((i\d\d)_(\d\d)_(\d))\.(bmp|png)", line, re.IGNORECASE)
        if not match or not 1 <= int(match[4]) <= len(kinds):
            raise RatingsError(f"{where}: {line!r} is not a score and a name such as i01_01_1.bmp")
        score, stem, reference, kind, level, _ = match.groups()
        yield RatedImage(references.find(reference + ".bmp", reference + ".png", where=where),
                         images.find(stem + ".bmp", stem + ".png", where=where),
                         kinds[int(kind) - 1], int(level), _score(score, where))


def _cells(line: str) -> list[str]:
    """A line's fields: between commas, semicolons or tabs if it has any, else between spaces."""
    return [cell.strip().strip('"') for cell in (re.split(r"[,;\t]", line) if re.search(r"[,;\t]", line) else line.split())]


def _kadid(path: Path) -> Iterator[RatedImage]:
    """dmos.csv (dist_img, ref_img, dmos, var; its 'dmos' rises with quality) and images; I01_01_01.png: type, level."""
    home = _home(path, "dmos.csv")
    images = _Folder(home.find("images"))
    rows = ((where, _cells(line)) for where, line in _lines(home.find("dmos.csv")))
    where, header = next(rows, (f"{home.path / 'dmos.csv'}", []))
    if header[:3] != ["dist_img", "ref_img", "dmos"]:
        raise RatingsError(f"{where}: the columns are not dist_img, ref_img, dmos")
    for where, row in rows:
        match = re.fullmatch(r"i\d\d_(\d\d)_(\d\d)\.\w+", row[0].lower())
        if not match or len(row) < 3 or not 1 <= int(match[1]) <= len(KADID_KINDS):
            raise RatingsError(f"{where}: {row[0]!r} is not a name such as I01_01_01.png with its reference and score")
        yield RatedImage(images.find(row[1], where=where), images.find(row[0], where=where),
                         KADID_KINDS[int(match[1]) - 1], int(match[2]), _score(row[2], where))


def _sheet(path: Path, name: str) -> Iterator[tuple[str, list[str]]]:
    """('file, row 1', cells as text) of one sheet of an Office Open XML workbook (ECMA-376, part 1, clause 18)."""
    space = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
    relation = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
    try:
        with zipfile.ZipFile(path) as book:
            workbook = ElementTree.fromstring(book.read("xl/workbook.xml"))
            wanted = next(sheet.get(relation) for sheet in workbook.iter(space + "sheet") if sheet.get("name") == name)
            links = ElementTree.fromstring(book.read("xl/_rels/workbook.xml.rels"))
            target = next(link.get("Target") for link in links if link.get("Id") == wanted)
            rows = ElementTree.fromstring(book.read(posixpath.join("xl", target).lstrip("/"))).iter(space + "row")
            shared = []
            if "xl/sharedStrings.xml" in book.namelist():
                strings = ElementTree.fromstring(book.read("xl/sharedStrings.xml"))
                shared = ["".join(part.text or "" for part in string.iter(space + "t")) for string in strings]
        lines = []
        for row in rows:
            cells: dict[int, str] = {}
            for cell in row.iter(space + "c"):
                text = "".join(part.text or "" for part in cell.iter() if part.tag in (space + "v", space + "t"))
                column = 0
                for letter in re.match("[A-Z]+", cell.get("r"))[0]:
                    column = 26 * column + ord(letter) - ord("A") + 1
                cells[column] = shared[int(text)] if cell.get("t") == "s" else text
            lines.append((f"{path}, row {row.get('r')}", [cells.get(n, "") for n in range(1, max(cells, default=0) + 1)]))
    except OSError as problem:
        raise RatingsError(f"{path} cannot be read: {(problem.strerror or str(problem)).lower()}") from None
    except StopIteration:
        raise RatingsError(f"{path} has no sheet {name}") from None
    except (zipfile.BadZipFile, ElementTree.ParseError, KeyError, IndexError, TypeError, ValueError):
        raise RatingsError(f"{path} is not a workbook that can be read") from None
    yield from lines


CSIQ_SCORES = ("csiq.DMOS.xlsx", "csiq.DMOS.csv", "csiq.DMOS.txt", "csiq_dmos.csv", "csiq_dmos.txt", "csiq.csv",
               "csiq_label.txt")
CSIQ_WORKBOOK, CSIQ_LABELS = ("image", "dst_type", "dst_lev", "dmos"), ("distorted", "score")  # the titles that are read


def _csiq(path: Path) -> Iterator[RatedImage]:
    """src_imgs, dst_imgs/TYPE (or all in dst_imgs) and the scores, in the first of CSIQ_SCORES that is there.

    They are read in three forms, whatever the file's name. The official workbook's sheet all_by_image, or its export as text:
    a row of titles, with or without empty cells before it, that has image, dst_type, dst_lev and dmos. A table with the titles
    distorted and score: label lists, such as IQA-Dataset's, cut to these names. Lines of a name and a score without titles,
    '1600.AWGN.1.png 0.062', as most loaders of csiq_label.txt have them, .png or not.
    """
    home = _home(path, "dst_imgs")
    references, images = _Folder(home.find("src_imgs")), _Folder(home.find("dst_imgs"), deep=True)
    if not home.entries.keys() & {name.lower() for name in CSIQ_SCORES}:
        raise RatingsError(f"{home.path} has no scores: {', '.join(CSIQ_SCORES)}")
    scores = home.find(*CSIQ_SCORES)
    if scores.suffix.lower() == ".xlsx":
        rows = _sheet(scores, "all_by_image")
    else:
        rows = ((where, _cells(line)) for where, line in _lines(scores))
    rows, columns = list(rows), [0, 1]
    for index, (_, cells) in enumerate(rows):
        titles = {title.lower(): column for column, title in enumerate(cells)}
        if wanted := next((wanted for wanted in (CSIQ_WORKBOOK, CSIQ_LABELS) if titles.keys() >= set(wanted)), None):
            rows, columns = rows[index + 1 :], [titles[title] for title in wanted]
            break
    for where, cells in rows:
        *name, score = (cells[column] if column < len(cells) else "" for column in columns)
        if not any((*name, score)):
            continue  # a workbook's remarks beside the table, or nothing
        if len(name) == 3:
            image, kind, level = (re.sub(r"\.0+$", "", part) for part in name)
            kind = kind.lower().replace(" ", "")
            stem = f"{image}.{'AWGN' if kind == 'noise' else kind}.{level}"
        else:
            stem = re.sub(r"\.png$", "", posixpath.basename(name[0]), flags=re.IGNORECASE)
        match = re.fullmatch(r"(.+)\.(\w+)\.(\d)", stem)
        if not match or match[2].lower() not in CSIQ_KINDS:
            raise RatingsError(f"{where}: {stem!r} is not a name such as 1600.AWGN.1")
        yield RatedImage(references.find(match[1] + ".png", where=where), images.find(stem + ".png", where=where),
                         CSIQ_KINDS[match[2].lower()], int(match[3]), _score(score, where))


def _matlab(path: Path) -> dict[str, np.ndarray]:
    try:
        return {name: np.ravel(value) for name, value in loadmat(path, squeeze_me=True).items() if not name.startswith("__")}
    except Exception as problem:  # a damaged file fails anywhere inside SciPy's reader, with errors of many kinds
        raise RatingsError(f"{path} cannot be read: {str(problem).splitlines()[0] if str(problem) else 'damaged'}") from None


def _live(path: Path) -> Iterator[RatedImage]:
    """refimgs, jp2k, jpeg, wn, gblur, fastfading, refnames_all.mat, and dmos_realigned.mat ('dmos_new') or dmos.mat ('dmos').

    The realigned scores, which came later and apart, are preferred, as their authors advise; beside the folders or above them.
    'orgs' marks originals among the images: left out. The folders' info.txt holds no scores and is not read.
    """
    home, given = _home(path, "refimgs"), _Folder(Path(path))
    scores_file = (given if "dmos_realigned.mat" in given.entries else home).find("dmos_realigned.mat", "dmos.mat")
    names_file = home.find("refnames_all.mat")
    data = _matlab(scores_file)
    scores, originals = data.get("dmos_new", data.get("dmos")), data.get("orgs")
    names = _matlab(names_file).get("refnames_all")
    total = sum(count for count, _ in LIVE_KINDS.values())
    for file, title, values, types in ((scores_file, "dmos_new or dmos", scores, "iuf"),
                                       (scores_file, "orgs", originals, "biuf"), (names_file, "refnames_all", names, "OU")):
        if values is None or len(values) != total or values.dtype.kind not in types:
            raise RatingsError(f"{file}: no {title} with {total} {'names' if types == 'OU' else 'numbers'}")
    references, index = _Folder(home.find("refimgs")), 0
    for folder, (count, kind) in LIVE_KINDS.items():
        images = _Folder(home.find(folder))
        for number in range(1, count + 1):
            if not originals[index]:
                where = f"{scores_file}, entry {index + 1}"
                yield RatedImage(references.find(str(names[index]), where=f"{names_file}, entry {index + 1}"),
                                 images.find(f"img{number}.bmp", where=where), kind, 0, _score(str(scores[index]), where))
            index += 1


READERS: dict[str, tuple[Callable[[Path], Iterator[RatedImage]], bool]] = {  # and whether more is better
    # Ponomarenko et al., Signal Processing: Image Communication 30 (2015) 57-77; MOS, 0 to 9
    "tid2013": (lambda path: _tid(path, TID_KINDS), True),
    # Ponomarenko et al., Advances of Modern Radioelectronics 10 (2009) 30-45; MOS, 0 to 9
    "tid2008": (lambda path: _tid(path, TID_KINDS[:17]), True),
    "kadid-10k": (_kadid, True),  # Lin, Hosu, Saupe, QoMEX 2019; mean rating, 1 to 5
    "csiq": (_csiq, False),  # Larson, Chandler, Journal of Electronic Imaging 19(1) (2010) 011006; DMOS, 0 to 1
    # Sheikh, Sabir, Bovik, IEEE Transactions on Image Processing 15(11) (2006) 3440-3451; DMOS, -3 to 112
    "live": (_live, False),
}


def load_opinions(name: str, folder: Path) -> OpinionSet:
    """The mean opinions of a set, unpacked in a folder or one folder deeper.

    Args:
        name: One of READERS.
        folder: Where its archive was unpacked.

    Raises:
        RatingsError: Unknown set, or files that are missing or cannot be read; names the file and, in a list, the line.
    """
    if name not in READERS:
        raise RatingsError(f"no set of ratings is called '{name}'{suggestion(name, READERS)}: {', '.join(READERS)}")
    reader, higher_is_better = READERS[name]
    items = tuple(reader(Path(folder)))
    if not items:
        raise RatingsError(f"{folder}: no ratings there")
    return OpinionSet(name, items, higher_is_better)


def _fraction(path: Path) -> float:
    """The one number of an .npy file, from 0 to 1."""
    try:
        value = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        raise RatingsError(f"{path} is not a NumPy array that can be read") from None
    if not isinstance(value, np.ndarray) or value.size != 1 or value.dtype.kind not in "biuf" or not 0 <= value.item() <= 1:
        raise RatingsError(f"{path} does not hold one fraction from 0 to 1")
    return float(value.item())


def _judged(folder: Path, task: str, split: str, images: tuple[str, ...], verdict: str) -> Iterator[tuple]:
    """The paths of ``images``, the kind and the fraction for every .npy file of TASK/SPLIT/*/VERDICT, by kind and number."""
    split_folder = _Folder(_Folder(_home(folder, task).find(task)).find(split))
    for name, kind in split_folder.entries.items():
        if kind.is_dir():
            inside = _Folder(kind)
            pictures = [_Folder(inside.find(part)) for part in images]
            for file in _Folder(inside.find(verdict)).entries.values():
                if file.suffix.lower() == ".npy":
                    paths = (part.find(file.stem + ".png", where=str(file)) for part in pictures)
                    yield *paths, BAPPS_KINDS.get(name, name), _fraction(file)


def load_triplets(folder: Path, split: str = "val") -> tuple[RatedTriplet, ...]:
    """BAPPS's two-alternative forced choices (Zhang et al., CVPR 2018): 2afc/SPLIT/KIND/{ref,p0,p1,judge}.

    ``folder``: the archive's folder 'dataset' or the one that holds it. Raises RatingsError.
    """
    triplets = tuple(RatedTriplet(*row) for row in _judged(folder, "2afc", split, ("ref", "p0", "p1"), "judge"))
    if not triplets:
        raise RatingsError(f"{folder}: no choices there")
    return triplets


def load_pairs(folder: Path, split: str = "val") -> tuple[RatedPair, ...]:
    """BAPPS's just noticeable differences (Zhang et al., CVPR 2018): jnd/SPLIT/KIND/{p0,p1,same}.

    ``folder``: the archive's folder 'dataset' or the one that holds it. Raises RatingsError.
    """
    pairs = tuple(RatedPair(*row) for row in _judged(folder, "jnd", split, ("p0", "p1"), "same"))
    if not pairs:
        raise RatingsError(f"{folder}: no pairs there")
    return pairs
