"""Does visibility see what its teacher sees? Probabilities of detection, predicted and by
ColorVideoVDP, by quality.

The photographs should be ones that neither was trained on. Probabilities of both come from their
distances in JOD in one way.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor

from metamer.codec.decode import decode
from metamer.codec.encode import encode
from metamer.codec.errors import ImageError
from metamer.codec.system import files, json_lines
from metamer.evaluation import plots
from metamer.evaluation.images import (
    centre_crop,
    from_tensor,
    image_checksum,
    jpeg_round_trip,
    read_image,
    to_tensor,
)
from metamer.evaluation.intervals import bootstrap_interval
from metamer.evaluation.markdown import interval_text, markdown_table
from metamer.evaluation.progress import progress
from metamer.evaluation.ratings import agreement
from metamer.perception import create
from metamer.perception.distance import Distance
from metamer.perception.distances.visibility import probability

SIDE = 256  # of the photograph's centre that is looked at
QUALITIES = {"jpeg": tuple(range(1, 101)), "codec": tuple(range(0, 101, 10))}
NAMES = {"jpeg": "JPEG", "codec": "this codec"}
# in the output folder: what the teacher said, so that an interrupted study goes on
TEACHER_FILE = "teacher.jsonl"
TEACHER = "ColorVideoVDP (teacher)"
SHOWN = 3  # photographs with a panel of their own
SAMPLES = 1000
HEADER = ["artefacts", "pairs", "Pearson", "Spearman", "Spearman within a photograph", "mean error"]


@dataclass(frozen=True)
class DetectionRow:
    """Probabilities that a photograph's distorted version is distinguished from it."""

    photo: str
    kind: str
    quality: int
    predicted: float
    teacher: float


@dataclass(frozen=True)
class Agreement:
    """Of predictions with the teacher, each (value, low, high), a 95 % interval from drawing
    photographs anew.

    within: mean over photographs of Spearman's correlation in each; error: mean absolute difference
    of the probabilities.
    """

    of: str
    count: int
    pearson: tuple[float, float, float]
    spearman: tuple[float, float, float]
    within: tuple[float, float, float]
    error: tuple[float, float, float]


def compressed(image: Tensor, kind: str, quality: int) -> Tensor:
    """The (1, 3, H, W) image as JPEG, or as this codec, gives it back."""
    if kind == "jpeg":
        return jpeg_round_trip(image, quality)
    return to_tensor(decode(encode(from_tensor(image), quality=quality)))


@torch.no_grad()
def detection_rows(photos: Sequence[Path], distance: Distance, out: Path) -> Iterator[DetectionRow]:
    """Every photograph at every quality of both codecs."""
    teacher = create("cvvdp")
    out.mkdir(parents=True, exist_ok=True)
    jods = dict(json_lines.read_lines(out / TEACHER_FILE))  # key → JOD
    total = len(photos) * sum(map(len, QUALITIES.values()))
    files.write_file(
        str(out / TEACHER_FILE), "".join(json.dumps(item) + "\n" for item in jods.items()).encode()
    )
    with progress(total, "image") as bar:
        for photo in photos:
            try:
                reference = centre_crop(to_tensor(read_image(photo)), SIDE)
            except ImageError as problem:
                raise ImageError(f"{photo}: {problem}") from None
            for kind, qualities in QUALITIES.items():
                for quality in qualities:
                    image = compressed(reference, kind, quality)
                    key = f"{image_checksum(reference)} {image_checksum(image)}"
                    if key not in jods:
                        jods[key] = teacher.loss(reference, image).item()
                        json_lines.append_line(out / TEACHER_FILE, (key, jods[key]))
                    teacher_probability = probability(torch.tensor(jods[key])).item()
                    yield DetectionRow(
                        photo.stem,
                        kind,
                        quality,
                        distance(reference, image).item(),
                        teacher_probability,
                    )
                    bar.update()


def mean_error(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.abs(first - second).mean())


def agreement_with_teacher(rows: Sequence[DetectionRow], of: str) -> Agreement:
    """How well the rows' predictions agree with the teacher."""
    predicted, teacher = (
        np.array([getattr(row, name) for row in rows]) for name in ("predicted", "teacher")
    )
    photo = np.unique([row.photo for row in rows], return_inverse=True)[1]

    def interval(statistic: Callable[..., float]) -> tuple[float, float, float]:
        return statistic(predicted, teacher), *bootstrap_interval(
            statistic, (predicted, teacher), photo, SAMPLES
        )

    correlations = np.array(
        [
            agreement.spearman(predicted[photo == name], teacher[photo == name])
            for name in np.unique(photo)
        ]
    )
    within = (
        float(correlations.mean()),
        *bootstrap_interval(np.mean, [correlations], samples=SAMPLES),
    )
    return Agreement(
        of,
        len(rows),
        interval(agreement.linear_correlation),
        interval(agreement.spearman),
        within,
        interval(mean_error),
    )


