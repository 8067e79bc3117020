"""`metamer report`: a folder with a page that shows results to a reader, offline."""

from collections.abc import Sequence
from pathlib import Path

import jinja2
from plotly.offline import get_plotlyjs

from metamer.codec.errors import FileError, MetamerError
from metamer.codec.system import files
from metamer.evaluation import plots
from metamer.evaluation.plots.style import round_ticks
from metamer.evaluation.rate import published
from metamer.evaluation.report.contents import (
    distance_sections,
    picture_table,
    published_label,
    realism_section,
    six_digits,
)
from metamer.evaluation.report.viewer import viewer_section
from metamer.evaluation.results.folders import load_results

HERE = Path(__file__).parent / "static"
SCRIPTS = ("report.css", "charts.js", "curves.js", "realism.js", "rows.js", "viewer.js")
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
    rows = results.rows or results.matched
    if not rows:
        raise MetamerError(f"{folders[0]}: no results of `metamer evaluate` there")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise FileError(f"{out}: {problem.strerror.lower()}") from None
    every = [*results.matched, *results.rows]
    codecs = list(dict.fromkeys(row["codec"] for row in every))
    theirs = [published.find_published(name) for name in dict.fromkeys(others)]
    looks = plots.codec_styles(
        [*codecs, *(entry.codec for entry in results.summaries), *(entry.name for entry in theirs)]
    )
    looks |= {published_label(entry.name): looks[entry.name] for entry in theirs}
    columns, lines = picture_table(every)
    context = {
        "title": folders[0].resolve().name,
        "pictures": len({row["image"] for row in rows}),
        "codecs": codecs,
        "metrics": distance_sections(rows, [entry.name for entry in theirs]),
        "sources": dict.fromkeys(entry.source for entry in theirs),
        "at_rates": not results.rows,
        "realism": realism_section(results.summaries),
        "viewer": viewer_section(results, out, most),
        "rows": lines,
    }
    rates = [
        rate for metric in context["metrics"] for curve in metric["curves"] for rate in curve["bpp"]
    ]
    data = {
        "metrics": [
            {key: metric[key] for key in ("label", "axis", "curves")}
            for metric in context["metrics"]
        ],
        "colours": {
            codec: {"light": look.colour, "dark": DARK[look.colour]}
            for codec, look in looks.items()
        },
        "ticks": six_digits(round_ticks(min(rates), max(rates))),
        "columns": columns,
        "rows": lines,
        "viewer": context["viewer"],
        "realism": context["realism"],
    }
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
