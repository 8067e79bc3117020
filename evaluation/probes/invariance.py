"""How distances behave where no human rating is needed to say what is right: on video, and under
small changes of geometry.

Bhardwaj et al., NeurIPS 2020: neighbouring frames look alike, and nobody minds a shift by a pixel.
"""

import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from metamer.codec.errors import FileError, ImageError
from metamer.codec.picture import pixels
from metamer.codec.system import files
from metamer.evaluation import plots
from metamer.evaluation.images import read_image, to_tensor
from metamer.evaluation.intervals import bootstrap_interval
from metamer.evaluation.probes.recovery import centre_crop
from metamer.evaluation.progress import tracked
from metamer.perception.distance import Distance

DEFAULT_DISTANCES = ("mse", "ms-ssim", "lpips-alex", "lpips-squeeze", "pim-1", "pim")
SIDE = 256  # of the piece of a photograph that is changed
MARGIN = 8
SHIFTS = (1, 2)  # pixels
SCALES = (1.01, 1.02)
FLOOR = 1e-6  # of ratios, which are averaged as logarithms
FRAME_SIDE = 168  # of the places in frames; MS-SSIM takes 161
CORNERS = [
    (rows, columns)
    for rows in (slice(FRAME_SIDE), slice(-FRAME_SIDE, None))
    for columns in (slice(FRAME_SIDE), slice(-FRAME_SIDE, None))
]  # the corners of a frame


@dataclass(frozen=True)
class Behaviour:
    """A distance in one respect: a figure and its 95 % bootstrap interval over ``groups``
    photographs or clips.
    """

    distance: str
    what: str
    value: float
    low: float
    high: float
    groups: int


def mean_behaviour(
    distance: Distance, what: str, values: Sequence[float], groups: Sequence[int]
) -> Behaviour:
    """The mean of the values, each of which belongs to a group."""
    array, clusters = np.array(values), np.array(groups)
    low, high = bootstrap_interval(np.mean, [array], clusters)
    return Behaviour(distance.label, what, float(array.mean()), low, high, len(set(groups)))


def shift(image: Tensor, right: int, down: int) -> Tensor:
    """The middle of (1, 3, S + 16, S + 16), seen that many pixels further: (1, 3, S, S)."""
    side = image.shape[-1] - 2 * MARGIN
    return image[..., MARGIN + down : MARGIN + down + side, MARGIN + right : MARGIN + right + side]


def enlarge(image: Tensor, factor: float) -> Tensor:
    """The same middle, enlarged about its centre, bicubically."""
    side = image.shape[-1] - 2 * MARGIN
    reach = side / image.shape[-1] / factor
    grid = F.affine_grid(
        torch.tensor([[[reach, 0, 0], [0, reach, 0]]]), [1, 3, side, side], align_corners=False
    )
    return F.grid_sample(image, grid, mode="bicubic", align_corners=False)


def small_changes(image: Tensor) -> dict[str, list[Tensor]]:
    """What is done to the middle of an image: a name, and the results that count for it."""
    moved = {f"shift {by} px": [shift(image, by, 0), shift(image, 0, by)] for by in SHIFTS}
    return moved | {f"scale {factor - 1:+.0%}": [enlarge(image, factor)] for factor in SCALES}


def add_equal_noise(reference: Tensor, changed: Tensor, seed: int) -> Tensor:
    """The reference with white Gaussian noise of the very mean squared error that
    ``changed`` has.
    """
    noise = torch.randn(reference.shape, generator=torch.Generator().manual_seed(seed))
    return (
        reference + noise * ((changed - reference).square().mean() / noise.square().mean()).sqrt()
    )


def distance_from(distance: Distance, reference: Tensor) -> Callable[[Tensor], float]:
    """How far images are from one reference, whose place is found once."""
    place = distance.space(distance.prepared(reference))
    return lambda image: distance.shortfall(place, distance.space(distance.prepared(image))).item()


@torch.no_grad()
def change_tolerances(distance: Distance, images: Sequence[Tensor]) -> list[Behaviour]:
    """How far a changed image is, relative to one with noise of equal mean squared error: geometric
    means over the images.

    Below 1 is tolerant; for the mean squared error it is 1. images: (1, 3, S + 16, S + 16) each,
    whose middle counts.
    """
    logs: dict[str, list[float]] = {}
    groups: dict[str, list[int]] = {}
    for number, image in enumerate(tracked(images, "photo", str(distance), leave=False)):
        reference = shift(image, 0, 0)
        far = distance_from(distance, reference)
        for name, results in small_changes(image).items():
            for changed in results:
                if torch.equal(changed, reference):  # a flat picture
                    continue
                ratio = far(changed) / far(add_equal_noise(reference, changed, number))
                logs.setdefault(name, []).append(math.log(max(ratio, FLOOR)))
                groups.setdefault(name, []).append(number)
    means = (mean_behaviour(distance, name, values, groups[name]) for name, values in logs.items())
    return [
        Behaviour(
            row.distance, row.what, *np.exp([row.value, row.low, row.high]).tolist(), row.groups
        )
        for row in means
    ]


