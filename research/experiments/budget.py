"""A training run on a machine that is there for minutes: a pack that is small enough to be carried
there, a rehearsal on any CPU, and as many minutes of training as are left, again and again.

    python research/experiments/budget.py pack PHOTOS …            # once, where the photographs are
    python research/experiments/budget.py rehearse                 # there or here: checks, times, ten steps, resumed
    python research/experiments/budget.py run --minutes 8          # on the GPU; repeat it to go on

Everything lies in --folder: pack/, at most 30 MB of shards, and run/, with its checkpoint, which goes
on from --start the first time and from itself after that. What is printed last is what the minutes
gave.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACK_BYTES = 30_000_000
SIDE, QUALITY = 512, 95  # pieces, and what WebP keeps of them
RECIPE, START = ROOT / "train/recipes/stable.yaml", ROOT / "research/checkpoints/stable.pt"


def metamer(*arguments) -> None:
    """Runs the command; ends with its status where it fails."""
    completed = subprocess.run(
        [sys.executable, "-m", "metamer.cli", *map(str, arguments)], cwd=ROOT
    )
    if completed.returncode:
        sys.exit(completed.returncode)


def pack(folder: Path, photos: list[str], max_bytes: int) -> None:
    """Shards of a piece of every photograph."""
    metamer(
        "data",
        "pack",
        *photos,
        "--out",
        folder / "pack",
        "--side",
        SIDE,
        "--quality",
        QUALITY,
        "--max-bytes",
        max_bytes,
    )


def train(folder: Path, out: Path, start: Path, recipe: Path, *options) -> None:
    """Begins the run in ``out``, or goes on with it."""
    if (out / "checkpoint.pt").exists():
        metamer("train", "--resume", "--out", out, "--data", folder / "pack", *options)
    else:
        metamer(
            "train", recipe, "--out", out, "--data", folder / "pack", "--start", start, *options
        )


def rehearse(folder: Path, start: Path, recipe: Path) -> None:
    """What the run would need, then seconds of it, stopped by time and gone on with."""
    metamer(
        "train",
        recipe,
        "--data",
        folder / "pack",
        "--out",
        folder / "run",
        "--start",
        start,
        "--dry-run",
    )
    with tempfile.TemporaryDirectory() as scratch:
        for _ in range(2):
            train(folder, Path(scratch) / "run", start, recipe, "--minutes", "0.05")
        print("rehearsed:", summary(Path(scratch) / "run"))


def summary(run: Path) -> str:
    """Steps, pace and the last validation of a run."""
    rows = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    steps = [row for row in rows if "loss" in row]
    validated = [row for row in rows if "validation" in row]
    parts = []
    if steps:
        parts.append(f"step {steps[-1]['step']}, {steps[-1]['images_per_second']:.0f} images/s")
    if validated:
        curve = ((level["bpp"], level["psnr"]) for level in validated[-1]["validation"])
        parts.append(", ".join(f"{bpp:.3f} bpp {psnr:.2f} dB" for bpp, psnr in curve))
    return "; ".join(parts) or "fewer steps than a row of the log takes"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("pack", "rehearse", "run"))
    parser.add_argument("photos", nargs="*")
    parser.add_argument("--folder", type=Path, default=Path("budget"))
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--max-bytes", type=int, default=PACK_BYTES)
    parser.add_argument("--recipe", type=Path, default=RECIPE)
    parser.add_argument("--start", type=Path, default=START)
    arguments = parser.parse_args()
    folder, start, recipe = (
        path.resolve() for path in (arguments.folder, arguments.start, arguments.recipe)
    )
    if arguments.what == "pack":
        pack(
            folder,
            [str(Path(photos).resolve()) for photos in arguments.photos],
            arguments.max_bytes,
        )
    elif arguments.what == "rehearse":
        rehearse(folder, start, recipe)
    else:
        train(folder, folder / "run", start, recipe, "--minutes", arguments.minutes)
        print("trained:", summary(folder / "run"))


if __name__ == "__main__":
    main()
