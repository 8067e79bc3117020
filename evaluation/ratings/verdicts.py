"""What judging found, for people and programs: a table, JSON, and figures."""

import json
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path

from metamer.codec.system import files
from metamer.evaluation import plots
from metamer.evaluation.ratings.judging import Verdict
from metamer.perception.backbones.imagenet import resolve_network
from metamer.perception.distances.features import sweep_labels

ORDER = ("spearman", "pearson", "kendall", "2afc", "jnd-map")
DRAWN_SUBSETS = ("all", "H-10", "L-10", "efficacy")


def layer_curves(
    verdicts: list[Verdict], network: str
) -> dict[str, dict[str, tuple[float, float, float]]]:
    """Subset of channels → layer → the first statistic and its interval, of a network whose layers
    were swept; of the subsets that figures and pages show.
    """
    statistics = {verdict.metric: next(iter(verdict.statistics.values())) for verdict in verdicts}
    labels = sweep_labels(network)
    return {
        subset: along
        for subset in DRAWN_SUBSETS
        if (
            along := {
                layer: statistics[label]
                for (layer, at), label in labels.items()
                if at == subset and label in statistics
            }
        )
    }


def first_statistic(verdicts: list[Verdict]) -> dict[str, dict[str, tuple[float, float, float]]]:
    """The first statistic's name → metric → its value and interval."""
    first = next(iter(verdicts[0].statistics))
    return {first: {verdict.metric: verdict.statistics[first] for verdict in verdicts}}


def verdict_table(verdicts: list[Verdict], title: str) -> str:
    """Every verdict a line, as text."""
    names = sorted({name for verdict in verdicts for name in verdict.statistics}, key=ORDER.index)
    width = max(len(verdict.metric) for verdict in verdicts)
    lines = [f"{title}: {verdicts[0].count} judgements; 95 % bootstrap intervals", ""]
    lines.append(f"{'metric':<{width}}" + "".join(f"  {name:^24}" for name in names))
    for verdict in verdicts:
        intervals = (verdict.statistics.get(name) for name in names)
        cells = (
            "{:+.4f} [{:+.3f}, {:+.3f}]".format(*values) if values else "–" for values in intervals
        )
        lines.append(f"{verdict.metric:<{width}}" + "".join(f"  {cell:>24}" for cell in cells))
    return "\n".join(lines)


def write_verdicts(
    verdicts: list[Verdict], title: str, out: Path, networks: Collection[str] = ()
) -> str:
    """Writes verdicts.json, table.txt, agreement.png and, for the networks swept,
    layers_NETWORK.png; returns the table.
    """
    text = verdict_table(verdicts, title)
    files.write_file(
        str(out / "verdicts.json"),
        (json.dumps([asdict(verdict) for verdict in verdicts], indent=1) + "\n").encode(),
    )
    files.write_file(str(out / "table.txt"), (text + "\n").encode())
    swept = {label for network in networks for label in sweep_labels(network).values()}
    if single := [verdict for verdict in verdicts if verdict.metric not in swept]:
        plots.plot_intervals(first_statistic(single), title, out / "agreement.png")
    for network in dict.fromkeys(map(resolve_network, networks)):
        plots.plot_steps(
            {network: layer_curves(verdicts, network)}, title, out / f"layers_{network}.png"
        )
    return text