def study_tolerance(photos: Iterable[Path], distances: Sequence[Distance], out: Path) -> str:
    """`change_tolerances` on the centres of photographs, those too small left out.

    Writes tolerance.json and tolerance.png into ``out``; returns a table.
    """
    pictures = [to_tensor(read_image(path)) for path in photos]
    images = [
        centre_crop(image, SIDE + 2 * MARGIN)
        for image in pictures
        if min(image.shape[-2:]) >= SIDE + 2 * MARGIN
    ]
    if not images:
        raise ImageError(f"there is no photograph with {SIDE + 2 * MARGIN} pixels a side")
    rows = [row for distance in distances for row in change_tolerances(distance, images)]
    return write_behaviours(
        rows,
        "distance, relative to noise of equal mean squared error",
        out / "tolerance",
        logarithmic=True,
    )


def corner_crops(clip: Path) -> list[Tensor]:
    """The four corners of a clip's frames, which are named by numbers: (T, 3, S, S) each. None
    where there is no room.
    """
    paths = sorted(
        (path for path in clip.iterdir() if path.suffix.lower() in pixels.SUFFIXES),
        key=lambda path: int(path.stem),
    )
    frames = torch.cat([to_tensor(read_image(path)) for path in paths])
    return (
        [frames[..., rows, columns] for rows, columns in CORNERS]
        if min(frames.shape[-2:]) >= FRAME_SIDE
        else []
    )


@torch.no_grad()
def neighbour_orderings(distance: Distance, clips: Sequence[list[Tensor]]) -> list[Behaviour]:
    """How often the first and the last frame of a clip are closer to their neighbour than to
    another frame.

    That is the same place in another clip, another place of the same frame, or the same place at
    the clip's other end. Ties count half. clips: as `corner_crops` gives them.
    """
    correct: dict[str, list[float]] = {}
    groups: dict[str, list[int]] = {}
    for number, clip in enumerate(tracked(clips, "clip", str(distance), leave=False)):
        for corner, frames in enumerate(clip):
            stranger = clips[(number + len(clips) // 2) % len(clips)][corner]
            for frame, neighbour, other in ((0, 1, -1), (-1, -2, 0)):
                far = distance_from(distance, frames[frame][None])
                near = far(frames[neighbour][None])
                against = {
                    "another clip": stranger[frame],
                    "another place": clip[corner - 1][frame],
                    "the clip's other end": frames[other],
                }
                for name, image in against.items():
                    apart = far(image[None])
                    correct.setdefault(name, []).append(
                        1.0 if near < apart else 0.5 if near == apart else 0.0
                    )
                    groups.setdefault(name, []).append(number)
    return [
        mean_behaviour(distance, f"neighbour or {name}", values, groups[name])
        for name, values in correct.items()
    ]


def read_clips(folders: Iterable[Path]) -> list[list[Tensor]]:
    """`corner_crops` of folders of frames, those whose frames are too small left out.

    Raises FileError for a folder that cannot be read; ImageError where fewer than two are left.
    """
    try:
        clips = [frames for frames in map(corner_crops, folders) if frames]
    except OSError as problem:
        raise FileError(
            f"{problem.filename}: {(problem.strerror or str(problem)).lower()}"
        ) from None
    if len(clips) < 2:
        raise ImageError(f"two clips at least are needed with {FRAME_SIDE} pixels a side")
    return clips


def study_neighbours(
    clips: Sequence[list[Tensor]], distances: Sequence[Distance], out: Path
) -> str:
    """`neighbour_orderings` on clips, as `read_clips` gives them.

    Clips of one scene should stand together: a stranger is half the list away. Writes
    neighbours.json and neighbours.png into ``out``; returns a table.
    """
    rows = [row for distance in distances for row in neighbour_orderings(distance, clips)]
    return write_behaviours(
        rows, "share of frames whose neighbour is found closer", out / "neighbours"
    )


def write_behaviours(
    rows: list[Behaviour], title: str, path: Path, logarithmic: bool = False
) -> str:
    """Writes the records (.json) and a figure (.png) and returns a table, a distance a line."""
    files.write_file(
        f"{path}.json", (json.dumps([asdict(row) for row in rows], indent=1) + "\n").encode()
    )
    names, labels = (
        list(dict.fromkeys(column))
        for column in zip(*((row.what, row.distance) for row in rows), strict=True)
    )
    behaviours = {(row.distance, row.what): row for row in rows}
    drawn = {
        name: {
            label: (
                behaviours[label, name].value,
                behaviours[label, name].low,
                behaviours[label, name].high,
            )
            for label in labels
        }
        for name in names
    }
    plots.plot_intervals(drawn, title, path.with_suffix(".png"), logarithmic)
    width = max(map(len, labels))
    lines = [f"{title}; {rows[0].groups} pictures or clips, 95 % bootstrap intervals over them", ""]
    lines.append(f"{'distance':<{width}}" + "".join(f"  {name:>33}" for name in names))
    for label in labels:
        cells = (
            "{0.value:.3f} [{0.low:.3f}, {0.high:.3f}]".format(behaviours[label, name])
            for name in names
        )
        lines.append(f"{label:<{width}}" + "".join(f"  {cell:>33}" for cell in cells))
    return "\n".join(lines)
