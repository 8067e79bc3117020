"""What metrics that know no original make of known damage: BRISQUE beside PyPI's pypiqe, if it is
installed.

    python research/benchmarks/no_reference.py PHOTOS [COUNT]

COUNT photographs (12) evenly among those of the folder PHOTOS, their upper left 512 × 512 pixels:
as they are, as JPEGs, blurred, noisy; then BRISQUE of crops of examples/otters.png.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter
from scipy.stats import spearmanr

from metamer import perception
from metamer.evaluation.images import held_out_paths, read_image, round_trip, to_tensor

QUALITIES = (5, 20, 50, 75, 90)
COLUMNS = ("original", *(f"JPEG {quality}" for quality in QUALITIES), "blur 2", "noise 20")
CROPS, SIDES = 25, (256, 128)
SIDE = 512
OTTERS = Path(__file__).parents[2] / "examples" / "otters.png"


def damaged(picture: Image.Image) -> list[Image.Image]:
    """A picture as the columns have it."""
    pixels = np.asarray(picture, float)
    noise = np.random.default_rng(0).normal(0, 20, pixels.shape)
    return [
        picture,
        *(round_trip(picture, "JPEG", quality=quality) for quality in QUALITIES),
        picture.filter(ImageFilter.GaussianBlur(2)),
        Image.fromarray((pixels + noise).clip(0, 255).astype(np.uint8)),
    ]


def measures() -> dict[str, Callable[[Image.Image], float]]:
    """Name → a picture's score, less is better."""
    distance = perception.create("brisque")
    scores = {"BRISQUE": lambda picture: distance(*2 * [to_tensor(picture)]).item()}
    try:
        from pypiqe import piqe
    except ImportError:
        return scores
    return scores | {"PIQE": lambda picture: float(piqe(np.asarray(picture)[..., ::-1].copy())[0])}


def main(folder: Path, count: int = 12) -> None:
    paths = held_out_paths(folder)
    chosen = [paths[at] for at in np.linspace(0, len(paths) - 1, count).astype(int)]
    pictures = [damaged(read_image(path).crop((0, 0, SIDE, SIDE))) for path in chosen]
    scores = {
        name: np.array([list(map(score, row)) for row in pictures])
        for name, score in measures().items()
    }
    print(f"{count} photographs; means\n{'':<8}" + "".join(f"{name:>10}" for name in COLUMNS))
    for name, values in scores.items():
        print(f"{name:<8}" + "".join(f"{mean:10.1f}" for mean in values.mean(0)))
        falling = (np.diff(values[:, 1 : 1 + len(QUALITIES)]) < 0).all(1)
        ahead = (values[:, :1] < values[:, 1:]).all(1)
        print(
            f"  falls with every step of quality on {falling.sum()}, original best on {ahead.sum()}"
        )
    if len(scores) > 1:
        print(f"Spearman of the two: {spearmanr(*(v.ravel() for v in scores.values()))[0]:.2f}")
    photograph, score = read_image(OTTERS), measures()["BRISQUE"]
    generator = np.random.default_rng(0)
    for name, picture in (
        ("otters", photograph),
        ("JPEG 20", round_trip(photograph, "JPEG", quality=20)),
    ):
        print(f"BRISQUE, {name}: {score(picture):.1f}", end="")
        for side in SIDES:
            values = [
                score(picture.crop((left, top, left + side, top + side)))
                for left, top in generator.integers(0, np.subtract(picture.size, side), (CROPS, 2))
            ]
            print(f"; crops of {side}: {np.mean(values):.0f} ± {np.std(values):.0f}", end="")
        print()


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
