"""Blind spots: what a distance cannot see shows when an image is found by minimising it alone.

Ding et al., "Comparison of full-reference image quality models for optimization of image processing
systems", IJCV 2021, section 3.1: from noise, or from a damaged version, descend on the distance to
a reference. A distance that determines the image leads back to it; a blind one ends elsewhere and
calls the result good. Ending elsewhere is distinguished from not having arrived by a yardstick, the
reference as a coarse JPEG: the distance prefers its own result to that, and metrics of other
families do not.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from metamer.codec.errors import FileError, MetamerError
from metamer.codec.system import files
from metamer.evaluation import plots
from metamer.evaluation.images import (
    centre_crop,
    from_tensor,
    image_checksum,
    jpeg_round_trip,
    read_image,
    save_image,
    to_tensor,
)
from metamer.evaluation.progress import tracked
from metamer.perception import create
from metamer.perception.distance import Distance

START_QUALITY = 5  # of the JPEG to start from, visibly ruined
YARDSTICK_QUALITY = 10
LEARNING_RATE = 0.02  # of Adam, on values in [0, 1]; falls to a hundredth along a cosine
# one of each family; two of them are never the family on trial
REFEREES = ("psnr", "ms-ssim", "lpips-squeeze")
FAMILIES = {"colour": "pixels"}  # families that count as one


@dataclass(frozen=True)
class Recovery:
    """How one distance did. ``value``, and ``others`` by name, are (of the result, of the
    yardstick).

    reference: checksum of the image that was to be recovered.
    """

    metric: str
    reference: str
    start: str
    steps: int
    value: tuple[float, float]
    others: dict[str, tuple[float, float]]
    verdict: str


def starting_image(reference: Tensor, start: str, seed: int = 0) -> Tensor:
    """White Gaussian noise about mid-grey ("noise"), or the reference as a very coarse JPEG
    ("jpeg").
    """
    if start == "jpeg":
        return jpeg_round_trip(reference, START_QUALITY)
    generator = torch.Generator().manual_seed(seed)
    return (0.5 + 0.2 * torch.randn(reference.shape, generator=generator)).clamp(0, 1)


def total_variation(image: Tensor) -> Tensor:
    """Mean absolute difference of neighbours, across and down."""
    return image.diff(dim=-1).abs().mean() + image.diff(dim=-2).abs().mean()


def minimise_distance(
    distance: Distance, reference: Tensor, begin: Tensor, steps: int, smoothness: float = 0.0
) -> Tensor:
    """The image that ``steps`` of Adam from ``begin`` reach, minimising distance + smoothness ·
    total variation.

    Shapes (1, 3, H, W), values in [0, 1] throughout.
    """
    image = begin.clone().requires_grad_()
    descent = torch.optim.Adam([image], LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(descent, steps, LEARNING_RATE / 100)
    with torch.no_grad():
        target = distance.space(distance.prepared(reference))
    for _ in tracked(range(steps), "step", str(distance), leave=False):
        descent.zero_grad()
        loss = distance.shortfall(target, distance.space(distance.prepared(image))).sum()
        if smoothness:
            loss = loss + smoothness * total_variation(image)
        loss.backward()
        descent.step()
        schedule.step()
        with torch.no_grad():
            image.clamp_(0, 1)
    return image.detach()


def rounded_to_8_bits(image: Tensor) -> Tensor:
    """The image as 8 bits hold it: what is judged is what can be looked at."""
    return (image * 255).round() / 255


@torch.no_grad()
def judge_recovery(
    distance: Distance, reference: Tensor, image: Tensor, start: str, steps: int
) -> Recovery:
    """The distance's verdict: "recovers" when metrics of other families prefer its result to the
    yardstick, "blind" when only the distance itself does, "not reached" when not even that.
    """
    yardstick = jpeg_round_trip(reference, YARDSTICK_QUALITY)

    def values(metric: Distance) -> tuple[float, float]:
        return metric(reference, image).item(), metric(reference, yardstick).item()

    def prefers(metric: Distance) -> bool:
        return (metric.loss(reference, image) <= metric.loss(reference, yardstick)).item()

    family = FAMILIES.get(distance.metric.family, distance.metric.family)
    judges = [metric for metric in map(create, REFEREES) if metric.metric.family != family]
    verdict = (
        "recovers" if all(map(prefers, judges)) else "blind" if prefers(distance) else "not reached"
    )
    others = {
        metric.label: values(metric)
        for metric in map(create, REFEREES)
        if metric.label != distance.label
    }
    return Recovery(
        distance.label, image_checksum(reference), start, steps, values(distance), others, verdict
    )


def recover_image(
    distance: Distance, reference: Tensor, start: str = "noise", steps: int = 1000
) -> Tensor:
    """Where descending on a distance from ``start`` ends: (1, 3, H, W), as 8 bits hold it."""
    return rounded_to_8_bits(
        minimise_distance(distance, reference, starting_image(reference, start), steps)
    )


def read_records(path: Path, reference: str) -> dict[str, dict]:
    """Metric → record of an earlier run that recovered the same image."""
    try:
        rows = json.loads(path.read_text()) if path.exists() else []
        return {row["metric"]: row for row in rows if row["reference"] == reference}
    except (ValueError, KeyError, TypeError):
        raise FileError(f"{path} is damaged; remove it") from None


def read_centre(photo: Path, side: int) -> Tensor:
    """(1, 3, side, side) in [0, 1]: the centre of a photograph. Raises ImageError."""
    return centre_crop(to_tensor(read_image(photo)), side)


def run_recoveries(
    reference: Tensor, distances: Sequence[Distance], start: str, steps: int, out: Path
) -> str:
    """Recovers an image (1, 3, H, W) with every distance; writes pictures, records and the contact
    sheet; returns a table.

    A distance whose record from an earlier run, with the same image and as many steps, is in
    ``out`` is not run again.
    """
    for distance in distances:
        if not distance.metric.trainable:
            raise MetamerError(f"{distance} has no gradient to descend on")
    records = out / f"recoveries-{start}.json"
    recoveries = read_records(records, image_checksum(reference))
    for distance in distances:
        if recoveries.get(distance.label, {}).get("steps") == steps:
            continue
        image = recover_image(distance, reference, start, steps)
        save_image(from_tensor(image), out / recovery_file_name(distance.label, start))
        recoveries[distance.label] = asdict(
            judge_recovery(distance, reference, image, start, steps)
        )
        files.write_file(
            str(records), (json.dumps(list(recoveries.values()), indent=1) + "\n").encode()
        )
    pictures = [
        (from_tensor(reference), "reference"),
        (from_tensor(starting_image(reference, start)), "start"),
        (
            from_tensor(jpeg_round_trip(reference, YARDSTICK_QUALITY)),
            f"yardstick: JPEG {YARDSTICK_QUALITY}",
        ),
    ]
    pictures += [
        (read_image(out / recovery_file_name(label, start)), recovery_caption(row))
        for label, row in recoveries.items()
    ]
    plots.plot_contact_sheet(
        pictures,
        out / f"recoveries-{start}.png",
        f"Recovered from {start} by minimising each distance alone",
    )
    return "\n".join(recovery_caption(row).replace("\n", "; ") for row in recoveries.values())


def recovery_file_name(label: str, start: str) -> str:
    """A file name for a distance's result."""
    return re.sub(r"[^\w.-]+", "-", label) + f"-{start}.png"


def recovery_caption(row: dict) -> str:
    """Name and verdict, the distance's final value, and what other families say."""
    others = [f"{name} {value[0]:.3g}" for name, value in row["others"].items()]
    value = "value {:.3g}, yardstick {:.3g}".format(*row["value"])
    return "\n".join((f"{row['metric']}: {row['verdict']}", value, *others))
