"""Rate and distortion of real files: rows per image and setting, means, BD-rates, a curve."""

import contextlib
import io
import json
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import bjontegaard
import numpy as np
import PIL
from PIL import Image, features
from tqdm import tqdm

import codec as metamer
from codec import model as models
from codec import pixels
from codec.errors import ImageError, MetamerError
from evaluation import plots
from evaluation.pictures import read, to_tensor
from perception import create

QUALITIES = (0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100)

Coder = tuple[Callable[[Image.Image], bytes], Callable[[bytes], Image.Image]]


def _pillow(kind: str, **options) -> Coder:
    def encode(picture: Image.Image) -> bytes:
        buffer = io.BytesIO()
        picture.save(buffer, kind, **options)
        return buffer.getvalue()

    return encode, lambda data: Image.open(io.BytesIO(data)).convert("RGB")


def peers() -> dict[str, dict[float, Coder]]:
    """Every codec this Pillow can write, at settings that span its useful range: name → setting → coder.

    JPEG: 4:2:0, optimised, progressive. WebP: method 6. AVIF: speed 6, 4:2:0 (Pillow's default) and 4:4:4. JPEG 2000: the
    9/7 wavelet with its colour transform, one layer at the given compression ratio. JPEG XL: when the package
    pillow-jxl-plugin is there.
    """
    found: dict[str, dict[float, Coder]] = {
        "jpeg": {q: _pillow("JPEG", quality=q, subsampling="4:2:0", optimize=True, progressive=True)
                 for q in (5, 10, 15, 20, 30, 40, 50, 60, 70, 80, 90, 95)},
    }
    if features.check("webp"):
        found["webp"] = {q: _pillow("WEBP", quality=q, method=6) for q in (0, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95)}
    if features.check("avif"):
        for name, subsampling in (("avif", "4:2:0"), ("avif-444", "4:4:4")):
            found[name] = {q: _pillow("AVIF", quality=q, speed=6, subsampling=subsampling) for q in range(10, 100, 10)}
    if features.check("jpg_2000"):
        found["jpeg2000"] = {
            ratio: _pillow("JPEG2000", quality_mode="rates", quality_layers=[ratio], irreversible=True, mct=1)
            for ratio in (240, 160, 120, 80, 60, 40, 30, 20, 15, 10, 8)
        }
    with contextlib.suppress(ImportError):
        import pillow_jxl  # noqa: F401  registers JPEG XL with Pillow

        found["jxl"] = {q: _pillow("JXL", quality=q) for q in (10, 20, 30, 40, 50, 60, 70, 80, 90, 95)}
    return found


def coders(name: str) -> dict[float, Coder]:
    """Settings and coders of a peer, or of a Metamer model by name or file. Raises MetamerError."""
    known = peers()
    if name in known:
        return known[name]
    models.load(name)
    return {q: (lambda picture, q=q: metamer.encode(picture, q, model=name), lambda data: metamer.decode(data, model=name))
            for q in QUALITIES}


def version(name: str) -> str:
    """What made the bytes: the model's id, or Pillow's version. Rows of another version are not used again."""
    return f"Pillow {PIL.__version__}" if name in peers() else models.load(name).id.hex()


def measure(name: str, files: list[Path], seen: set[tuple], write: Callable[[dict], None]) -> None:
    """Encodes and decodes every file at every setting; ``write`` gets one row each."""
    settings, made_by = coders(name), version(name)
    psnr, ms_ssim = create("psnr"), create("ms-ssim")
    for path in tqdm(files, desc=name, unit="image"):
        reference = read(path)
        original = to_tensor(reference)
        large = min(reference.size) >= ms_ssim.min_side
        for setting, (encode, decode) in settings.items():
            if (name, made_by, setting, path.name) in seen:
                continue
            begun = time.perf_counter()
            data = encode(reference)
            middle = time.perf_counter()
            decoded = decode(data)
            ended = time.perf_counter()
            decoded = to_tensor(decoded)
            write({"codec": name, "version": made_by, "setting": setting, "image": path.name,
                   "width": reference.width, "height": reference.height,
                   "bytes": len(data), "bpp": 8 * len(data) / (reference.width * reference.height),
                   "psnr": psnr(original, decoded).item(),
                   "ms_ssim": ms_ssim(original, decoded).item() if large else None,
                   "encode_seconds": middle - begun, "decode_seconds": ended - middle})


def means(rows: list[dict], metric: str) -> dict[str, np.ndarray]:
    """codec → (settings, 2) mean bpp and metric over images, by rising rate."""
    curves: dict[str, dict[float, list]] = {}
    for row in rows:
        if row[metric] is not None:
            curves.setdefault(row["codec"], {}).setdefault(row["setting"], []).append((row["bpp"], row[metric]))
    return {
        name: np.array(sorted(np.mean(values, 0).tolist() for values in settings.values())) for name, settings in curves.items()
    }


