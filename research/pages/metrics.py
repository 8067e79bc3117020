"""The tables of research/METRICS.md: the registry, agreement with ratings, blind spots."""

from collections.abc import Iterable

from metamer.evaluation.markdown import interval_text, markdown_table
from metamer.evaluation.probes.macadam import chromaticity_to_lab, ellipse_outlines, roundness
from metamer.evaluation.ratings.jnd_scale import spearman_table
from metamer.evaluation.ratings.judging import Verdict
from metamer.evaluation.ratings.resimulation.dataset import CROPS
from metamer.evaluation.ratings.resimulation.definitions import DISTORTIONS, GUESS
from metamer.evaluation.ratings.verdicts import DRAWN_SUBSETS, layer_curves
from metamer.perception.backbones.efficacy import silent_share
from metamer.perception.backbones.imagenet import NETWORKS
from metamer.perception.catalogue import CATALOGUE
from metamer.perception.distances.visibility import JND_PER_JOD
from metamer.perception.metric import Metric
from research.experiments.judge_distances import DEFINED, LIVE, THREE, TWELVE
from research.pages.findings.efficacy import layer_differences, mean_over_layers
from research.pages.findings.finding import signed_interval
from research.pages.findings.restorers import restorers_table
from research.pages.published import TID2013, column_agreement, published_text
from research.recorded_results import read_results


def statistic_text(statistics: dict, name: str) -> str:
    """'.853 [.83, .87]' or a dash."""
    return interval_text(*statistics[name]) if name in statistics else "–"


def needs_text(metric: Metric) -> str:
    """Weights and packages, or a dash."""
    packages = [f"package {metric.package}"] if metric.package else []
    return ", ".join([*(f"weights {name}" for name in metric.weights), *packages]) or "–"


USES = (  # to do what, with which distance, which that is not to be trained on, what to know of it
    ("judge what people will see", "cvvdp", "a model of the eye; slow; no gradients"),
    ("judge lossy codecs, as others do", "ssimulacra2", "made for codecs; no gradients"),
    (
        "judge without more packages or downloads",
        "visibility-jnd",
        "trained here, without opinions; blind from noise",
    ),
    ("compare with published curves", "psnr", "counts errors that nobody sees"),
    ("compare with published curves", "ms-ssim", "recovers from noise; 161 pixels a side or more"),
    ("train for looks, on a CPU", "lpips-squeeze", "blind from noise: mix it with `mse`"),
    ("train for texture", "wasserstein", "blind from noise: mix it with `mse`"),
    ("train for errors, or hold a mix", "mse", "smooths texture away"),
)


def uses_table() -> str:
    """Which distance for what, with its agreement with people."""
    agreement = {
        row["metric"]: row["statistics"]["spearman"][0]
        for row in read_results("tid2013-resim-twelve")
    }
    rows = [
        [use, f"`{name}`", f"{agreement[name]:.2f}", published_text(name), note]
        for use, name, note in USES
    ]
    header = ["to", "take", "people agree", "published, TID2013", "but know"]
    return markdown_table(header, rows)


def range_text(metric: Metric) -> str:
    """The ends of a metric's values, and that of identical images where it compares any."""
    identical = (
        "one image alone" if metric.no_reference else f"{metric.best:g} for identical images"
    )
    return f"{metric.low:g} … {metric.high:g}, {identical}".replace("inf", "∞")


def catalogue_table() -> str:
    """Every distance of ours, whatever other packages add here."""
    rows = [
        [
            f"`{m.name}`",
            m.title + (f" ({m.paper})" if m.paper != "—" else ""),
            m.family,
            range_text(m),
            "higher" if m.higher_is_better else "lower",
        ]
        for m in CATALOGUE
    ]
    return markdown_table(["name", "what", "family", "range", "better"], rows)


