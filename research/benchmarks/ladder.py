"""What decoders for the same streams are worth and what they take, against the model's own.

    OMP_NUM_THREADS=1 python research/benchmarks/ladder.py PHOTOS --decoder FILE [--decoder …] [--pictures 12]

Photographs are those that PHOTOS holds out. Streams are the same for every decoder, so what counts
is the rate that the model's own would need for the same PSNR. Time is the processor's of one
thread, of whole decodes of one 768x512 picture, decoders in turns.
"""

import statistics
import time
from pathlib import Path

import click
import numpy as np
from PIL import Image
from tqdm import tqdm

import metamer
from metamer.evaluation.codecs import macs
from metamer.evaluation.images import read_image
from metamer.evaluation.rate.bjontegaard import PictureCurves, bd_rate, bd_rate_interval
from metamer.train.data import find

DEFAULT = "the model's own"
SIZE = (768, 512)


def error(picture: Image.Image, decoded: Image.Image) -> float:
    """Mean squared, of values in [0, 1]."""
    return float(np.square((np.asarray(decoded, float) - np.asarray(picture)) / 255).mean())


def timed(data: bytes, decoders: dict[str, Path | None], model: str, runs: int) -> dict[str, float]:
    """Median processor seconds of a decode, after one that does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in decoders}
    for _ in range(runs + 1):
        for name, decoder in decoders.items():
            start = time.process_time()
            metamer.decode(data, model=model, decoder=decoder, threads=1)
            seconds[name].append(time.process_time() - start)
    return {name: statistics.median(times[1:]) for name, times in seconds.items()}


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--decoder", "files", multiple=True, required=True, type=click.Path(path_type=Path))
@click.option("--model", default="base", show_default=True)
@click.option("--pictures", "count", type=click.IntRange(2), default=12, show_default=True)
@click.option("--quality", "qualities", type=float, multiple=True, default=(5, 25, 45, 65, 85, 95))
@click.option("--runs", type=click.IntRange(1), default=9, show_default=True)
def main(
    folder: Path,
    files: tuple[Path, ...],
    model: str,
    count: int,
    qualities: tuple[float, ...],
    runs: int,
) -> None:
    """Measures every decoder and prints the table, as Markdown."""
    held_out = find(folder)[1]
    paths = [held_out[place] for place in np.linspace(0, len(held_out) - 1, count).astype(int)]
    decoders: dict[str, Path | None] = {DEFAULT: None} | {path.stem: path for path in files}
    points: dict[str, list] = {name: [] for name in decoders}
    for path in tqdm(paths, unit="photograph", disable=None):
        picture = read_image(path)
        rows: dict[str, list] = {name: [] for name in decoders}
        for quality in qualities:
            data = metamer.encode(picture, quality, model=model, lossless=False)
            bpp = 8 * len(data) / (picture.width * picture.height)
            for name, decoder in decoders.items():
                decoded = metamer.decode(data, model=model, decoder=decoder)
                rows[name].append((bpp, error(picture, decoded)))
        for name, row in rows.items():
            points[name].append(row)
    curves = PictureCurves(
        [path.name for path in paths],
        {name: np.array(values) for name, values in points.items()},
        lambda mse: -10 * np.log10(mse),
    )
    resized = read_image(paths[0]).resize(SIZE)
    seconds = timed(metamer.encode(resized, model=model), decoders, model, runs)
    print(
        f"| {len(paths)} photographs | kMAC/px | BD-rate | 95 % | decode | |\n|---|---|---|---|---|---|"
    )
    for name, decoder in decoders.items():
        cost = macs.network_cost(model, decoder and str(decoder), resized, 50).decoder
        cells = [name, f"{cost / (1000 * SIZE[0] * SIZE[1]):.2f}", "", ""]
        if name != DEFAULT:
            low, high = bd_rate_interval(curves, DEFAULT, name)
            cells[2] = f"{bd_rate(curves.curve(DEFAULT), curves.curve(name))[0]:+.2f} %"
            cells[3] = f"{low:+.2f} … {high:+.2f}"
        cells += [f"{1000 * seconds[name]:.1f} ms", f"×{seconds[name] / seconds[DEFAULT]:.2f}"]
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
