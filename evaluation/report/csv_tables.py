"""The page's tables as files for spreadsheets."""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from metamer.codec.system import files

FOLDER = "tables"  # beside the page


def csv_name(title: str) -> str:
    """The address, from the page, of a table of that title."""
    return f"{FOLDER}/{re.sub(r'[^a-z0-9.-]+', '-', title.lower()).strip('-')}.csv"


def write_table(out: Path, title: str, header: Sequence[str], rows: Iterable[Sequence]) -> str:
    """Writes a table; returns its address from the page."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([plain_text(cell) for cell in row] for row in rows)
    target = out / csv_name(title)
    target.parent.mkdir(parents=True, exist_ok=True)
    files.write_file(str(target), buffer.getvalue().encode())
    return csv_name(title)


def plain_text(cell: object) -> str:
    """A cell as spreadsheets read it: nothing for what is not there, a plain minus sign."""
    text = "" if cell is None else str(cell)
    return "" if text == "–" else text.replace("−", "-").removesuffix(" %")


def write_tables(out: Path, context: dict, columns: Sequence[dict]) -> dict[str, str]:
    """Writes every table of the page; returns its title → address.

    Args:
        out: The page's folder.
        context: What `page.write_page` gives its template.
        columns: Of the table of every picture.
    """
    links = {}
    for metric in context["metrics"]:
        rows = [[row["codec"], *(cell["text"] for cell in row["cells"])] for row in metric["bd"]]
        title = f"bd-rate {metric['label']}"
        links[metric["label"]] = write_table(out, title, ["codec", *metric["codecs"]], rows)
    if realism := context["realism"]:
        header = ["rate", "codec", "bpp"]
        for name in realism["measures"]:
            header += [name, f"{name}, low", f"{name}, high"]
        rows = []
        for row in (row for block in realism["blocks"] for row in block):
            cells = [row["rate"], row["codec"], row["bpp"]]
            for cell in row["cells"]:
                ends = cell["interval"].split(" … ") if cell["interval"] else ["", ""]
                cells += [cell["value"], *ends]
            rows.append(cells)
        links["realism"] = write_table(out, "realism", header, rows)
    if context["misses"]:
        rows = [[row["rate"], row["codec"], row["misses"]] for row in context["misses"]]
        links["misses"] = write_table(out, "off the rate", ["rate", "codec", "pictures"], rows)
    if context["flat"]:
        header = ["codec", "setting", "bpp", "luma", "original", "chroma", "blocks"]
        rows = [[row[key] for key in header] for row in context["flat"]]
        links["flat"] = write_table(out, "flat areas", header, rows)
    header = [column["title"] for column in columns]
    links["rows"] = write_table(out, "every picture", header, context["rows"])
    return links
