"""Speed of Metamer beside Pillow's AVIF and JPEG and CompressAI, on one 768x512 photograph.

    python benchmarks/speed.py [PHOTO] [--model base] [--runs 20] [--json]

Needs the package installed or PYTHONPATH=. in a checkout; compressai is optional. Codecs take turns within every run, so
that a slower or faster machine meets all of them; times are medians, in one process with everything loaded, from PIL
picture to bytes and back, with each library's default number of threads. Leave the machine idle and repeat before
quoting a ratio: what a second core gains varies, on virtual machines above all, and not every codec uses one.
"""

import argparse
import io
import json
import multiprocessing
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps, features

import codec
from codec import model as models
from codec import pixels
from evaluation import machine

SIZE = (768, 512)
QUALITY = 50
COLD_RUNS = 5
EXAMPLE = Path(__file__).parent.parent / "examples" / "otters.png"


@dataclass(frozen=True)
class Coder:
    """encode: picture to anything `decode` takes; size: the bytes of that."""

    label: str
    encode: Callable[[Image.Image], object]
    decode: Callable[[object], Image.Image]
    size: Callable[[object], int] = len


def metamer(model: str) -> Coder:
    return Coder(
        "Metamer",
        lambda picture: codec.encode(picture, QUALITY, model=model),
        lambda data: codec.decode(data, model=model),
    )


def pillow(kind: str, quality: int) -> Coder:
    """Pillow's defaults for ``kind`` (AVIF: speed 6, 4:2:0; JPEG: baseline, 4:2:0) at ``quality``."""
    options = {"speed": 6} if kind == "AVIF" else {}

    def encode(picture: Image.Image) -> bytes:
        buffer = io.BytesIO()
        picture.save(buffer, kind, quality=quality, **options)
        return buffer.getvalue()

    def decode(data: bytes) -> Image.Image:
        picture = Image.open(io.BytesIO(data))
        picture.load()
        return picture

    return Coder(f"Pillow {kind} q{quality}" + (" speed 6" if kind == "AVIF" else ""), encode, decode)


def hyperprior() -> Coder:
    """CompressAI's scale hyperprior with random weights: the operations of the trained one, other bits."""
    from evaluation.compressai_codecs import import_compressai

    import_compressai()
    import torch
    from compressai.zoo import bmshj2018_hyperprior

    torch.manual_seed(0)  # the process that measures memory must decode what another encoded
    network = bmshj2018_hyperprior(quality=5, pretrained=False).eval()
    network.update()

    @torch.inference_mode()
    def encode(picture: Image.Image) -> dict:
        return network.compress(torch.from_numpy(pixels.to_planes(picture)))

    @torch.inference_mode()
    def decode(coded: dict) -> Image.Image:
        return pixels.from_planes(network.decompress(**coded)["x_hat"].numpy(), *SIZE)

    return Coder(
        "CompressAI hyperprior", encode, decode, lambda coded: sum(len(item) for part in coded["strings"] for item in part)
    )


BUILDERS = {"metamer": metamer, "avif": pillow, "jpeg": pillow, "compressai": hyperprior}


def nearest_quality(kind: str, picture: Image.Image, size: int) -> int:
    """The Pillow quality whose file is nearest to ``size`` bytes, by bisection."""

    def length(quality: int) -> int:
        return len(pillow(kind, quality).encode(picture))

    low, high = 1, 95
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if length(middle) <= size else (low, middle)
    return min((low, high), key=lambda quality: abs(length(quality) - size))


def peak_memory_of(name: str, settings: tuple, way: str, argument: object) -> float | None:
    """The same after one encode or decode, for a fresh process."""
    getattr(BUILDERS[name](*settings), way)(argument)
    return machine.peak_memory()


def in_fresh_process(function: Callable, *arguments: object) -> object:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def cold_start(data: bytes, model: str) -> dict[str, float]:
    """Median seconds of a whole decoding command, and of `import codec`, each in new interpreters (warm file cache)."""
    measure = "import time; begun = time.perf_counter(); import codec; print(time.perf_counter() - begun)"
    commands, imports = [], []
    with tempfile.TemporaryDirectory() as folder:
        stream, target = Path(folder, "photo.mtm"), Path(folder, "photo.png")
        stream.write_bytes(data)
        command = [sys.executable, "-m", "codec.cli", "decode", stream, "-o", target, "--force", "--model", model]
        for _ in range(COLD_RUNS):
            commands.append(seconds(lambda: subprocess.run(command, check=True)))
            done = subprocess.run([sys.executable, "-c", measure], check=True, capture_output=True, text=True)
            imports.append(float(done.stdout))
    return {"command": statistics.median(commands), "import": statistics.median(imports)}


def described(model: str) -> dict:
    network = models.load(model)
    return machine.conditions() | {"model": f"{network.name} {network.id.hex()}"}


