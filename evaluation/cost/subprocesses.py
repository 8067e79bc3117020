"""A codec in a process of its own: peak memory, and seconds on so many threads. `run_in_subprocess`
starts what `python -m` runs here.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from metamer.codec.errors import MetamerError
from metamer.codec.picture import pixels
from metamer.evaluation.codecs.registry import get_codec
from metamer.evaluation.cost import machine

DIRECTIONS = ("encode", "decode")
IDLE = "nothing"  # what a process takes that only starts
FAULT = 3  # exit status of what is the codec's or the input's fault


@dataclass(frozen=True)
class SubprocessCost:
    """seconds: of each call in turn, the first of which also loads the networks. peak: resident MiB
    of the process at its worst, interpreter and libraries included, or for a program
    (`evaluation.codecs.program`) that program's; None where the system does not tell.
    """

    seconds: Sequence[float]
    peak: float | None


def run_in_subprocess(
    name: str,
    way: str,
    picture: Path,
    stream: Path,
    setting: float,
    runs: int = 1,
    threads: int | None = None,
) -> SubprocessCost:
    """Encodes ``picture`` into the file ``stream``, or decodes that, ``runs`` times in a fresh
    process.

    threads: how many cores the process may use, where the system can bind it (Linux), and how many
    threads torch and ONNX Runtime use; by default as many as here. Raises MetamerError.
    """
    paths = [str(Path(place or ".").resolve()) for place in sys.path]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    environment |= {"OMP_NUM_THREADS": str(threads)} if threads else {}
    task = {
        "name": name,
        "way": way,
        "picture": str(picture),
        "stream": str(stream),
        "setting": setting,
        "runs": runs,
        "threads": threads,
    }
    command = [
        sys.executable,
        "-P",
        "-m",
        "metamer.evaluation.cost.subprocesses",
        json.dumps(task),
    ]
    completed = subprocess.run(command, capture_output=True, env=environment)
    if completed.returncode:
        lines = completed.stderr.decode(errors="replace").strip().splitlines() or [
            f"status {completed.returncode}"
        ]
        raise MetamerError(
            lines[-1]
            if completed.returncode == FAULT
            else f"{name} could not be run by itself: {lines[-1]}"
        )
    return SubprocessCost(*json.loads(completed.stdout))


_measured_peaks: dict[tuple, dict[str, float | None]] = {}


def peak_memories(name: str, picture: Image.Image, setting: float) -> dict[str, float | None]:
    """encode_peak_mib and decode_peak_mib: `SubprocessCost.peak` of each; once for every codec,
    setting and number of pixels.
    """
    key = name, setting, picture.width * picture.height
    if key not in _measured_peaks:
        with tempfile.TemporaryDirectory() as folder:
            original, stream = Path(folder, "picture.png"), Path(folder, "stream")
            picture.save(original)
            _measured_peaks[key] = {
                f"{way}_peak_mib": run_in_subprocess(name, way, original, stream, setting).peak
                for way in DIRECTIONS
            }
    return _measured_peaks[key]


def main(text: str) -> None:
    """What the fresh process does."""
    task = json.loads(text)
    if task["way"] == IDLE:
        print(json.dumps([[], machine.peak_memory()]))
        return
    if task["threads"] and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: task["threads"]])
    codec, stream = get_codec(task["name"], task["threads"] or 0), Path(task["stream"])
    source = pixels.read_rgb(task["picture"]) if task["way"] == "encode" else stream.read_bytes()
    costs = []
    for _ in range(task["runs"]):
        output, cost = (
            codec.encode_timed(source, task["setting"])
            if task["way"] == "encode"
            else codec.decode_timed(source)
        )
        costs.append(cost)
    if task["way"] == "encode":
        stream.write_bytes(output)
    peaks = [cost.peak for cost in costs if cost.peak is not None]
    print(
        json.dumps(
            [[cost.seconds for cost in costs], max(peaks) if peaks else machine.peak_memory()]
        )
    )


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except MetamerError as problem:
        print(problem, file=sys.stderr)
        sys.exit(FAULT)
