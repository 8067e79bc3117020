"""The same crops from several codecs side by side."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from metamer.evaluation import plots
from metamer.evaluation.images import read_image
from metamer.evaluation.measure.decoded import decode_again
from metamer.evaluation.measure.rows import Point, Row
from metamer.evaluation.results.at_rate import excess, is_off_rate

SHEET_PICTURES = 4  # pictures on a sheet
CROP = 192  # pixels a side
STEP = 32  # between places that a crop may have


def busiest_crop(picture: Image.Image) -> tuple[int, int, int, int]:
    """The box of the crop in which neighbouring pixels differ most: what codecs spend bits on, or
    invent.
    """
    grey = np.asarray(picture.convert("L"), float)
    change = np.zeros_like(grey)
    change[:, 1:] += np.abs(np.diff(grey, axis=1))
    change[1:] += np.abs(np.diff(grey, axis=0))
    side = min(CROP, *picture.size)
    boxes = [
        (left, top, left + side, top + side)
        for top in range(0, picture.height - side + 1, STEP)
        for left in range(0, picture.width - side + 1, STEP)
    ]
    return max(boxes, key=lambda box: change[box[1] : box[3], box[0] : box[2]].sum())


def save_crop_sheet(
    paths: Sequence[Path], rows: dict[tuple[str, Point], Row], points: Sequence[Point], out: Path
) -> None:
    """Writes the same crop of a few pictures, spread over the folder, from the original and from
    every codec at its point.
    """
    chosen = [
        paths[round(index)]
        for index in np.linspace(0, len(paths) - 1, min(SHEET_PICTURES, len(paths)))
    ]
    crops = []
    for path in chosen:
        picture = read_image(path)
        box = busiest_crop(picture)
        crops.append((picture.crop(box), f"{path.stem}\noriginal"))
        for point in points:
            row = rows[path.name, point]
            caption = f"{row['codec']}\n{row['bpp']:.3f} bpp"
            if is_off_rate(row):
                caption += f", {100 * excess(row):+.0f} %".replace("-", "−")
            crops.append((decode_again(path, row).crop(box), caption))
    plots.plot_contact_sheet(
        crops, out, f"the setting nearest to {points[0].target:g} bpp", columns=1 + len(points)
    )