def benchmark(picture: Image.Image, model: str, runs: int) -> dict:
    """All measurements, as a JSON-ready dictionary."""
    recipes: dict[str, tuple] = {"metamer": (model,)}
    left_out = []
    size = len(metamer(model).encode(picture))
    for name in ("avif", "jpeg"):
        if name == "avif" and not features.check("avif"):
            left_out.append("AVIF is left out: this Pillow was built without it")
            continue
        kind = name.upper()
        recipes[name] = (kind, nearest_quality(kind, picture, size))
    coders = {name: BUILDERS[name](*settings) for name, settings in recipes.items()}
    try:
        coders["compressai"] = hyperprior()
        recipes["compressai"] = ()
    except ImportError as problem:
        left_out.append(f"CompressAI is left out: {problem}")
    wanted = {name: min(runs, max(3, runs // 5)) if name == "compressai" else runs for name in coders}
    coded = {name: coder.encode(picture) for name, coder in coders.items()}  # these two are the warm-up
    for name, coder in coders.items():
        coder.decode(coded[name])
    times = {name: {"encode": [], "decode": []} for name in coders}
    for run in range(runs):
        for name, coder in coders.items():
            if len(times[name]["encode"]) <= run * wanted[name] // runs:  # spreads the fewer runs of slow codecs evenly
                times[name]["encode"].append(seconds(lambda coder=coder: coder.encode(picture)))
                times[name]["decode"].append(seconds(lambda coder=coder, name=name: coder.decode(coded[name])))
    rows = []
    for name, coder in coders.items():
        length = coder.size(coded[name])
        row = {"codec": coder.label, "runs": wanted[name], "bytes": length, "bpp": 8 * length / (SIZE[0] * SIZE[1])}
        for way, argument in (("encode", picture), ("decode", coded[name])):
            row[f"{way}_seconds"] = statistics.median(times[name][way])
            row[f"{way}_range_seconds"] = [min(times[name][way]), max(times[name][way])]
            row[f"{way}_ratio"] = row[f"{way}_seconds"] / statistics.median(times["metamer"][way])
            row[f"{way}_peak_mib"] = in_fresh_process(peak_memory_of, name, recipes[name], way, argument)
        rows.append(row)
    return {
        "machine": described(model),
        "codecs": rows,
        "imports_peak_mib": in_fresh_process(machine.peak_memory),
        "cold_start_seconds": cold_start(coded["metamer"], model),
        "left_out": left_out,
    }


def mebibytes(peak: float | None) -> str:
    return "–" if peak is None else f"{peak:.0f}"


def milliseconds(row: dict, way: str) -> str:
    low, high = row[f"{way}_range_seconds"]
    return f"{1e3 * row[f'{way}_seconds']:.1f} ({1e3 * low:.1f} – {1e3 * high:.1f})"


def table(found: dict) -> str:
    cold = found["cold_start_seconds"]
    lines = [
        f"One {SIZE[0]}x{SIZE[1]} photograph; median (fastest – slowest) of runs taken in turns. Ratio: time over Metamer's.",
        "Peak: resident MiB of a fresh process that encodes or decodes once; this script's own imports take "
        f"{mebibytes(found['imports_peak_mib'])} of it.",
        "",
        f"{'codec':<23} {'runs':>4} {'bpp':>6} {'encode ms':>22} {'ratio':>6} {'decode ms':>22} {'ratio':>6} "
        f"{'peak enc':>9} {'peak dec':>9}",
    ]
    for row in found["codecs"]:
        lines.append(
            f"{row['codec']:<23} {row['runs']:>4} {row['bpp']:>6.3f} "
            f"{milliseconds(row, 'encode'):>22} {row['encode_ratio']:>6.2g} "
            f"{milliseconds(row, 'decode'):>22} {row['decode_ratio']:>6.2g} "
            f"{mebibytes(row['encode_peak_mib']):>9} {mebibytes(row['decode_peak_mib']):>9}"
        )
    lines += ["", *found["left_out"]]
    if "compressai" in found["machine"]:
        lines.append("CompressAI: bmshj2018_hyperprior(quality=5), untrained weights: timing only, its bpp means nothing.")
    return "\n".join([
        *lines,
        f"Cold start, median of {COLD_RUNS}: `python -m codec.cli decode FILE -o OUT.png` {cold['command']:.3f} s, "
        f"`import codec` {cold['import']:.3f} s",
        ", ".join(f"{key} {value}" for key, value in found["machine"].items()),
    ])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photo", nargs="?", type=Path, default=EXAMPLE, help="scaled and cropped to 768x512")
    parser.add_argument("--model", default="base", help="shipped model, or a model file")
    parser.add_argument("--runs", type=int, default=20, help="at least 1; CompressAI gets a fifth, but 3")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    options = parser.parse_args()
    if options.runs < 1:
        parser.error("--runs must be at least 1")
    try:
        models.load(options.model)
        picture = ImageOps.fit(pixels.read(options.photo), SIZE, Image.Resampling.LANCZOS)
    except codec.ImageError as problem:
        parser.error(f"{options.photo} {problem}")
    except codec.MetamerError as problem:
        parser.error(str(problem))
    found = benchmark(picture, options.model, options.runs)
    print(json.dumps(found, indent=1) if options.json else table(found))


if __name__ == "__main__":
    main()