def rising(curve: np.ndarray) -> np.ndarray:
    """The points of a curve, ordered by rate, that are better than all before them."""
    best = np.maximum.accumulate(curve[:, 1])
    return curve[np.r_[True, best[1:] > best[:-1]]]


def bd_rate(anchor: np.ndarray, curve: np.ndarray) -> tuple[float, float, float]:
    """Bjøntegaard rate difference in percent (PCHIP) of mean curves, and the range of the metric it covers.

    NaN where the ranges do not overlap. Points that cost more than another and are no better do not count.
    """
    anchor, curve = rising(anchor), rising(curve)
    low, high = max(anchor[0, 1], curve[0, 1]), min(anchor[-1, 1], curve[-1, 1])
    if low >= high or min(len(anchor), len(curve)) < 2:
        return float("nan"), float(low), float(high)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of partial overlap; the range is reported instead
        value = bjontegaard.bd_rate(*anchor.T, *curve.T, method="pchip", require_matching_points=False, min_overlap=0)
    return float(value), float(low), float(high)


def decibel(curve: np.ndarray) -> np.ndarray:
    """MS-SSIM as −10·log10(1 − x), in which a BD-rate makes sense."""
    return np.stack([curve[:, 0], -10 * np.log10(1 - curve[:, 1])], 1)


def table(rows: list[dict], anchor: str) -> str:
    """BD-rates of every codec against ``anchor``, in PSNR and MS-SSIM, and mean seconds, as text."""
    psnr = means(rows, "psnr")
    similarity = {name: decibel(curve) for name, curve in means(rows, "ms_ssim").items()}
    if anchor not in psnr:
        raise MetamerError(f"anchor '{anchor}' was not measured; measured are {', '.join(psnr)}")
    images = len({row["image"] for row in rows})
    lines = [
        f"{images} images; bpp is the whole file; mean curves; BD-rate against {anchor} (PCHIP over the common range)",
        "",
        f"{'codec':<12} {'bpp':>13} {'PSNR dB':>13} {'BD-rate':>9} {'over dB':>13} {'MS-SSIM':>11} {'enc s':>6} {'dec s':>6}",
    ]
    for name, curve in psnr.items():
        rate, low, high = bd_rate(psnr[anchor], curve)
        shape = "–"
        if name in similarity and anchor in similarity:
            shape = f"{bd_rate(similarity[anchor], similarity[name])[0]:+.1f} %"
        own = [row for row in rows if row["codec"] == name]
        seconds = [np.mean([row[f"{way}_seconds"] for row in own]) for way in ("encode", "decode")]
        lines.append(
            f"{name:<12} {curve[0, 0]:5.3f} – {curve[-1, 0]:5.3f} {curve[0, 1]:5.2f} – {curve[-1, 1]:5.2f} {rate:>+7.1f} % "
            f"{low:5.2f} – {high:5.2f} {shape:>11} {seconds[0]:6.3f} {seconds[1]:6.3f}"
        )
    return "\n".join(lines)


def evaluate(folder: Path, names: list[str], out: Path, anchor: str) -> str:
    """Measures codecs on the pictures of ``folder``; returns the table.

    Writes into ``out``: results.jsonl (a row per image and setting; an interrupted run continues), table.txt, and
    rate_distortion.png. Raises MetamerError.
    """
    files = sorted(path for path in Path(folder).glob("*") if path.suffix.lower() in pixels.SUFFIXES)
    if not files:
        raise ImageError(f"{folder}: no pictures there")
    names = names or ["base", *peers()]
    if anchor not in names:
        names.append(anchor)
    for name in names:
        coders(name)  # unknown ones are told before the first hour is spent
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    results = out / "results.jsonl"
    images, versions = {path.name for path in files}, {name: version(name) for name in names}
    lines = results.read_text().splitlines(keepends=True) if results.exists() else []
    rows = [json.loads(line) for line in lines if line.endswith("}\n")]  # an interrupted run may leave half a line
    results.write_text("".join(json.dumps(row) + "\n" for row in rows))
    rows = [row for row in rows if row["image"] in images and versions.get(row["codec"]) == row["version"]]
    seen = {(row["codec"], row["version"], row["setting"], row["image"]) for row in rows}
    with open(results, "a", buffering=1) as log:

        def write(row: dict) -> None:
            rows.append(row)
            log.write(json.dumps(row) + "\n")

        for name in names:
            measure(name, files, seen, write)
    text = table(rows, anchor)
    (out / "table.txt").write_text(text + "\n")
    plots.rate_distortion({metric: means(rows, metric) for metric in ("psnr", "ms_ssim")}, out / "rate_distortion.png")
    return text
