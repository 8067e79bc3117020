"""What each lever of encoding is worth: whole files of photographs, with intervals over the
photographs.

    python research/benchmarks/encoding.py FOLDER [--quality 15 --quality 40 --quality 65 --quality 88] [--effort 1 …]

Everything is decoded by the same `base`. BD-rate of PSNR against encoding as it is; time is the
processor's, of encoding alone. The table is printed, as Markdown.
"""

import json
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import click
import numpy as np
from PIL import Image
from tqdm import tqdm

import metamer
from metamer.codec.network import colour_axes
from metamer.codec.network.model import WEIGHTS
from metamer.codec.picture import pixels
from metamer.evaluation.rate.bjontegaard import PictureCurves, bd_rate, bd_rate_interval

PLAIN = "as it is"
CARDS = {  # what the model's card says otherwise
    "one weight for all groups of latents": {"rdoq_group_weights": []},
    "one λ of rounding for every level": {"rdoq_lambda": [22.0]},
    "residuals rounded to the nearest": {"rdoq_lambda": [1e9]},
    "the λ of rounding that theory gives single latents": {
        "rdoq_lambda": [8.7],
        "rdoq_group_weights": [],
    },
}


def with_card(folder: Path, changes: dict) -> str:
    """A copy of `base` whose card says something else to the encoder."""
    path = folder / f"{len(list(folder.iterdir()))}.metamer"
    with zipfile.ZipFile(WEIGHTS / "base.metamer") as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            new.writestr(
                name, json.dumps(json.loads(data) | changes) if name == "model.json" else data
            )
    return str(path)


@contextmanager
def colours_as_they_are() -> Iterator[None]:
    """No picture is large enough to be turned."""
    with patch.object(colour_axes, "TURNED_FROM", 1 << 62):
        yield


def measure(picture: Image.Image, quality: float, **options) -> tuple[float, float, float]:
    """Bits a pixel of the file, mean squared error of what it decodes to in [0, 1], seconds of
    encoding.
    """
    start = time.process_time()
    data = metamer.encode(picture, quality, **options)
    seconds = time.process_time() - start
    error = (np.asarray(metamer.decode(data), float) - np.asarray(picture)) / 255
    return 8 * len(data) / (picture.width * picture.height), float(np.square(error).mean()), seconds


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--quality", "qualities", type=float, multiple=True, default=(15, 40, 65, 88), show_default=True
)
@click.option(
    "--effort", "efforts", type=int, multiple=True, default=(1, 2, 3, 5, 7), show_default=True
)
@click.option("--only-effort", is_flag=True, help="Leave out the levers that are not effort.")
def main(
    folder: Path, qualities: tuple[float, ...], efforts: tuple[int, ...], only_effort: bool
) -> None:
    """Measures every lever on every photograph and prints the table."""
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in pixels.SUFFIXES)
    pictures = [pixels.read_rgb(path) for path in paths]
    with TemporaryDirectory() as cards_folder:
        levers: dict[str, dict] = {PLAIN: {}}
        if not only_effort:
            levers |= {
                name: {"model": with_card(Path(cards_folder), changes)}
                for name, changes in CARDS.items()
            }
            levers |= {"colours not turned": {}}
        levers |= {f"effort {effort}": {"effort": effort} for effort in efforts}
        points = {}
        for lever, options in tqdm(levers.items(), unit="lever", disable=None):
            with colours_as_they_are() if lever == "colours not turned" else nullcontext():
                points[lever] = np.array(
                    [[measure(picture, at, **options) for at in qualities] for picture in pictures]
                )
    curves = PictureCurves(
        [path.name for path in paths],
        {lever: values[..., :2] for lever, values in points.items()},
        lambda error: -10 * np.log10(error),
    )
    print(f"| {len(paths)} photographs | BD-rate | 95 % | time |\n|---|---|---|---|")
    for lever, values in points.items():
        if lever != PLAIN:
            rate, (low, high) = (
                bd_rate(curves.curve(PLAIN), curves.curve(lever))[0],
                bd_rate_interval(curves, PLAIN, lever),
            )
            cost = values[..., 2].sum() / points[PLAIN][..., 2].sum()
            print(f"| {lever} | {rate:+.2f} % | {low:+.2f} … {high:+.2f} | ×{cost:.2f} |")


if __name__ == "__main__":
    main()