def properties_table() -> str:
    """What one must know of a distance before one uses it."""
    recovered = {row["metric"]: row["verdict"] for row in read_results("recoveries-noise")}
    rows = [
        [
            f"`{m.name}`",
            "yes" if m.true_distance else "no",
            "yes" if m.trainable else "no",
            recovered.get(m.name, "–"),
            str(m.min_side),
            needs_text(m),
        ]
        for m in CATALOGUE
    ]
    header = ["name", "true distance", "trainable", "from noise", "smallest side", "needs"]
    return markdown_table(header, rows)


def ratings_table() -> str:
    """Agreement with opinions: over the references each distance saw, over the twelve that nearly
    all saw, over the defined types. Behind a name, how many images it saw if not all.
    """
    twelve, defined = (
        {row["metric"]: row["statistics"] for row in read_results(f"tid2013-resim-{part}")}
        for part in ("twelve", "defined")
    )
    judgements = read_results("tid2013-resim")
    largest_count = max(row["count"] for row in judgements)
    rows = [
        [
            f"`{row['metric']}`" + (f" ({row['count']})" if row["count"] < largest_count else ""),
            *(statistic_text(row["statistics"], name) for name in ("spearman", "pearson")),
            *(
                statistic_text(part.get(row["metric"], {}), "spearman")
                for part in (twelve, defined)
            ),
            published_text(row["metric"]),
        ]
        for row in sorted(
            judgements, key=lambda row: -twelve.get(row["metric"], row["statistics"])["spearman"][0]
        )
    ]
    header = [
        "distance",
        "Spearman",
        "Pearson",
        "Spearman, twelve references",
        "Spearman, defined types",
        "published, TID2013",
    ]
    return markdown_table(header, rows)


def layers_table(name: str) -> str:
    """Spearman by layer and subset of channels, as recorded under that name."""
    verdicts, rows = [Verdict(**row) for row in read_results(name)], []
    for network in NETWORKS:
        curves = layer_curves(verdicts, network)
        for layer in curves["all"]:
            by_subset = {subset: by_layer[layer] for subset, by_layer in curves.items()}
            rows.append(
                [
                    f"{network} {layer} ({silent_share(network, layer):.0%})",
                    *(interval_text(*by_subset[subset]) for subset in DRAWN_SUBSETS),
                    f"{by_subset['H-10'][0] - by_subset['L-10'][0]:+.3f}",
                ]
            )
    return markdown_table(["layer (silent)", *DRAWN_SUBSETS, "H-10 − L-10"], rows)


def efficacy_sentence() -> str:
    """What both tables of layers come to."""
    return "; ".join(
        f"H-10 − {subset} is {signed_interval(*mean_over_layers(differences.values()))} over {types}"
        for name, types in (
            ("tid2013-resim-layers", "all types"),
            ("tid2013-resim-layers-live", "LIVE's"),
        )
        for subset in ("L-10", "all")
        if (differences := layer_differences(name, subset))
    )


def enumeration(names: Iterable[str]) -> str:
    """'a, b and c'."""
    *leading, last = names
    return f"{', '.join(leading)} and {last}" if leading else last


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
    jnd = read_results("jnd-scale")
    flat, lab = roundness(ellipse_outlines()), roundness(chromaticity_to_lab(ellipse_outlines()))
    return {
        "uses": uses_table(),
        "catalogue": catalogue_table(),
        "properties": properties_table(),
        "judged": ratings_table(),
        "published": str(len(TID2013)),
        "trust": interval_text(*column_agreement()),
        "jnd_pictures": str(jnd["pictures"]),
        "jnd_photographs": str(jnd["photographs"]),
        "jnd_table": spearman_table(jnd["spearman"]),
        "jnd_per_jod": interval_text(*jnd["per_jod"]),
        "jnd_factor": f"{JND_PER_JOD:g}",
        "jnd_error": interval_text(*jnd["error"]),
        "layers": layers_table("tid2013-resim-layers"),
        "efficacy_verdict": efficacy_sentence(),
        "layers_live": layers_table("tid2013-resim-layers-live"),
        "recoveries": recoveries_table(),
        "restorers": restorers_table(),
        "restorer_seeds": str(read_results("restorers")["seeds"]),
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
