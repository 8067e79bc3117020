"""What judging found, for people and programs: a table, JSON, and figures."""

import json
from dataclasses import asdict
from pathlib import Path

from codec import files
from evaluation import plots
from evaluation.judging import Verdict
from perception.networks import layers

ORDER = ("spearman", "pearson", "kendall", "2afc", "jnd-map")
DRAWN_SUBSETS = ("all", "H-10", "L-10", "efficacy")


def place(label: str) -> tuple[str, str, str] | None:
    """(network, layer, channels) of a feature loss that names its layer."""
    name, _, settings = label.partition(":")
    options = dict(part.split("=", 1) for part in settings.split(",") if part)
    if name != "features" or "layer" not in options:
        return None
    return options["network"], options["layer"], options.get("channels", "all")


def by_layer(verdicts: list[Verdict]) -> dict[str, dict[str, dict[str, tuple[float, float, float]]]]:
    """network → subset of channels → layer → Spearman correlation and interval, from the first layer to the last."""
    found: dict[str, dict[str, dict]] = {}
    for verdict in verdicts:
        if at := place(verdict.metric):
            network, layer, subset = at
            found.setdefault(network, {}).setdefault(subset, {})[layer] = verdict.statistics["spearman"]
    return {
        network: {subset: {layer: along[layer] for layer in layers(network)} for subset, along in subsets.items()}
        for network, subsets in found.items()
    }


def table(verdicts: list[Verdict], title: str) -> str:
    """Every verdict a line, as text."""
    names = sorted({name for verdict in verdicts for name in verdict.statistics}, key=ORDER.index)
    width = max(len(verdict.metric) for verdict in verdicts)
    lines = [f"{title}: {verdicts[0].count} judgements; 95 % bootstrap intervals", ""]
    lines.append(f"{'metric':<{width}}" + "".join(f"  {name:^24}" for name in names))
    for verdict in verdicts:
        found = (verdict.statistics.get(name) for name in names)
        cells = ("{:+.4f} [{:+.3f}, {:+.3f}]".format(*values) if values else "–" for values in found)
        lines.append(f"{verdict.metric:<{width}}" + "".join(f"  {cell:>24}" for cell in cells))
    return "\n".join(lines)


def write(verdicts: list[Verdict], title: str, out: Path) -> str:
    """Writes verdicts.json, table.txt, agreement.png and a layers_NETWORK.png for every network swept; returns the table."""
    text = table(verdicts, title)
    files.write(str(out / "verdicts.json"), (json.dumps([asdict(verdict) for verdict in verdicts], indent=1) + "\n").encode())
    files.write(str(out / "table.txt"), (text + "\n").encode())
    single = [verdict for verdict in verdicts if not place(verdict.metric)]
    if single and "spearman" in single[0].statistics:
        plots.agreement(single, title, out / "agreement.png")
    for network, subsets in by_layer(verdicts).items():
        drawn = {subset: subsets[subset] for subset in DRAWN_SUBSETS if subset in subsets}
        plots.layers(drawn, f"{title}: {network}'s layers", out / f"layers_{network}.png")
    return text
