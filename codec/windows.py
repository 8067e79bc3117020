"""Pixels to latents and back, a window at a time, so that memory does not grow with the picture.

A window brings its network's halo along, as many positions on each side as it sees. What comes out
is what one run on the whole picture would give, but for the order in which floating point adds;
edges are replicated at the picture's own.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from PIL import Image

from metamer.codec.encoder.masking import error_weights, log_variance
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
from metamer.codec.picture import pixels
from metamer.codec.stream.tiles import CodedPicture

# pixels: of a smaller picture's few hundred bytes, six are more than a turn saves
TURNED_FROM = 1 << 14
STRIP = 256  # rows that are looked at together


def box_planes(picture: Image.Image, box: Box) -> np.ndarray:
    """`pixels.to_planes` of the pixels of some positions."""
    return pixels.to_planes(picture, box.scaled(STRIDE))


def analyse(image: np.ndarray, index: int, model: Model) -> tuple[np.ndarray, np.ndarray]:
    """Latents (h, w, M) float32 and integer hyper-latents (Z, h', w') of (1, 3, H, W) planes,
    `pixels.to_planes`.
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


def choose_turn(picture: Image.Image) -> colour_axes.Turn | None:
    """How the encoder turns the picture's colours; not at all where six bytes are much, or grey is
    all there is.
    """
    if picture.mode != "RGB" or picture.width * picture.height < TURNED_FROM:
        return None
    strips = range(0, picture.height, STRIP)
    return colour_axes.principal_turn(
        np.asarray(picture.crop((0, top, picture.width, min(top + STRIP, picture.height))))
        for top in strips
    )


def analyse_box(
    picture: Image.Image,
    box: Box,
    index: int,
    model: Model,
    turn: colour_axes.Turn | None,
    margin: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """`analyse` for the positions ``box`` of a picture, whose first row and column are multiples of
    `latents.HYPER_STRIDE`.

    margin: how many positions around the box, in the picture, the latents are wanted of too.
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


def error_importance(picture: Image.Image, model: Model) -> np.ndarray:
    """(h, w) float32: how much more than elsewhere an error counts to the encoder, for the whole
    picture.
    """
    whole = latent_area(*picture.size)
    weights = np.ones((whole.height, whole.width), np.float32)
    if model.masking:
        for box in split_windows(whole):
            weights[box.within(whole)] = log_variance(box_planes(picture, box))
        weights = error_weights(weights, model.masking)
    return weights


def synthesise(
    tile: Callable[[int], np.ndarray],
    coded: CodedPicture,
    region: Box,
    model: Model,
    synthesis: Synthesis,
) -> Image.Image:
    """The pixels ``region`` of a picture.

    tile: decoded latents (h, w, M) of a tile by its number, in sixteenths of a step; called once,
    in order, for those that are needed; no more of them are kept than the halo asks for.
    """
    header = coded.header
    whole, index = latent_area(header.width, header.height), header.quality
    picture = Image.new("L" if model.grey else "RGB", (region.width, region.height))
    weights = model.arrays["level_weights"][index : index + 1]
    for box, seen, field in _strips(
        tile, coded.tiles, covering_positions(region), synthesis.receptive_field, whole
    ):
        for window in split_windows(box):
            around = window.grown(synthesis.receptive_field, synthesis.receptive_field, whole)
            latent = latents.dequantise(model, index, field[around.within(seen)])
            (image,) = check_outputs(
                synthesis.session.run(latent=latent, weights=weights),
                "synthesis",
                ("f", (1, 3, around.height * STRIDE, around.width * STRIDE)),
            )
            visible = window.scaled(STRIDE).grown(0, 0, region)
            rows, columns = visible.within(around.scaled(STRIDE))
            shown = image[:, :, rows, columns]
            if coded.turn:
                shown = colour_axes.restore_colours(shown, coded.turn.affine())
            done = pixels.from_planes(shown, visible.width, visible.height, model.grey)
            picture.paste(done, (visible.left - region.left, visible.top - region.top))
    return picture


def _strips(
    tile: Callable, tiles: Sequence[Box], wanted: Box, halo: int, whole: Box
) -> Iterator[tuple[Box, Box, np.ndarray]]:
    """Strips of ``wanted`` from top to bottom, each with the positions around it that are at hand
    and their latents.
    """
    needed = wanted.grown(halo, halo, whole)
    numbers = [number for number, box in enumerate(tiles) if box.meets(needed)]
    done, seen, field = wanted.top, None, None
    for top in sorted({tiles[number].top for number in numbers}):
        row = [number for number in numbers if tiles[number].top == top]
        bottom = tiles[row[0]].bottom
        here = Box(top, tiles[row[0]].left, bottom, tiles[row[-1]].right)
        strip = (
            np.concatenate([tile(number) for number in row], 1) if len(row) > 1 else tile(row[0])
        )
        field = strip if field is None else np.concatenate([field, strip])
        seen = here if seen is None else Box(seen.top, seen.left, bottom, seen.right)
        ready = wanted.bottom if bottom >= needed.bottom else bottom - halo
        if ready > done:
            yield Box(done, wanted.left, ready, wanted.right), seen, field
            done = ready
        keep = max(seen.top, done - halo)
        field, seen = field[keep - seen.top :].copy(), Box(keep, seen.left, seen.bottom, seen.right)
