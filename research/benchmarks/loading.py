"""Start-up, memory and pace of the loader on a generated folder of small photographs.

    OMP_NUM_THREADS=1 python research/benchmarks/loading.py --count 100000

Makes the folder (crops of the photograph in examples/, JPEG; hard links beyond a thousand, so that it
takes little of the disk), then, in fresh processes: processor and wall seconds until the first
batch is there, the process's peak memory after --batches of 8 crops of 192², and crops a second of
processor time, beside what a second of `base`'s training takes on one thread.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
DISTINCT = 1000
PROBE = """
import json, resource, sys, time
import torch
torch.set_num_threads(1)
from metamer.train.data import Plan, open_data
folder, batches, workers = json.loads(sys.argv[1])
imported, wall = time.process_time(), time.perf_counter()
data = open_data([folder], workers=workers)
loader = iter(data.training.batches(Plan(192, 0, 8, range(batches), slice(0, 8))))
next(loader)
started, waited = time.process_time() - imported, time.perf_counter() - wall
for _ in loader:
    pass
pace = 8 * (batches - 1) / (time.process_time() - imported - started)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"processor": started, "wall": waited, "peak": peak, "crops": pace}))
"""
STEP = """
import json, time
import torch
torch.set_num_threads(1)
from metamer.train import Run
import sys
recipe, folder, out = json.loads(sys.argv[1])
with Run(recipe, folder, out, keep=False) as run:
    for _ in range(2):
        float(run.step()["loss"])
    begun = time.process_time()
    for _ in range(6):
        float(run.step()["loss"])
    print(json.dumps(8 * 6 / (time.process_time() - begun)))
"""


def generate(folder: Path, count: int, side: int) -> None:
    """So many JPEG files of about ``side`` pixels."""
    source, rng = (
        Image.open(ROOT / "examples" / "otters.png").convert("RGB"),
        np.random.default_rng(0),
    )
    for index in range(count):
        place = folder / f"{index // 1000:03}" / f"{index:06}.jpg"
        place.parent.mkdir(exist_ok=True)
        if index >= DISTINCT:
            os.link(folder / "000" / f"{index % DISTINCT:06}.jpg", place)
            continue
        left, top = rng.integers(source.width - side), rng.integers(source.height - side)
        source.crop((left, top, left + side, top + side - 8 * rng.integers(4))).save(
            place, quality=90
        )


def run(script: str, *arguments):
    """What a fresh process prints."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", script, json.dumps(arguments)]
    completed = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    return json.loads(completed.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument(
        "--side", type=int, default=256, help="pixels of a photograph's sides, about"
    )
    parser.add_argument("--batches", type=int, default=600, help="of 8 crops")
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    recipe = {"start": "base", "stages": [{"name": "joint", "steps": 99}]}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        generate(folder, arguments.count, arguments.side)
        measured = run(PROBE, str(folder), arguments.batches, arguments.workers)
        print(
            f"{arguments.count} photographs of about {arguments.side}²: first batch after "
            f"{measured['processor']:.1f} s of processor time ({measured['wall']:.1f} s by the clock), peak "
            f"memory {measured['peak']:.0f} MiB after {arguments.batches} batches, "
            f"{measured['crops']:.0f} crops a second of processor time"
        )
        small = folder / "000"
        trained = run(STEP, recipe, str(small), str(folder / "run"))
        print(f"training: {trained:.1f} crops a second of processor time, one thread")
        print(f"two workers on a core each: {2 * measured['crops'] / trained:.0f} times that")


if __name__ == "__main__":
    main()
