"""Where `base` stands in rate, distortion and complexity, beside Pillow's codecs and CompressAI's
networks, in one run.

    python research/benchmarks/position.py [PHOTO] [--results RESULTS] [--model base] [--bpp 0.5] [--runs 15] [--threads 1]
        [--out JSON]

Times, on one 768x512 photograph: codecs take turns within every run, so that a slower or faster
machine meets all of them; in one process with everything loaded, bound to as many cores as threads,
from PIL picture to bytes and back. Ratios are of medians of processor time, which a busy machine
hardly changes; on one thread and an idle machine wall time is the same.

Distortion: BD-rate in PSNR against the curve of BPG (4:4:4) that CompressAI publishes of Kodak.
Ours and Pillow's from RESULTS, what `metamer evaluate KODAK -m psnr --out RESULTS` measured; the
networks' from the curves that CompressAI publishes.

CompressAI's networks are timed untrained, at the quality whose published rate is nearest to --bpp:
the same operations as trained, but other symbols, which their entropy coder may take a little
longer or shorter for; their bpp here means nothing. JSON is that of `metamer complexity` with more
columns, so `metamer plot RESULTS --complexity JSON` draws it.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PIL import Image, ImageOps

import metamer
from metamer.codec.picture import pixels
from metamer.evaluation.codecs import pillow
from metamer.evaluation.codecs.interface import Codec, nearest_setting
from metamer.evaluation.codecs.registry import get_codec
from metamer.evaluation.cost import complexity, machine, subprocesses
from metamer.evaluation.rate import published
from metamer.evaluation.rate.bjontegaard import bd_rate
from metamer.evaluation.rate.curves import mean_curves
from metamer.evaluation.results import folders

SIZE = (768, 512)
PEERS = ("avif", "jxl", "webp", "jpeg")
NETWORKS = ("bmshj2018-factorized", "bmshj2018-hyperprior", "mbt2018-mean", "mbt2018")
UNTRAINED = "compressai:{}:trained=false"
# decoding shall be so many times faster than that network's
REQUIRED, GOAL = UNTRAINED.format("mbt2018-mean"), 20
COLD_RUNS = 5
EXAMPLE = Path(__file__).parents[2] / "examples" / "otters.png"


@dataclass(frozen=True)
class Entrant:
    """A codec at one setting, with the picture as it codes it."""

    codec: Codec
    setting: float
    picture: Image.Image
    data: bytes

    def work(self, way: str) -> object:
        return (
            self.codec.encode(self.picture, self.setting)
            if way == "encode"
            else self.codec.decode(self.data)
        )


def entrants(
    model: str, picture: Image.Image, bpp: float, threads: int
) -> tuple[list[Entrant], list[str]]:
    """Each codec at its setting nearest to ``bpp``, the model first; and what is said of codecs
    that are not here.
    """
    written_formats = pillow.pillow_formats()
    codecs = [
        get_codec(model, threads),
        *(get_codec(name) for name in PEERS if name in written_formats),
    ]
    left_out = [
        f"{name} is left out: this Pillow does not write it"
        for name in PEERS
        if name not in written_formats
    ]
    settings = [
        (
            candidate,
            nearest_setting(
                partial(candidate.encode, picture), candidate.ladder, bpp * SIZE[0] * SIZE[1] / 8
            ),
        )
        for candidate in codecs
    ]
    try:
        for network in NETWORKS:
            rates = [row["bpp"] for row in published.find_published(network).rows]
            nearest_rate = min(rates, key=lambda rate: abs(rate - bpp))
            settings.append((get_codec(UNTRAINED.format(network)), 1 + rates.index(nearest_rate)))
    except metamer.MetamerError as problem:
        left_out.append(f"CompressAI is left out: {problem}")
    return [
        Entrant(candidate, setting, picture, candidate.encode(picture, setting))
        for candidate, setting in settings
    ], left_out


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Wall and processor seconds."""
    start = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - start[0], time.process_time() - start[1]


