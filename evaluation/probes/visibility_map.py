"""Where a difference is seen: visibility's probabilities, drawn over the picture."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from metamer.codec.errors import ImageError
from metamer.evaluation.images import read_image, save_image, to_tensor
from metamer.evaluation.plots.style import plt
from metamer.perception.distances.visibility import Visibility

SEEN = 0.5  # what half of the people tell apart
VEIL = 0.6  # how far colours cover the picture, which lies below in grey
COLOURS = "inferno"


@dataclass(frozen=True)
class SeenDifference:
    """whole: the probability of the picture as one; highest: that of the place where it is most;
    area: the share of the picture in which it is `SEEN` or more, 0 to 1.
    """

    whole: float
    highest: float
    area: float


@torch.no_grad()
def draw_map(reference: Path, image: Path, distance: Visibility, out: Path) -> SeenDifference:
    """Writes a PNG of the image's size into ``out``: the reference in grey below the probabilities,
    black for 0, yellow for 1. Raises ImageError.
    """
    pictures = [read_image(path) for path in (reference, image)]
    if pictures[0].size != pictures[1].size:
        sizes = ["{}x{}".format(*picture.size) for picture in pictures]
        raise ImageError(f"{image} has {sizes[1]} pixels, {reference} {sizes[0]}")
    places = [to_tensor(picture) for picture in pictures]
    probabilities = distance.map(*places)[0].numpy()
    grey = np.asarray(pictures[0].convert("L"), np.float32)[..., None] / 255
    colours = plt.get_cmap(COLOURS)(probabilities)[..., :3]
    veiled = (1 - VEIL) * grey + VEIL * colours
    save_image(Image.fromarray((255 * veiled).round().astype(np.uint8)), out)
    return SeenDifference(
        distance(*places).item(), float(probabilities.max()), float((probabilities >= SEEN).mean())
    )
