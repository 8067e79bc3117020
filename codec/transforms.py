"""Pixels to latents and back, a window at a time, so that memory does not grow with the picture.

A window is grown by its network's receptive field. What comes out is what one run on the whole
picture would give, but for the order in which floating point adds; edges are replicated at the
picture's own.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from PIL import Image

from metamer.codec.grid import (
    HYPER_STRIDE,
    STRIDE,
    Box,
    analysis_window,
    covering_positions,
    latent_area,
    split_windows,
)
from metamer.codec.network import colour_axes, latents
from metamer.codec.network.decoders import Synthesis
from metamer.codec.network.graphs.session import check_outputs
from metamer.codec.network.model import Model
from metamer.codec.network.noise import common_noise
from metamer.codec.picture import pixels
from metamer.codec.stream.coded_picture import CodedPicture


def box_planes(picture: Image.Image, box: Box) -> np.ndarray:
    """The pixels of some latent positions, as `pixels.to_planes` gives them.

    Args:
        picture: Mode RGB or L.
        box: The positions.

    Returns:
        (1, 3, H, W) float32 in [0, 1].
    """
    return pixels.to_planes(picture, box.scaled(STRIDE))


def analyse(image: np.ndarray, index: int, model: Model) -> tuple[np.ndarray, np.ndarray]:
    """Runs the analysis.

    Args:
        image: (1, 3, H, W) float32 in [0, 1], sides multiples of 16.
        index: The quality, 0 … 255.
        model: The model.

    Returns:
        Latents (h, w, M) float32, in image units, and hyper-latents (Z, h', w') int32.

    Raises:
        ModelError: The graph gives something else.
    """
    weights = model.arrays["level_weights"][index : index + 1]
    height, width = (side // STRIDE for side in image.shape[2:])
    latent, hyper = check_outputs(
        model.run("analysis", image=image, weights=weights),
        "analysis",
        ("f", (1, height, width, model.latents)),
        ("f", (1, *latents.hyper_shape(model, height, width))),
    )
    limit = latents.HYPER_MAX
    return latent[0], np.rint(hyper[0]).clip(-limit, limit).astype(np.int32)


def analyse_box(
    picture: Image.Image,
    box: Box,
    index: int,
    model: Model,
    turn: colour_axes.Turn | None,
    margin: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Runs the analysis on a part of a picture, with as much around it as the network sees.

    Args:
        picture: Mode RGB or L.
        box: The part in latent positions; its first row and column are multiples of
            `grid.HYPER_STRIDE`.
        index: The quality, 0 … 255.
        model: The model.
        turn: How colours are turned, if at all.
        margin: Positions around the part, in the picture, whose latents are wanted too.

    Returns:
        Latents (h, w, M) float32 of the part and its margin, and hyper-latents (Z, h', w') int32 of
        the part.

    Raises:
        ModelError: The graph gives something else.
    """
    whole = latent_area(*picture.size)
    window = analysis_window(box, model.receptive_field + margin, whole)
    image = box_planes(picture, window)
    latent, hyper = analyse(
        colour_axes.turn_colours(image, turn.affine()) if turn else image, index, model
    )
    top, left = (
        (box.top - window.top) // HYPER_STRIDE,
        (box.left - window.left) // HYPER_STRIDE,
    )
    _, height, width = latents.hyper_shape(model, box.height, box.width)
    grown = box.grown(margin, margin, whole)
    return latent[grown.within(window)], np.ascontiguousarray(
        hyper[:, top : top + height, left : left + width]
    )


def synthesise(
    tile: Callable[[int], np.ndarray],
    coded: CodedPicture,
    region: Box,
    model: Model,
    synthesis: Synthesis,
) -> Image.Image:
    """Synthesises a part of a picture.

    Args:
        tile: Gives the decoded latents (h, w, M) of a tile by its number, in sixteenths of a step.
            It is called once, in order, for the tiles that are needed; no more of them are kept
            than the receptive field asks for.
        coded: The picture as coded.
        region: The part, in pixels.
        model: Its model.
        synthesis: The network.

    Returns:
        Mode RGB, or L for a `Model.grey_variant`.

    Raises:
        ModelError: The graph gives what it should not.
    """
    header = coded.header
    whole, index = latent_area(header.width, header.height), header.quality
    picture = Image.new("L" if model.grey else "RGB", (region.width, region.height))
    weights = model.arrays["level_weights"][index : index + 1]
    margin, wanted = synthesis.receptive_field, covering_positions(region)
    for box, available, field in _strips(tile, coded.tiles, wanted, margin, whole):
        for window in split_windows(box):
            seen = window.grown(margin, margin, whole)
            inputs = {
                "latent": latents.dequantise(model, index, field[seen.within(available)]),
                "weights": weights,
            }
            if synthesis.noise:
                inputs["noise"] = common_noise(seen, synthesis.noise)
            (planes,) = check_outputs(
                synthesis.session.run(**inputs),
                "synthesis",
                ("f", (1, 3, seen.height * STRIDE, seen.width * STRIDE)),
            )
            visible = window.scaled(STRIDE).grown(0, 0, region)
            rows, columns = visible.within(seen.scaled(STRIDE))
            planes = planes[:, :, rows, columns]
            if coded.turn:
                planes = colour_axes.restore_colours(planes, coded.turn.affine())
            part = pixels.from_planes(planes, visible.width, visible.height, model.grey)
            picture.paste(part, (visible.left - region.left, visible.top - region.top))
    return picture


def _strips(
    tile: Callable, tiles: Sequence[Box], wanted: Box, margin: int, whole: Box
) -> Iterator[tuple[Box, Box, np.ndarray]]:
    """Strips of ``wanted`` from top to bottom, each with the positions around it that are at hand
    and their latents.
    """
    needed = wanted.grown(margin, margin, whole)
    numbers = [number for number, box in enumerate(tiles) if box.meets(needed)]
    start, first, field = wanted.top, wanted.top, None
    for top in sorted({tiles[number].top for number in numbers}):
        row = [number for number in numbers if tiles[number].top == top]
        left, right, bottom = tiles[row[0]].left, tiles[row[-1]].right, tiles[row[0]].bottom
        strip = (
            np.concatenate([tile(number) for number in row], 1) if len(row) > 1 else tile(row[0])
        )
        if field is None:
            first, field = top, strip
        else:
            field = np.concatenate([field, strip])
        ready = wanted.bottom if bottom >= needed.bottom else bottom - margin
        if ready > start:
            available = Box(first, left, bottom, right)
            yield Box(start, wanted.left, ready, wanted.right), available, field
            start = ready
        keep = max(first, start - margin)
        first, field = keep, field[keep - first :].copy()
