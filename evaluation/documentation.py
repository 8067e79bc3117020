"""perception/METRICS.md, from the registry and from recorded results: python -m evaluation.documentation

perception/results/ holds what the commands named in the page wrote; nothing in its tables is typed by hand.
"""

import json
from pathlib import Path

from evaluation.macadam import outlines, roundness, to_lab
from perception.registry import Metric, metrics

FOLDER = Path(__file__).parent.parent / "perception"
PAGE, RESULTS = FOLDER / "METRICS.md", FOLDER / "results"
LAYER_SUBSETS = ("all", "H-10", "L-10", "efficacy")


def read(name: str) -> list[dict]:
    """A recorded result."""
    return json.loads((RESULTS / f"{name}.json").read_text())


def table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    return "\n".join("| " + " | ".join(row) + " |" for row in (header, ["---"] * len(header), *rows))


def interval(statistics: dict, name: str) -> str:
    """'.85 [.83, .87]' or a dash."""
    if name not in statistics:
        return "–"
    value, low, high = statistics[name]
    return f"{value:.3f} [{low:.2f}, {high:.2f}]"


def needs(metric: Metric) -> str:
    """Weights and packages, or a dash."""
    packages = [f"package {metric.package}"] if metric.package else []
    return ", ".join([*(f"weights {name}" for name in metric.weights), *packages]) or "–"


def catalogue() -> str:
    """Every distance and what one must know of it."""
    recovered = {row["metric"]: row["verdict"] for row in read("recoveries-noise")}
    header = ["name", "what", "family", "range", "better", "true distance", "trainable", "smallest side", "needs", "from noise"]
    rows = [[
        f"`{m.name}`", m.title + (f" ({m.paper})" if m.paper != "—" else ""), m.family,
        f"{m.low:g} … {m.high:g}, {m.best:g} for identical images", "higher" if m.higher_is_better else "lower",
        "yes" if m.true_distance else "no", "yes" if m.trainable else "no", str(m.min_side), needs(m),
        recovered.get(m.name, "–"),
    ] for m in metrics().values()]
    return table(header, rows)


def judged(name: str) -> str:
    """The table of agreement with opinions, best first; distances without options."""
    rows = [[f"`{v['metric']}`", str(v["count"]), *(interval(v["statistics"], s) for s in ("spearman", "pearson", "kendall"))]
            for v in read(name)]
    return table(["distance", "images", "Spearman", "Pearson", "Kendall"], rows)


def layers() -> str:
    """Spearman by layer and subset of channels, and whether H-10 is above L-10."""
    found: dict[tuple[str, str], dict[str, dict]] = {}
    for verdict in read("tid2013-resim-layers"):
        options = dict(part.split("=") for part in verdict["metric"].partition(":")[2].split(","))
        place = (options["network"], options["layer"])
        found.setdefault(place, {})[options.get("channels", "all")] = verdict["statistics"]
    rows = []
    for (network, layer), subsets in found.items():
        high, low = (subsets[name]["spearman"][0] for name in ("H-10", "L-10"))
        rows.append([network, layer, *(interval(subsets[name], "spearman") for name in LAYER_SUBSETS), f"{high - low:+.3f}"])
    return table(["network", "layer", *LAYER_SUBSETS, "H-10 − L-10"], rows)


def recoveries() -> str:
    """What each distance made of noise."""
    rows = [[
        f"`{row['metric']}`", row["verdict"], "{:.4g} / {:.4g}".format(*row["value"]),
        ", ".join(f"{name} {value[0]:.3g} / {value[1]:.3g}" for name, value in row["others"].items()),
    ] for row in read("recoveries-noise")]
    return table(["distance", "verdict", "its value: result / yardstick", "others: result / yardstick"], rows)


def page() -> str:
    """The whole page."""
    flat, lab = roundness(outlines()), roundness(to_lab(outlines()))
    fields = {
        "catalogue": catalogue(), "recoveries": recoveries(), "layers": layers(),
        "all": judged("tid2013-resim"), "defined": judged("tid2013-resim-defined"),
        "flat_axes": f"{flat.elongation:.2f}", "lab_axes": f"{lab.elongation:.2f}",
        "flat_spread": f"{flat.spread:.1f}", "lab_spread": f"{lab.spread:.1f}",
    }
    text = (Path(__file__).parent / "metrics_page.md").read_text()
    for name, value in fields.items():
        text = text.replace("{{" + name + "}}", value)
    return text


if __name__ == "__main__":
    PAGE.write_text(page())
