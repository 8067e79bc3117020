"""What judges say of networks in training: BD-rates of metrics, most of which a mix does not hold,
on held-out photographs.

    python research/benchmarks/validation_judges.py PHOTOS FIRST OTHER… [--levels 1 2 3 4 5 6]

All are checkpoints or models, and FIRST is what the others are compared with. Rates are the
proxy's, without headers; latents are rounded as RDOQ with plain weights rounds them; decodes are of
8 bits. Crops are the middle 384² pixels of twelve photographs of validation.txt.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from metamer.codec.network.model import load_model
from metamer.evaluation.measure.panel import Panel
from metamer.evaluation.rate.bjontegaard import bd_rate
from metamer.evaluation.rate.curves import on_scale
from metamer.perception import from_spec
from metamer.train import checkpoints, start
from metamer.train.data import Photographs, centre_crops, find
from metamer.train.networks.codec import Codec, NetworkOptions
from metamer.train.recipe.options import Stage

METRICS = ("psnr", "ms-ssim", "lpips-alex", "dists", "ssimulacra2", "cvvdp")
PICTURES, CROP = 12, 384
ROUNDED = Stage("rounded", 1, proxy="straight_through", rdoq_lambda=100.0)


def network(source: str) -> Codec:
    """The averaged weights of a checkpoint, or a model."""
    if start.is_model(source):
        return start.from_model(load_model(source))
    options = checkpoints.load_run(Path(source))["recipe"]["network"]
    return start.load(source, NetworkOptions(**options))


@torch.no_grad()
def curves(codec: Codec, crops: torch.Tensor, levels: list[int]) -> np.ndarray:
    """(levels, 1 + metrics): bits a pixel, then means over the pictures."""
    panel, rows = Panel([from_spec(name) for name in METRICS]), []
    references = [panel.places(image[None]) for image in crops]
    for level in levels:
        values = []
        for image, reference in zip(crops, references, strict=True):
            made = codec(image[None].float() / 255, torch.tensor([float(level)]), ROUNDED)
            decoded = (made.image.clamp(0, 1) * 255).round().byte()
            measured = panel.compare(reference, panel.places(decoded))
            values.append([made.bits.item() / CROP**2, *measured.values()])
        rows.append(np.mean(values, 0))
        print("  ", level, " ".join(f"{value:.4f}" for value in rows[-1]), flush=True)
    return np.array(rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photographs", type=Path)
    parser.add_argument("sources", nargs="+")
    parser.add_argument("--levels", type=int, nargs="+", default=[1, 2, 3, 4, 5, 6])
    arguments = parser.parse_args()
    crops = centre_crops(Photographs(find(arguments.photographs)[1]), CROP, PICTURES)
    found = {}
    for source in arguments.sources:
        print(source, "bpp", *METRICS)
        found[source] = curves(network(source), crops, arguments.levels)
    first = found[arguments.sources[0]]
    for source in arguments.sources[1:]:
        rates = [
            bd_rate(*(on_scale(name, curve[:, [0, 1 + at]]) for curve in (first, found[source])))[0]
            for at, name in enumerate(METRICS)
        ]
        print(source, *(f"{name} {rate:+.1f} %" for name, rate in zip(METRICS, rates, strict=True)))