def mean_curve(
    rows: Sequence[DetectionRow], kind: str, value: str
) -> tuple[np.ndarray, np.ndarray]:
    """(qualities,) and the (photographs, qualities) values."""
    qualities = sorted({row.quality for row in rows if row.kind == kind})
    by_quality = [
        [getattr(row, value) for row in rows if (row.kind, row.quality) == (kind, quality)]
        for quality in qualities
    ]
    return np.array(qualities), np.array(by_quality).T


def plot_detection(rows: Sequence[DetectionRow], path: Path) -> None:
    """Means over photographs by quality, a few photographs by JPEG quality, and all predictions
    over the teacher's values.
    """
    photos = list(dict.fromkeys(row.photo for row in rows))
    places = np.linspace(0, len(photos) - 1, min(SHOWN, len(photos))).astype(int)
    sets = [
        (kind, f"{NAMES[kind]}: mean and quartiles of {len(photos)} photographs", rows)
        for kind in QUALITIES
    ] + [
        ("jpeg", f"JPEG: {photo}", [row for row in rows if row.photo == photo])
        for photo in (photos[place] for place in places)
    ]
    figure, panels = plots.new_panels(len(sets) + 1, 4.8, 4)
    for panel, (kind, title, chosen) in zip(panels, sets, strict=False):
        draw_probabilities(panel, chosen, kind)
        panel.set(xlabel="quality", ylabel="probability of detection", title=title)
    panels[0].legend()
    draw_scatter(panels[-1], rows)
    plots.save_figure(figure, path)


def draw_probabilities(panel: Axes, rows: Sequence[DetectionRow], kind: str) -> None:
    """Probabilities by quality of one kind of artefacts, predicted and the teacher's."""
    for value, colour, label in (
        ("predicted", plots.COLOURS[0], "visibility"),
        ("teacher", plots.COLOURS[1], TEACHER),
    ):
        quality, values = mean_curve(rows, kind, value)
        panel.plot(quality, values.mean(0), color=colour, linewidth=1.7, label=label)
        if len(values) > 1:
            quartiles = np.quantile(values, (0.25, 0.75), axis=0)
            panel.fill_between(quality, *quartiles, color=colour, alpha=0.15, linewidth=0)
    panel.set_ylim(-0.02, 1.02)


def draw_scatter(panel: Axes, rows: Sequence[DetectionRow]) -> None:
    """Predictions over the teacher's values."""
    for index, kind in enumerate(QUALITIES):
        points = np.array([(row.teacher, row.predicted) for row in rows if row.kind == kind])
        colour = plots.COLOURS[index + 2]
        panel.scatter(*points.T, s=5, alpha=0.35, color=colour, label=NAMES[kind], linewidths=0)
    panel.plot((0, 1), (0, 1), color=plots.MUTED, linewidth=1)
    panel.set(xlabel=TEACHER, ylabel="visibility", title="every photograph at every quality")
    for handle in panel.legend(markerscale=4).legend_handles:
        handle.set_alpha(1)


def agreement_cells(verdict: dict) -> list[str]:
    """An `Agreement` under HEADER."""
    statistics = ("pearson", "spearman", "within", "error")
    return [
        verdict["of"],
        str(verdict["count"]),
        *(interval_text(*verdict[name]) for name in statistics),
    ]


def study_detection(photos: Sequence[Path], out: Path, distance: Distance | None = None) -> str:
    """Writes detection.json and detection.png into ``out`` and returns the table, in Markdown.

    distance: visibility, by default as shipped. The teacher's verdicts of an earlier run in ``out``
    are used again.
    """
    rows = list(detection_rows(photos, distance or create("visibility"), out))
    verdicts = [agreement_with_teacher(rows, "both")]
    verdicts += [
        agreement_with_teacher([row for row in rows if row.kind == kind], NAMES[kind])
        for kind in QUALITIES
    ]
    record = {
        "agreement": [asdict(verdict) for verdict in verdicts],
        "rows": [asdict(row) for row in rows],
    }
    files.write_file(str(out / "detection.json"), (json.dumps(record, indent=1) + "\n").encode())
    plot_detection(rows, out / "detection.png")
    return markdown_table(HEADER, [agreement_cells(asdict(verdict)) for verdict in verdicts])
