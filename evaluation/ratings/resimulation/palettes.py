"""Colour quantisation: palettes by variance, dithered."""

import functools

import numpy as np
from scipy import spatial

from metamer.evaluation.ratings.resimulation.distortions import eight_bits


@functools.lru_cache(2)
def _splits(data: bytes, most: int) -> tuple[np.ndarray, ...]:
    """Palettes of 1 to ``most`` colours by Wu's rule: the box of most squared error is cut where
    that falls most.

    ``data``: RGB triples of a picture, uint8. Colours are (n, 3) in 0 … 255.
    """
    colours, weights = np.unique(
        np.frombuffer(data, np.uint8).reshape(-1, 3), axis=0, return_counts=True
    )
    colours = colours.astype(np.float64)

    def box(members: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        share, values = weights[members, None], colours[members]
        centre = (share * values).sum(0) / share.sum()
        return float((share * (values - centre) ** 2).sum()), centre, members

    boxes, palettes = [box(np.arange(len(colours)))], []
    while len(boxes) <= most:
        palettes.append(np.array([centre for _, centre, _ in boxes]))
        worst = max(range(len(boxes)), key=lambda index: boxes[index][0])
        if boxes[worst][0] < 1e-9:
            break  # every colour has its own box
        members = boxes.pop(worst)[2]
        spread = np.sqrt(weights[members, None]) * (colours[members] - colours[members].mean(0))
        members = members[
            np.argsort(colours[members, np.argmax(np.square(spread).sum(0))], kind="stable")
        ]
        share, sums = (
            weights[members].cumsum()[:-1],
            (weights[members, None] * colours[members]).cumsum(0),
        )
        gain = (sums[:-1] ** 2).sum(1) / share + ((sums[-1] - sums[:-1]) ** 2).sum(1) / (
            weights[members].sum() - share
        )
        cut = int(np.argmax(gain)) + 1
        boxes += [box(members[:cut]), box(members[cut:])]
    return tuple(palettes)


def colour_quantisation(image: np.ndarray, colours: float, rng: np.random.Generator) -> np.ndarray:
    """A palette of ``colours`` by variance, dithered after Floyd and Steinberg, as MATLAB's rgb2ind
    does [2013].
    """
    palettes = _splits(image.tobytes(), 1024)
    palette = palettes[min(int(colours), len(palettes)) - 1]
    tree, (height, width, _) = spatial.cKDTree(palette), image.shape
    rest = np.zeros((height + 1, width + 2, 3))  # a border on three sides takes what falls off
    rest[:height, 1:-1] = image
    out = np.empty(image.shape)
    # all pixels of one x + 2·y depend on earlier ones only
    for time in range(width + 2 * height - 2):
        y = np.arange(max(0, (time - width + 2) // 2), min(height, time // 2 + 1))
        x = time - 2 * y + 1
        value = rest[y, x].clip(0, 255)
        out[y, x - 1] = palette[tree.query(value)[1]]
        error = value - out[y, x - 1]
        for dy, dx, share in ((0, 1, 7), (1, -1, 3), (1, 0, 5), (1, 1, 1)):
            rest[y + dy, x + dx] += error * (share / 16)
    return eight_bits(out)
