"""The tables of research/METRICS.md: the registry, agreement with ratings, blind spots."""

from collections.abc import Iterable

from metamer.evaluation.markdown import interval_text, markdown_table
from metamer.evaluation.probes.macadam import chromaticity_to_lab, ellipse_outlines, roundness
from metamer.evaluation.ratings.distortions import DISTORTIONS, GUESS
from metamer.evaluation.ratings.judging import Verdict
from metamer.evaluation.ratings.resimulation import CROPS
from metamer.evaluation.ratings.verdicts import DRAWN_SUBSETS, layer_curves
from metamer.perception.backbones.imagenet import NETWORKS
from metamer.perception.catalogue import CATALOGUE
from metamer.perception.metric import Metric
from research.experiments.judge_distances import DEFINED, LIVE, THREE, TWELVE
from research.recorded_results import read_results


def statistic_text(statistics: dict, name: str) -> str:
    """'.853 [.83, .87]' or a dash."""
    return interval_text(*statistics[name]) if name in statistics else "–"


def needs_text(metric: Metric) -> str:
    """Weights and packages, or a dash."""
    packages = [f"package {metric.package}"] if metric.package else []
    return ", ".join([*(f"weights {name}" for name in metric.weights), *packages]) or "–"


def catalogue_table() -> str:
    """Every distance of ours, whatever other packages add here, and what one must know of it."""
    recovered = {row["metric"]: row["verdict"] for row in read_results("recoveries-noise")}
    header = [
        "name",
        "what",
        "family",
        "range",
        "better",
        "true distance",
        "trainable",
        "smallest side",
        "needs",
        "from noise",
    ]
    rows = [
        [
            f"`{m.name}`",
            m.title + (f" ({m.paper})" if m.paper != "—" else ""),
            m.family,
            f"{m.low:g} … {m.high:g}, {m.best:g} for identical images".replace("inf", "∞"),
            "higher" if m.higher_is_better else "lower",
            "yes" if m.true_distance else "no",
            "yes" if m.trainable else "no",
            str(m.min_side),
            needs_text(m),
            recovered.get(m.name, "–"),
        ]
        for m in CATALOGUE
    ]
    return markdown_table(header, rows)


def ratings_table() -> str:
    """Agreement with opinions: over the references each distance saw, over the twelve that nearly
    all saw, over the defined types.
    """
    twelve, defined = (
        {row["metric"]: row["statistics"] for row in read_results(f"tid2013-resim-{part}")}
        for part in ("twelve", "defined")
    )
    judgements = read_results("tid2013-resim")
    rows = [
        [
            f"`{row['metric']}`",
            str(row["count"]),
            *(
                statistic_text(row["statistics"], name)
                for name in ("spearman", "pearson", "kendall")
            ),
            *(
                statistic_text(part.get(row["metric"], {}), "spearman")
                for part in (twelve, defined)
            ),
        ]
        for row in sorted(
            judgements, key=lambda row: -twelve.get(row["metric"], row["statistics"])["spearman"][0]
        )
    ]
    header = [
        "distance",
        "images",
        "Spearman",
        "Pearson",
        "Kendall",
        "Spearman, twelve references",
        "Spearman, defined types",
    ]
    return markdown_table(header, rows)


def layers_table() -> str:
    """Spearman by layer and subset of channels, over all types and over LIVE's four."""
    columns = [
        [Verdict(**row) for row in read_results(name)]
        for name in ("tid2013-resim-layers", "tid2013-resim-layers-live")
    ]
    rows = []
    for network in NETWORKS:
        swept = [layer_curves(verdicts, network) for verdicts in columns]
        for layer in swept[0]["all"]:
            row = [network, layer]
            for subsets in swept:
                along = {subset: by_layer[layer] for subset, by_layer in subsets.items()}
                row += [
                    statistic_text({"spearman": along[subset]}, "spearman")
                    for subset in DRAWN_SUBSETS
                ]
                row.append(f"{along['H-10'][0] - along['L-10'][0]:+.3f}")
            rows.append(row)
    by_layer = [*DRAWN_SUBSETS, "H-10 − L-10"]
    return markdown_table(
        ["network", "layer", *by_layer, *(f"LIVE's: {name}" for name in by_layer)], rows
    )


def enumeration(names: Iterable[str]) -> str:
    """'a, b and c'."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def recoveries_table() -> str:
    """What each distance made of noise."""
    rows = [
        [
            f"`{row['metric']}`",
            row["verdict"],
            str(row["steps"]),
            "{:.4g} / {:.4g}".format(*row["value"]),
            ", ".join(
                f"{name} {value[0]:.3g} / {value[1]:.3g}" for name, value in row["others"].items()
            ),
        ]
        for row in read_results("recoveries-noise")
    ]
    return markdown_table(
        [
            "distance",
            "verdict",
            "steps",
            "its value: result / yardstick",
            "others: result / yardstick",
        ],
        rows,
    )


def metrics_fields() -> dict[str, str]:
    """What the template of METRICS.md asks for."""
    flat, lab = roundness(ellipse_outlines()), roundness(chromaticity_to_lab(ellipse_outlines()))
    return {
        "catalogue": catalogue_table(),
        "judged": ratings_table(),
        "layers": layers_table(),
        "recoveries": recoveries_table(),
        "types": str(len(DISTORTIONS)),
        "images": str(max(row["count"] for row in read_results("tid2013-resim"))),
        "defined": enumeration(DEFINED),
        "guessed": enumeration(kind.title for kind in DISTORTIONS.values() if kind.basis == GUESS),
        "crops": str(len(CROPS)),
        "seen": str(len(TWELVE)),
        "fewest": str(len(THREE)),
        "live": enumeration(LIVE),
        "flat_axes": f"{flat.elongation:.2f}",
        "lab_axes": f"{lab.elongation:.2f}",
        "flat_spread": f"{flat.spread:.1f}",
        "lab_spread": f"{lab.spread:.1f}",
    }