def turns(field: Sequence[Entrant], runs: int) -> list[dict[str, list[float]]]:
    """Of each, way → medians of wall and processor seconds. Networks of CompressAI run a fifth as
    often, but 3 times.
    """
    times: list[dict[str, list]] = [{way: [] for way in subprocesses.DIRECTIONS} for _ in field]
    for candidate in field:
        candidate.work("decode")  # warms up, as encoding did
    for run in range(runs):
        for candidate, samples in zip(field, times, strict=True):
            due = min(runs, max(3, runs // 5)) if candidate.codec.networks else runs
            if len(samples["encode"]) <= run * due // runs:  # spreads the fewer runs evenly
                for way in subprocesses.DIRECTIONS:
                    samples[way].append(timed(partial(candidate.work, way)))
    return [
        {
            way: [statistics.median(part) for part in zip(*seconds, strict=True)]
            for way, seconds in samples.items()
        }
        for samples in times
    ]


def peaks(candidate: Entrant, threads: int) -> dict[str, float | None]:
    """Peak resident MiB of a fresh process that encodes, or decodes, once."""
    with tempfile.TemporaryDirectory() as folder:
        original, stream = Path(folder, "picture.png"), Path(folder, "stream")
        candidate.picture.save(original)
        stream.write_bytes(candidate.data)
        return {
            f"{way}_peak_mib": subprocesses.run_in_subprocess(
                candidate.codec.name, way, original, stream, candidate.setting, 1, threads
            ).peak
            for way in subprocesses.DIRECTIONS
        }


def bd_rates(folder: Path | None) -> dict[str, float]:
    """BD-rate in percent by codec: those in ``folder``, measured, and the networks, published."""
    anchor = published.find_published(published.ANCHOR).curves["psnr"]
    kodak_curves = mean_curves(folders.load_results([folder]).rows, "psnr")[1] if folder else {}
    curves = kodak_curves | {
        UNTRAINED.format(name): published.find_published(name).curves["psnr"] for name in NETWORKS
    }
    return {name: bd_rate(anchor, curve)[0] for name, curve in curves.items()}


def cold_start(data: bytes, model: str) -> float:
    """Median wall seconds of a whole decoding command in a new interpreter (warm file cache)."""
    with tempfile.TemporaryDirectory() as folder:
        stream, target = Path(folder, "photo.mtm"), Path(folder, "photo.png")
        stream.write_bytes(data)
        command = [
            sys.executable,
            "-m",
            "metamer.cli",
            "decode",
            stream,
            "-o",
            target,
            "--force",
            "--model",
            model,
        ]
        return statistics.median(
            timed(lambda: subprocess.run(command, check=True))[0] for _ in range(COLD_RUNS)
        )


def benchmark(
    picture: Image.Image, model: str, bpp: float, runs: int, threads: int, folder: Path | None
) -> dict:
    """All measurements, ready for JSON: what `complexity.measure_complexity` gives, with ratios and
    BD-rates.
    """
    rates = bd_rates(folder)
    field, left_out = entrants(model, picture, bpp, threads)
    times, rows = turns(field, runs), []
    for candidate, seconds in zip(field, times, strict=True):
        codec, size = candidate.codec, len(candidate.data)
        row = {
            "codec": codec.name,
            "version": codec.version,
            "setting": candidate.setting,
            "width": SIZE[0],
            "height": SIZE[1],
            "bytes": size,
            "bpp": 8 * size / (SIZE[0] * SIZE[1]),
        } | complexity.network_figures(codec, picture, candidate.setting)
        for way, (wall, processor) in seconds.items():
            row |= {
                f"{way}_seconds": {threads: wall},
                f"{way}_processor_seconds": processor,
                f"{way}_ratio": processor / times[0][way][1],
            }
        rows.append(row | peaks(candidate, threads) | {"bd_rate": rates.get(codec.name)})
    return {
        "machine": machine.conditions() | {"threads": threads},
        "codecs": rows,
        "left_out": left_out,
        "cold_start_seconds": cold_start(field[0].data, model),
    }


def format_or_dash(value: float | None, text: str) -> str:
    return "–" if value is None else format(value, text)


def table(report: dict) -> str:
    """For people."""
    threads, rows = report["machine"]["threads"], report["codecs"]
    lines = [
        f"One {SIZE[0]}x{SIZE[1]} photograph, {threads} thread{'s' * (threads > 1)}. ms: processor "
        "time; ×: over "
        f"{rows[0]['codec']}'s; MiB: peak of a fresh process.",
        f"BD-rate: PSNR on Kodak against {published.ANCHOR}; (p): of CompressAI's published curve, "
        "its network untrained here.",
        "",
        f"{'codec':<28} {'setting':>7} {'bpp':>6} {'encode ms':>9} {'×':>6} {'decode ms':>9} "
        f"{'×':>6} {'decoder kMAC/px':>15} "
        f"{'MiB enc':>8} {'dec':>5} {'BD-rate':>12}",
    ]
    for row in rows:
        untrained = row["codec"].endswith(":trained=false")
        cells = [
            f"{row['codec'].removesuffix(':trained=false'):<28}",
            f"{row['setting']:>7.4g}",
            f"{format_or_dash(None if untrained else row['bpp'], '.3f'):>6}",
        ]
        for way in subprocesses.DIRECTIONS:
            cells += [
                f"{1e3 * row[f'{way}_processor_seconds']:>9.1f}",
                f"{row[f'{way}_ratio']:>6.3g}",
            ]
        cells += [
            f"{format_or_dash(row['decoder_kmac'], '.1f'):>15}",
            f"{format_or_dash(row['encode_peak_mib'], '.0f'):>8}",
            f"{format_or_dash(row['decode_peak_mib'], '.0f'):>5}",
            f"{format_or_dash(row['bd_rate'], '+.1f') + ' %' * (row['bd_rate'] is not None) + ' (p)' * untrained:>12}",
        ]
        lines.append(" ".join(cells))
    lines += ["", *report["left_out"]]
    lines += [
        f"{rows[0]['codec']} decodes {row['decode_ratio']:.1f} times as fast as CompressAI's "
        f"mbt2018-mean; wanted: {GOAL}"
        for row in rows
        if row["codec"] == REQUIRED
    ]
    lines.append(
        f"Cold start, median of {COLD_RUNS}: `python -m metamer.cli decode FILE -o OUT.png` "
        f"{report['cold_start_seconds']:.2f} s"
    )
    return "\n".join(
        [*lines, ", ".join(f"{key} {value}" for key, value in report["machine"].items())]
    )


def bind(threads: int) -> None:
    """Gives this process as many cores as threads, where the system can, and tells torch, if it is
    here.
    """
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    import torch

    torch.set_num_threads(threads)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "photo", nargs="?", type=Path, default=EXAMPLE, help="scaled and cropped to 768x512"
    )
    parser.add_argument(
        "--results", type=Path, help="folder of `metamer evaluate` on Kodak, for BD-rates"
    )
    parser.add_argument("--model", default="base", help="shipped model, or a model file")
    parser.add_argument(
        "--bpp", type=float, default=0.5, help="bits a pixel that each codec comes nearest to"
    )
    parser.add_argument(
        "--runs", type=int, default=15, help="at least 1; CompressAI gets a fifth, but 3"
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, help="JSON")
    options = parser.parse_args(arguments)
    if options.runs < 1 or options.threads < 1 or options.bpp <= 0:
        parser.error("--runs and --threads are at least 1, --bpp is above 0")
    bind(options.threads)
    try:
        picture = ImageOps.fit(pixels.read_rgb(options.photo), SIZE, Image.Resampling.LANCZOS)
        report = benchmark(
            picture, options.model, options.bpp, options.runs, options.threads, options.results
        )
    except metamer.ImageError as problem:
        parser.error(f"{options.photo} {problem}")
    except metamer.MetamerError as problem:
        parser.error(str(problem))
    if options.out:
        options.out.write_text(json.dumps(report, indent=1))
    print(table(report))


if __name__ == "__main__":
    main()
