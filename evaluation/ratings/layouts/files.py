"""The files that data sets come in: folders whatever the case of their names, lists, tables,
workbooks.

Names are matched in any case, since it varies between releases and from copy to copy. Whatever
cannot be read, or is listed and not there, is a RatingsError that names the file and, in a list,
the line.
"""

import math
import posixpath
import re
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from metamer.codec.system import files
from metamer.evaluation.ratings.items import RatingsError


class Folder:
    """A folder whose entries are found in any case; with ``deep``, also the files of the folders in
    it.
    """

    def __init__(self, path: Path, deep: bool = False):
        self.path = path
        try:
            # macOS adds such to copies
            entries = sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))
            self.entries = {entry.name.lower(): entry for entry in entries}
        except OSError as problem:
            raise RatingsError(f"{path} cannot be read: {files.reason(problem)}") from None
        if deep:
            for folder in [entry for entry in self.entries.values() if entry.is_dir()]:
                self.entries |= Folder(folder).entries

    def find(self, *names: str, where: str | None = None) -> Path:
        """The first of ``names`` that is there; ``where`` is the line that asks for it."""
        for name in names:
            if name.lower() in self.entries:
                return self.entries[name.lower()]
        missing = f"{self.path / names[0]} is missing"
        raise RatingsError(f"{where}: {missing}" if where else missing)


def home_folder(path: Path, sign: str) -> Folder:
    """The folder that holds ``sign``: the one given, or one in it, as some archives unpack into a
    folder of their own.
    """
    outer = Folder(Path(path))
    if sign in outer.entries:
        return outer
    for folder in (Folder(entry) for entry in outer.entries.values() if entry.is_dir()):
        if sign in folder.entries:
            return folder
    raise RatingsError(f"{path} has no {sign}")


def read_text_lines(path: Path) -> Iterator[tuple[str, str]]:
    """('file, line 1', text) of every line that is not blank."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as problem:
        raise RatingsError(f"{path} cannot be read: {files.reason(problem)}") from None
    except UnicodeDecodeError:
        raise RatingsError(f"{path} is not text") from None
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            yield f"{path}, line {number}", line.strip()


def parse_score(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise RatingsError(f"{where}: {text!r} is not a score")
    return value


def split_cells(line: str) -> list[str]:
    """A line's fields: between commas, semicolons or tabs if it has any, else between spaces."""
    return [
        cell.strip().strip('"')
        for cell in (re.split(r"[,;\t]", line) if re.search(r"[,;\t]", line) else line.split())
    ]


SPREADSHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"  # of a workbook's XML
RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"


def workbook_sheet(path: Path, name: str) -> Iterator[tuple[str, list[str]]]:
    """('file, row 1', cells as text) of one sheet of an Office Open XML workbook (ECMA-376, part 1,
    clause 18).
    """
    try:
        with zipfile.ZipFile(path) as book:
            sheet, shared = read_sheet(book, name)
        lines = [
            (f"{path}, row {row.get('r')}", row_cells(row, shared))
            for row in sheet.iter(SPREADSHEET + "row")
        ]
    except OSError as problem:
        raise RatingsError(f"{path} cannot be read: {files.reason(problem)}") from None
    except StopIteration:
        raise RatingsError(f"{path} has no sheet {name}") from None
    except (
        zipfile.BadZipFile,
        ElementTree.ParseError,
        KeyError,
        IndexError,
        TypeError,
        ValueError,
    ):
        raise RatingsError(f"{path} is not a workbook that can be read") from None
    yield from lines


def read_sheet(book: zipfile.ZipFile, name: str) -> tuple[ElementTree.Element, list[str]]:
    """A sheet, and the strings that cells of all sheets share. Raises StopIteration where there is
    no such sheet.
    """
    workbook = ElementTree.fromstring(book.read("xl/workbook.xml"))
    relation = next(
        sheet.get(RELATION)
        for sheet in workbook.iter(SPREADSHEET + "sheet")
        if sheet.get("name") == name
    )
    links = ElementTree.fromstring(book.read("xl/_rels/workbook.xml.rels"))
    target = next(link.get("Target") for link in links if link.get("Id") == relation)
    sheet = ElementTree.fromstring(book.read(posixpath.join("xl", target).lstrip("/")))
    if "xl/sharedStrings.xml" not in book.namelist():
        return sheet, []
    strings = ElementTree.fromstring(book.read("xl/sharedStrings.xml"))
    return sheet, [
        "".join(part.text or "" for part in string.iter(SPREADSHEET + "t")) for string in strings
    ]


def row_cells(row: ElementTree.Element, shared: Sequence[str]) -> list[str]:
    """A row's cells as text, from column A to the last that there is."""
    cells: dict[int, str] = {}
    for cell in row.iter(SPREADSHEET + "c"):
        text = "".join(
            part.text or ""
            for part in cell.iter()
            if part.tag in (SPREADSHEET + "v", SPREADSHEET + "t")
        )
        column = 0
        for letter in re.match("[A-Z]+", cell.get("r"))[0]:
            column = 26 * column + ord(letter) - ord("A") + 1
        cells[column] = shared[int(text)] if cell.get("t") == "s" else text
    return [cells.get(column, "") for column in range(1, max(cells, default=0) + 1)]


def read_fraction(path: Path) -> float:
    """The one number of an .npy file, from 0 to 1."""
    try:
        value = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        raise RatingsError(f"{path} is not a NumPy array that can be read") from None
    if (
        not isinstance(value, np.ndarray)
        or value.size != 1
        or value.dtype.kind not in "biuf"
        or not 0 <= value.item() <= 1
    ):
        raise RatingsError(f"{path} does not hold one fraction from 0 to 1")
    return float(value.item())
