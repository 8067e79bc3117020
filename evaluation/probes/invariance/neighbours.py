"""Whether neighbouring frames of video are closer than others in a distance.

Bhardwaj et al., NeurIPS 2020: neighbouring frames look alike.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor

from metamer.codec.errors import FileError, ImageError
from metamer.evaluation.images import picture_paths, read_image, to_tensor
from metamer.evaluation.probes.invariance.behaviour import (
    Behaviour,
    distance_from,
    mean_behaviour,
    write_behaviours,
)
from metamer.evaluation.probes.invariance.tolerance import add_equal_noise
from metamer.evaluation.progress import tracked
from metamer.perception.distance import Distance

NOISE_SHARE = 0.5  # of a neighbour's squared error, for noise that it is compared with
FEWEST_FRAMES = 3  # of a clip: an earlier and a later neighbour of the first
FRAME_SIDE = 168  # of the places in frames; MS-SSIM takes 161
CORNERS = [
    (rows, columns)
    for rows in (slice(FRAME_SIDE), slice(-FRAME_SIDE, None))
    for columns in (slice(FRAME_SIDE), slice(-FRAME_SIDE, None))
]  # the corners of a frame


def corner_crops(clip: Path) -> list[Tensor]:
    """The four corners of a clip's frames, which are named by numbers: (T, 3, S, S) each. None
    where there is no room.

    Raises FileError for a folder that cannot be read, or names that are no numbers; ImageError for
    too few frames, or frames of several sizes.
    """
    paths = picture_paths(clip)
    for path in paths:
        if not path.stem.isdecimal():
            raise FileError(
                f"{path}: is no frame of a clip, which are named by numbers, as 001.png"
            )
    if len(paths) < FEWEST_FRAMES:
        raise ImageError(f"{clip}: is no clip of {FEWEST_FRAMES} frames or more")
    paths.sort(key=lambda path: int(path.stem))
    pictures = [to_tensor(read_image(path)) for path in paths]
    for path, picture in zip(paths, pictures, strict=True):
        if picture.shape != pictures[0].shape:
            raise ImageError(f"{path}: is not of the size of the clip's first frame")
    frames = torch.cat(pictures)
    return (
        [frames[..., rows, columns] for rows, columns in CORNERS]
        if min(frames.shape[-2:]) >= FRAME_SIDE
        else []
    )


def comparisons(
    far: Callable[[Tensor], float], frames: Tensor, stranger: Tensor, place: Tensor
) -> dict[str, list[tuple[float, float]]]:
    """What is compared, and how far from the first of the frames (T, 3, S, S) the one and the other
    are by ``far``: the one ought to be closer.

    stranger, place: another clip, another place of the frame, (3, S, S). The first three are easy,
    and the squared error is right nearly always. In the fourth the other is but one frame later. In
    the fifth it is the frame itself under white noise of half the neighbour's squared error: what
    moved a little looks more like it, and the squared error is never right.
    """
    distances = [far(frame[None]) for frame in frames[1:]]
    near, last = distances[0], distances[-1]
    noisy = add_equal_noise(frames[:1], frames[1:2], seed=0, share=NOISE_SHARE)
    return {
        "neighbour or another clip": [(near, far(stranger[None]))],
        "neighbour or another place": [(near, far(place[None]))],
        "neighbour or the clip's other end": [(near, last)],
        "earlier or later of two frames": list(pairwise(distances)),
        "neighbour or noise of half its error": [(near, far(noisy))],
    }


@torch.no_grad()
def neighbour_orderings(distance: Distance, clips: Sequence[list[Tensor]]) -> list[Behaviour]:
    """How often the first and the last frame of a clip are closer to what they ought to be closer
    to in `comparisons`. Ties count half. clips: as `corner_crops` gives them, of three frames or
    more.
    """
    correct: dict[str, list[float]] = {}
    groups: dict[str, list[int]] = {}
    for number, clip in enumerate(tracked(clips, "clip", str(distance), leave=False)):
        for corner, frames in enumerate(clip):
            stranger = clips[(number + len(clips) // 2) % len(clips)][corner]
            for end, ordered in ((0, frames), (-1, frames.flip(0))):
                far = distance_from(distance, ordered[:1])
                pairs_by_case = comparisons(far, ordered, stranger[end], clip[corner - 1][end])
                for name, pairs in pairs_by_case.items():
                    for near, apart in pairs:
                        correct.setdefault(name, []).append(
                            1.0 if near < apart else 0.5 if near == apart else 0.0
                        )
                        groups.setdefault(name, []).append(number)
    return [
        mean_behaviour(distance, name, values, groups[name]) for name, values in correct.items()
    ]


def read_clips(folders: Iterable[Path]) -> list[list[Tensor]]:
    """`corner_crops` of folders of frames, those whose frames are too small left out.

    Raises FileError and ImageError as `corner_crops` does; ImageError where fewer than two are
    left.
    """
    clips = [frames for frames in map(corner_crops, folders) if frames]
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
