"""The tables of research/POINTS.md: what was trained from `base`, at equal rates, by distances in
its training and others.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

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
from metamer.perception.registry import metric_of
from research.recorded_results import current_name, read_results

# none of which a shipped model was trained on
JUDGES = ("dists", "lpips-vgg", "ssimulacra2", "cvvdp")
KODAK_LABELS = ("psnr", "ms-ssim", "lpips-alex", "visibility-jnd", *JUDGES)
PEER = "avif"
COLUMNS = 5  # distances in a table that a page has room for
GENERATIVE = ("hific", "crdr")  # published codecs made for realism


def number_text(value: float) -> str:
    """As many digits as tell codecs apart."""
    return f"{value:.{2 if abs(value) >= 1 else 4 if abs(value) >= 0.01 else 6}f}"


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


def kodak_rows() -> list[dict]:
    """The rows that `metamer evaluate --bpp` wrote to matched.jsonl, with their codecs as they are
    called now.
    """
    return [
        row | {"codec": current_name(row["codec"], row["version"])} if row["codec"] != PEER else row
        for row in read_results("kodak", "train")["rows"]
    ]


def kodak_models() -> str:
    """The models of `kodak_rows`, with their ids."""
    ids = {row["codec"]: row["version"] for row in kodak_rows() if row["codec"] != PEER}
    return " and ".join(f"`{name}` ({model_id})" for name, model_id in ids.items())


def kodak_command() -> str:
    """What measures all that `kodak_rows` has, on two lines."""
    codecs = dict.fromkeys(row["codec"] for row in kodak_rows())
    points = [f"--codec {name}" for name in codecs] + [f"--bpp {rate:g}" for rate in kodak_rates()]
    distances = [f"-m {label}" for label in KODAK_LABELS]
    return (
        f"metamer evaluate KODAK {' '.join(points)} \\\n"
        f"        {' '.join(distances)} --out runs/kodak"
    )


def decoder_rows(name: str) -> list[RateSummary]:
    """The recorded rows of decoders of one model's streams, called as they are now."""
    recorded = read_results(name, "train")
    return [
        replace(row, codec=current_name(row.codec, recorded["model"]))
        for row in folders.parse_summaries(recorded["summaries"])
    ]


def decoders_model(name: str) -> str:
    """The model of `decoder_rows`, with its id."""
    return f"`{decoder_rows(name)[0].codec}` ({read_results(name, 'train')['model']})"


def anchor() -> str:
    """What `perceptual` was trained from, as it is called now."""
    return next(row["codec"] for row in kodak_rows() if row["codec"].startswith("base"))


def kodak_rates() -> list[float]:
    """The rates of `kodak_rows`."""
    return sorted({row["target"] for row in kodak_rows()})


def kodak_table() -> str:
    """Every distance at every rate, by codec."""
    blocks = [summarise_rate(kodak_rows(), rate, PEER, KODAK_LABELS) for rate in kodak_rates()]
    lines = [
        [
            "bpp",
            f"{block[0].target:g}",
            *(f"{row.bpp:.3f}" for row in block),
            str(block[0].pictures),
        ]
        for block in blocks
    ]
    for label in KODAK_LABELS:
        for block in blocks:
            top = best_means([label], block)
            cells = [mean_cells(row, [label], top)[0] for row in block]
            lines.append([label, f"{block[0].target:g}", *cells, str(block[0].pictures)])
    codecs = [f"`{row.codec}`" for row in blocks[0]]
    return markdown_table(["distance", "rate", *codecs, "pictures"], lines)


def differences_table(anchor_codec: str, codec: str = "perceptual") -> str:
    """Mean differences of ``codec`` from another on the same pictures, by the judges; better ones
    bold.
    """
    lines = []
    for target in kodak_rates():
        summaries = summarise_rate(kodak_rows(), target, anchor_codec, JUDGES)
        differences = next(row.differences for row in summaries if row.codec == codec)
        cells = []
        for label in JUDGES:
            sign = metric_of(label).direction
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
    for label in KODAK_LABELS:
        curves = mean_curves(rows, label)[1]
        values = [
            bd_rate(curves[anchor_codec], curves[codec])[0] for anchor_codec in (PEER, anchor())
        ]
        lines.append(
            [label, *("no overlap" if np.isnan(value) else f"{value:+.1f} %" for value in values)]
        )
    return markdown_table(["distance", "against AVIF", f"against `{anchor()}`"], lines)


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
    """Distances along `--realism`, and of the same training with a critic."""
    rows = decoder_rows("realism")
    labels = list(rows[0].means)
    top = best_means(labels, rows)
    lines = [[f"`{row.codec}`", *mean_cells(row, labels, top)] for row in rows]
    return markdown_table(["decoder", *labels], lines)


def slider_realism_table() -> str:
    """Realism of the same decoders."""
    texts = {row.codec: measures.figure_texts(row.realism) for row in decoder_rows("realism")}
    lines = [[f"`{codec}`", *cells.values()] for codec, cells in texts.items()]
    return markdown_table(["decoder", *next(iter(texts.values()))], lines)


def ablation_table(*, judges: bool) -> str:
    """Rows: what base's decoder was trained on; columns: what it is measured by, those that it may
    be trained on or the judges. Own distance in italics.
    """
    rows = decoder_rows("ablation")
    trained_labels = {row.codec.partition("+")[2] for row in rows[1:]}
    trained = [label for label in rows[0].means if label in trained_labels and label not in JUDGES]
    labels = [label for label in rows[0].means if (label not in trained[:COLUMNS]) == judges]
    top = best_means(labels, rows)
    lines = []
    for row in rows:
        trained_on = row.codec.partition("+")[2] or "not trained further"
        cells = [
            f"*{cell}*" if label == trained_on else cell
            for label, cell in zip(labels, mean_cells(row, labels, top), strict=True)
        ]
        lines.append([trained_on, *cells])
    return markdown_table(["trained on", *labels], lines)


def mix_text(recipe: Mapping) -> str:
    """The distances of a recipe, with their weights."""
    return ", ".join(f"`{spec}` {weight:g}" for spec, weight in recipe["distortion"].items())


def points_fields() -> dict[str, str]:
    """What the page's template asks for."""
    card = models.load_model("perceptual").card
    rates = {row.target for row in decoder_rows("ablation")}
    return {
        "trained_on": mix_text(card["streams_recipe"]),
        "synthesis_trained_on": mix_text(card["recipe"]),
        "base": anchor(),
        "kodak_models": kodak_models(),
        "kodak_command": kodak_command(),
        "slider_model": decoders_model("realism"),
        "ablation_model": decoders_model("ablation"),
        "ablation_rate": " and ".join(f"{rate:g}" for rate in sorted(rates)),
        "slider_rate": f"{decoder_rows('realism')[0].target:g}",
        "kodak": kodak_table(),
        "against_avif": differences_table(PEER),
        "against_base": differences_table(anchor()),
        "bd_rates": bd_rate_table(),
        "published": published_table(),
        "slider": slider_table(),
        "slider_realism": slider_realism_table(),
        "ablation": ablation_table(judges=False),
        "ablation_judges": ablation_table(judges=True),
    }
