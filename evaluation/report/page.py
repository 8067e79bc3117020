"""`metamer report`: a folder with a page that shows results to a reader, offline."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import jinja2
from plotly.offline import get_plotlyjs

from metamer.codec.errors import FileError, MetamerError
from metamer.codec.system import files
from metamer.evaluation import plots
from metamer.evaluation.cost import machine
from metamer.evaluation.measure.runs import conditions_text
from metamer.evaluation.plots.style import round_ticks
from metamer.evaluation.rate import published
from metamer.evaluation.rate.figure_data import bands_note, usual_anchor
from metamer.evaluation.report.contents import (
    distance_sections,
    picture_table,
    published_label,
    six_digits,
)
from metamer.evaluation.report.csv_tables import write_tables
from metamer.evaluation.report.flat_section import flat_section
from metamer.evaluation.report.realism import miss_section, realism_section
from metamer.evaluation.report.viewer import viewer_section
from metamer.evaluation.results.folders import Results, load_results

HERE = Path(__file__).parent / "static"
SCRIPTS = (
    "report.css",
    "state.js",
    "charts.js",
    "curves.js",
    "realism.js",
    "rows.js",
    "viewer.js",
)
# markers of figures, as the charts' library calls them
SYMBOLS = {
    "o": "circle",
    "s": "square",
    "D": "diamond",
    "^": "triangle-up",
    "v": "triangle-down",
    "P": "cross",
}
# the palette of figures, lighter where the page is dark
LIGHTER = ("#F08A3C", "#4DA3DB", "#2CC295", "#E29BC3", "#F0B93C", "#7CC8F0", "#E6EDF3", "#B3B3B3")
DARK = dict(zip(plots.COLOURS, LIGHTER, strict=True))


def write_page(folders: Sequence[Path], out: Path, most: int, others: Sequence[str] = ()) -> str:
    """Writes the report's page and what it needs; it opens offline.

    Args:
        folders: What `metamer evaluate` wrote.
        out: Folder for the page.
        most: Pictures in the viewer, at most.
        others: Names of published codecs, whose curves are drawn with those measured.

    Returns:
        A line about it: where, and how large.

    Raises:
        MetamerError: No results there, or files that cannot be read or written.
    """
    results = load_results(folders)
    if others:
        published.check_kodak_digests(results.digests())
    if not (results.rows or results.matched):
        raise MetamerError(f"{folders[0]}: no results of `metamer evaluate` there")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise FileError(f"{out}: {files.reason(problem)}") from None
    names = list(dict.fromkeys(others))
    context, columns = page_context(folders[0].resolve().name, results, names)
    context["viewer"] = viewer_section(results, out, most)
    context["tables"] = write_tables(out, context, columns)
    data = page_data(context, columns, codec_looks(results, names))
    template = jinja2.Environment(
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        loader=jinja2.FileSystemLoader(HERE),
    ).get_template("index.html")
    for name in SCRIPTS:
        files.write_file(str(out / name), (HERE / name).read_bytes())
    files.write_file(str(out / "plotly.min.js"), get_plotlyjs().encode())
    files.write_file(str(out / "index.html"), template.render(context, data=data).encode())
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    return f"{out / 'index.html'}: the folder has {size / 1e6:.1f} MB"


def page_context(
    title: str, results: Results, names: Sequence[str]
) -> tuple[dict[str, object], list[dict]]:
    """What the template says, but for the viewer, and the columns of the table of every picture.
    names: of published codecs.
    """
    rows = results.rows or results.matched
    every = [*results.matched, *results.rows]
    columns, lines = picture_table(every)
    context = {
        "title": title,
        "pictures": len({row["image"] for row in rows}),
        "codecs": list(dict.fromkeys(row["codec"] for row in every)),
        "metrics": distance_sections(rows, names),
        "bands": bands_note(rows, usual_anchor(rows)),
        "sources": dict.fromkeys(published.find_published(name).source for name in names),
        "at_rates": not results.rows,
        "realism": realism_section(results.summaries),
        "misses": miss_section(results.summaries),
        "flat": flat_section(every),
        "untrained": results.untrained,
        "runs": [
            {"date": run.date, "command": run.command, "machine": conditions_text(run)}
            for run in results.runs
        ],
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "version": machine.conditions().get("metamer-codec", "of a source tree"),
        "rows": lines,
    }
    return context, columns


def codec_looks(results: Results, names: Sequence[str]) -> dict[str, plots.Style]:
    """Codec → its look, the same in every chart of the page and in `metamer plot`'s figures."""
    looks = plots.codec_styles([*results.codecs(), *names])
    return looks | {published_label(name): looks[name] for name in names}


def page_data(
    context: dict[str, object], columns: Sequence[dict], looks: dict[str, plots.Style]
) -> dict[str, object]:
    """What the page's scripts read."""
    rates = [
        rate for metric in context["metrics"] for curve in metric["curves"] for rate in curve["bpp"]
    ]
    return {
        "metrics": [
            {key: metric[key] for key in ("label", "axis", "curves", "original")}
            for metric in context["metrics"]
        ],
        "looks": {
            codec: {
                "light": look.colour,
                "dark": DARK[look.colour],
                "symbol": SYMBOLS[look.marker],
            }
            for codec, look in looks.items()
        },
        "ticks": six_digits(round_ticks(min(rates), max(rates))),
        "columns": columns,
        "rows": context["rows"],
        "viewer": context["viewer"],
        "realism": context["realism"],
    }
