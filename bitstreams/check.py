"""Decodes the conformance streams and compares; exit status 1 when one differs.

python -m metamer.bitstreams.check [THREADS]
"""

import hashlib
import json
import platform
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image

from metamer.codec.decode import decode, decode_latents

FOLDER = Path(__file__).resolve().parent
LIST = FOLDER / "conformance.json"


def latent_digest(latents: np.ndarray) -> str:
    """SHA-256 of decoded latents as little-endian 32-bit integers."""
    return hashlib.sha256(latents.astype("<i4").tobytes()).hexdigest()


def pixel_digest(picture: Image.Image) -> str:
    """SHA-256 of 8-bit pixels, interleaved."""
    return hashlib.sha256(picture.tobytes()).hexdigest()


def check(stem: str, expected: dict[str, str], threads: int = 0) -> tuple[bool, int]:
    """Whether the latents of one stream are right, and how many levels its pixels are off at most
    (0: the same).
    """
    data = (FOLDER / f"{stem}.mtm").read_bytes()
    same = latent_digest(decode_latents(data, threads=threads)) == expected["latents"]
    picture = decode(data, threads=threads)
    if pixel_digest(picture) == expected["pixels"]:
        return same, 0
    reference = np.asarray(Image.open(FOLDER / f"{stem}.png"), int)
    return same, int(np.abs(reference - np.asarray(picture)).max())


def main(threads: int = 0) -> int:
    failed = 0
    for stem, expected in json.loads(LIST.read_text()).items():
        same, levels = check(stem, expected, threads)
        failed += not same or levels > 1
        print(
            f"{stem}: latents {'equal' if same else 'DIFFER'}, pixels "
            f"{'equal' if not levels else f'within {levels}'}"
        )
    machine = f"{platform.machine()} {platform.system()}"
    here = f"{machine}, ONNX Runtime {onnxruntime.__version__}, {threads or 'all'} threads"
    print(f"{here}: {'all streams conform' if not failed else f'{failed} streams differ'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
