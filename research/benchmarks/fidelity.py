"""Prints the tables of `codec/encoder/mode_decision/fidelity.py`: what qualities give photographs that were kept out of
training.

    python research/benchmarks/fidelity.py PHOTOS [MODEL …]

PHOTOS: a folder with a validation.txt that names them. Bits a pixel, and PSNR in dB, means over
photographs, of files that the networks code alone.
"""

import sys
from pathlib import Path

import numpy as np

import metamer
from metamer.codec.encoder.mode_decision import fidelity
from metamer.codec.network import model
from metamer.codec.picture import pixels


def measure(names: list[Path], name: str, quality: float) -> tuple[float, float]:
    rows = []
    for path in names:
        picture = pixels.read_rgb(path)
        data = metamer.encode(picture, quality, model=name, lossless=False)
        error = np.square(np.asarray(metamer.decode(data), np.float32) - np.asarray(picture)).mean(
            dtype=np.float64
        )
        rows.append(
            (8 * len(data) / (picture.width * picture.height), -10 * np.log10(error / 255**2))
        )
    rate, psnr = np.mean(rows, 0)
    return round(float(rate), 3), round(float(psnr), 2)


def main(folder: str, *models: str) -> None:
    names = [
        Path(folder) / line.strip()
        for line in (Path(folder) / "validation.txt").read_text().splitlines()
        if line.strip()
    ]
    for name in models or [path.stem for path in model.shipped_models()]:
        rates, psnrs = zip(
            *(measure(names, name, quality) for quality in fidelity.LEVELS), strict=True
        )
        print(f'    "{name}": ({rates}, {psnrs}),', flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
