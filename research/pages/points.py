"""The tables of research/POINTS.md: what was trained from `base`, at equal rates, by distances in
its training and others.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from metamer.codec.network import model as models
from metamer.evaluation.markdown import markdown_table
from metamer.evaluation.rate import published
from metamer.evaluation.rate.bjontegaard import bd_rate
from metamer.evaluation.rate.curves import mean_curves
from metamer.evaluation.rate.matched_summary import summarise_rate
from metamer.evaluation.realism import measures
from metamer.evaluation.results import folders
from metamer.evaluation.results.summary import RateSummary
from metamer.perception.metric import Metric
from metamer.perception.registry import find
from research.recorded_results import read_results

# none of which a shipped model was trained on
JUDGES = ("dists", "lpips-vgg", "ssimulacra2", "cvvdp")
GENERATIVE = ("hific", "crdr")  # published codecs made for realism


def number_text(value: float) -> str:
    """As many digits as tell codecs apart."""
    return f"{value:.{2 if abs(value) >= 1 else 4 if abs(value) >= 0.01 else 6}f}"


def metric_of(label: str) -> Metric:
    """The registry's entry of a distance's label."""
    return find(label.partition(":")[0])


def best_means(labels: Iterable[str], rows: Sequence[RateSummary]) -> dict[str, float]:
    """The best mean of each distance."""
    return {
        label: (max if metric_of(label).higher_is_better else min)(
            row.means[label].value for row in rows
        )
        for label in labels
    }


def mean_cells(row: RateSummary, labels: Sequence[str], top: dict[str, float]) -> list[str]:
    """The means of a row, the best ones bold."""
    values = [
        (row.means[label].value, number_text(row.means[label].value), label) for label in labels
    ]
    return [f"**{text}**" if value == top[label] else text for value, text, label in values]


def page_name(codec: str) -> str:
    """A codec as the pages call it: files by their stems."""
    model, plus, decoder = codec.partition("+")
    return model + plus + (Path(decoder).stem if "/" in decoder else decoder)


def kodak_rows() -> list[dict]:
    """The rows that `metamer evaluate --bpp` wrote to matched.jsonl."""
    return read_results("kodak", "train")


def kodak_rates() -> list[float]:
    """The rates of `kodak_rows`."""
    return sorted({row["target"] for row in kodak_rows()})


def kodak_table() -> str:
    """Every codec at every rate by every distance."""
    labels = ["psnr", "ms-ssim", "lpips-alex", "visibility", *JUDGES]
    lines = []
    for target in kodak_rates():
        block = summarise_rate(kodak_rows(), target, "avif", labels)
        top = best_means(labels, block)
        lines += [
            [
                f"{target:g}",
                f"`{page_name(row.codec)}`",
                str(row.pictures),
                f"{row.bpp:.3f}",
                *mean_cells(row, labels, top),
            ]
            for row in block
        ]
    return markdown_table(["rate", "codec", "pictures", "bpp", *labels], lines)


def differences_table(other: str, codec: str = "perceptual") -> str:
    """Mean differences of ``codec`` from another on the same pictures, by the judges; better ones
    bold.
    """
    lines = []
    for target in kodak_rates():
        summaries = summarise_rate(kodak_rows(), target, other, JUDGES)
        differences = next(row.differences for row in summaries if row.codec == codec)
        cells = []
        for label in JUDGES:
            sign = 1 if metric_of(label).higher_is_better else -1
            text = (
                "{:+.4f} [{:+.4f}, {:+.4f}]"
                if label in ("dists", "lpips-vgg")
                else "{:+.2f} [{:+.2f}, {:+.2f}]"
            )
            text = text.format(
                differences[label].value, differences[label].low, differences[label].high
            )
            cells.append(
                f"**{text}**"
                if min(sign * differences[label].low, sign * differences[label].high) > 0
                else text
            )
        lines.append([f"{target:g}", *cells])
    return markdown_table(["rate", *JUDGES], lines)


def bd_rate_table(codec: str = "perceptual") -> str:
    """BD-rate of ``codec`` in every distance, over the three rates: of mean curves over all
    pictures, which need not be at a rate.
    """
    rows = [row | {"setting": row["target"]} for row in kodak_rows()]
    lines = []
    for label in ("psnr", "ms-ssim", "lpips-alex", "visibility", *JUDGES):
        curves = mean_curves(rows, label)[1]
        values = [bd_rate(curves[other], curves[codec])[0] for other in ("avif", "base")]
        lines.append(
            [label, *("no overlap" if np.isnan(value) else f"{value:+.1f} %" for value in values)]
        )
    return markdown_table(["distance", "against AVIF", "against `base`"], lines)


def published_table() -> str:
    """What others report on Kodak."""
    labels = ("psnr", "lpips-alex", "dists")
    return markdown_table(
        ["codec", "bpp", *labels],
        [
            [
                codec.title,
                f"{row['bpp']:.3f}",
                *(number_text(row[label]) if label in row else "–" for label in labels),
            ]
            for codec in map(published.find_published, GENERATIVE)
            for row in codec.rows
        ],
    )


def slider_table() -> str:
    """Distortion and realism along `--realism`, and the same training without the critic."""
    rows = folders.parse_summaries(read_results("realism", "train"))
    labels = list(rows[0].means)
    lines = [
        [
            f"{row.target:g}",
            f"`{page_name(row.codec)}`",
            f"{row.bpp:.3f}",
            *mean_cells(
                row,
                labels,
                best_means(labels, [other for other in rows if other.target == row.target]),
            ),
            *measures.figure_texts(row.realism).values(),
        ]
        for row in rows
    ]
    return markdown_table(
        ["rate", "decoder", "bpp", *labels, *measures.figure_texts(rows[0].realism)], lines
    )


def ablation_table() -> str:
    """Rows: what base's decoder was trained on; columns: what it is measured by, the judges last.
    Own distance in italics.
    """
    rows = folders.parse_summaries(read_results("ablation", "train"))
    labels = list(rows[0].means)
    top = best_means(labels, rows)
    lines = []
    for row in rows:
        on = page_name(row.codec).partition("+")[2] or "not trained further"
        cells = [
            f"*{cell}*" if label == on else cell
            for label, cell in zip(labels, mean_cells(row, labels, top), strict=True)
        ]
        lines.append([on, *cells])
    return markdown_table(["trained on", *labels], lines)


def points_fields() -> dict[str, str]:
    """What the page's template asks for."""
    recipe = models.load_model("perceptual").card["recipe"]
    rows = folders.parse_summaries(read_results("ablation", "train"))
    rates = " and ".join(f"{rate:g}" for rate in sorted({row.target for row in rows}))
    return {
        "trained_on": ", ".join(
            f"`{spec}` {weight:g}" for spec, weight in recipe["distortion"].items()
        ),
        "ablation_rate": rates,
        "kodak": kodak_table(),
        "against_avif": differences_table("avif"),
        "against_base": differences_table("base"),
        "bd_rates": bd_rate_table(),
        "published": published_table(),
        "slider": slider_table(),
        "ablation": ablation_table(),
    }
