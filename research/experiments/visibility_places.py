"""Does `visibility` see differences where its teacher does?

    python -m research.experiments.visibility_places PHOTOS OUT

Its map beside ColorVideoVDP's own, and beside the squared error, for held-out photographs as JPEG:
rank correlations over cells of 16x16 pixels, pair by pair. Writes visibility-places.json.
"""

import json
from pathlib import Path

import click
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from metamer.codec.system import files
from metamer.evaluation.images import (
    centre_crop,
    held_out_paths,
    jpeg_round_trip,
    read_image,
    to_tensor,
)
from metamer.evaluation.intervals import bootstrap_interval
from metamer.evaluation.ratings.agreement import spearman
from metamer.perception import create
from metamer.perception.optional_imports import import_package
from metamer.perception.vision.display import to_8_bit_arrays

SIDE, CELL = 256, 16  # of the photograph's centre; of what is compared
EVERY, PHOTOGRAPHS = 8, 6  # of the held-out ones
QUALITIES = (8, 30)


def cell_means(places: Tensor) -> np.ndarray:
    """(H, W) → means of cells, (H·W / 256,)."""
    return F.avg_pool2d(places[None, None], CELL).flatten().double().numpy()


@click.command()
@click.argument("photos", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@torch.no_grad()
def main(photos: Path, out: Path) -> None:
    """Compare maps of held-out PHOTOS."""
    out.mkdir(parents=True, exist_ok=True)
    teacher = import_package("pycvvdp", "judges").cvvdp(heatmap="raw", quiet=True)
    distance = create("visibility")
    correlations: dict[str, list[float]] = {"visibility": [], "squared error": []}
    photographs = []
    for path in held_out_paths(photos)[::EVERY][:PHOTOGRAPHS]:
        reference = centre_crop(to_tensor(read_image(path)), SIDE)
        for quality in QUALITIES:
            image = jpeg_round_trip(reference, quality)
            arrays = [to_8_bit_arrays(picture)[0] for picture in (image, reference)]
            heatmap = teacher.predict(*arrays, dim_order="HWC")[1]["heatmap"].float()[0, 0, 0]
            maps = {
                "visibility": distance.map(reference, image)[0],
                "squared error": (reference - image).square().mean(1)[0],
            }
            for name, places in maps.items():
                correlation = spearman(cell_means(places), cell_means(heatmap))
                correlations[name].append(correlation)
            photographs.append(path.stem)
    record = {
        name: [
            float(np.mean(values)),
            *bootstrap_interval(np.mean, [np.array(values)], np.array(photographs)),
        ]
        for name, values in correlations.items()
    }
    record["pairs"] = len(photographs)
    text = json.dumps(record, indent=1)
    files.write_file(str(out / "visibility-places.json"), (text + "\n").encode())
    click.echo(text)


if __name__ == "__main__":
    main()
