"""Time and peak memory of the command line for pictures of 1 to 100 megapixels: `python
research/benchmarks/large.py`.

The pictures are one photograph mirrored over and over, as PPM, decoded to PPM, so that no other
codec's time is in the figures. Writes examples/large.json and draws it into examples/large.png.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import matplotlib
import numpy as np
from PIL import Image

matplotlib.use("Agg")
from matplotlib import pyplot

EXAMPLES = Path(__file__).parents[2] / "examples"
ASPECT = 3 / 2


def mirrored(photograph: Path, megapixels: float) -> np.ndarray:
    """(H, W, 3) uint8, three by two, of about that many pixels."""
    height = round((megapixels * 1e6 / ASPECT) ** 0.5)
    width = round(height * ASPECT)
    pixels = np.asarray(Image.open(photograph).convert("RGB"))
    beyond = ((0, max(0, height - len(pixels))), (0, max(0, width - pixels.shape[1])), (0, 0))
    return np.pad(pixels, beyond, mode="symmetric")[:height, :width]


def measure(*arguments: object) -> dict[str, float]:
    """Seconds by the clock and of all processors, and peak resident MB, of a command."""
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-P", "-m", "metamer.cli", *map(str, arguments)])
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise click.ClickException(f"metamer {arguments[0]} failed")
    return {
        "seconds": time.perf_counter() - start,
        "processor_seconds": usage.ru_utime + usage.ru_stime,
        "peak_mb": usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6,
    }


def draw(rows: list[dict], path: Path) -> None:
    """Processor time and memory over megapixels."""
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    size = [row["megapixels"] for row in rows]
    for axes, key, title in (
        (left, "processor_seconds", "processor time, seconds"),
        (right, "peak_mb", "peak memory, MB"),
    ):
        for direction, marker in (("encode", "o"), ("decode", "s")):
            axes.plot(size, [row[direction][key] for row in rows], marker=marker, label=direction)
        axes.set(xlabel="megapixels", title=title)
        axes.grid(alpha=0.3)
    right.axhline(1500, color="grey", linestyle="--", linewidth=1, label="1.5 GB")
    for axes in (left, right):
        axes.set(xlim=(0, None), ylim=(0, None))
        axes.legend()
    figure.savefig(path, dpi=110)


@click.command()
@click.argument(
    "photograph", type=click.Path(path_type=Path, exists=True), default=EXAMPLES / "otters.png"
)
@click.option(
    "--megapixels", type=float, multiple=True, default=(1, 10, 50, 100), show_default=True
)
@click.option("--threads", type=int, default=1, show_default=True)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=EXAMPLES,
    show_default="examples",
)
def main(photograph: Path, megapixels: tuple[float, ...], threads: int, out: Path) -> None:
    """Measure encode and decode of PHOTOGRAPH, mirrored to each size."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        source, stream, decoded = (
            Path(folder) / name for name in ("large.ppm", "large.mtm", "back.ppm")
        )
        for size in megapixels:
            Image.fromarray(mirrored(photograph, size)).save(source)
            options = ("--force", "--threads", threads, "--output")
            row = {"megapixels": size, "encode": measure("encode", source, *options, stream)}
            row |= {
                "bytes": stream.stat().st_size,
                "decode": measure("decode", stream, *options, decoded),
            }
            rows.append(row)
            print(
                "{:g} megapixels, {} bytes".format(size, row["bytes"]),
                *(
                    "{}: {seconds:.1f} s, {processor_seconds:.1f} s of processors, {peak_mb:.0f} MB".format(
                        direction, **row[direction]
                    )
                    for direction in ("encode", "decode")
                ),
                sep="; ",
                flush=True,
            )
    (out / "large.json").write_text(json.dumps({"threads": threads, "rows": rows}, indent=1) + "\n")
    draw(rows, out / "large.png")


if __name__ == "__main__":
    main()
