"""Makes the page, a folder that any web server serves as it is: `python web/demo/build.py OUT`.

It holds the package, the model `base` with its decoders and encoder, and the repository's
photograph at some qualities, beside AVIF and JPEG files that are as large.
"""

import io
import json
import shutil
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from PIL import Image

import metamer
from metamer.train.export.web.files import export_for_browsers

HERE = Path(__file__).parent
QUALITIES = (5, 15, 25, 40, 55, 70, 85)
PLAIN = 40  # of the one that stands in an <img>


def largest_within(save: Callable[..., None], limit: int) -> bytes:
    """What ``save`` writes at the highest quality, 1 … 95, that takes at most ``limit`` bytes, or
    at the lowest.
    """
    low, high, best = 1, 95, b""
    while low <= high:
        middle = (low + high) // 2
        buffer = io.BytesIO()
        save(buffer, quality=middle)
        data = buffer.getvalue()
        if not best or len(data) <= limit or len(data) < len(best):
            best = data
        low, high = (middle + 1, high) if len(data) <= limit else (low, middle - 1)
    return best


def pictures(photograph: Path, folder: Path) -> None:
    """The photograph's files, and a list of them."""
    picture, name, points = Image.open(photograph).convert("RGB"), photograph.stem, []
    picture.save(folder / f"{name}.webp", lossless=True, method=6)
    for quality in QUALITIES:
        data = metamer.encode(picture, quality)
        files = {"mtm": data}
        for suffix, options in (("avif", {}), ("jpeg", {"optimize": True, "progressive": True})):
            files[suffix] = largest_within(
                partial(picture.save, format=suffix.upper(), **options), len(data)
            )
        for suffix, held in files.items():
            (folder / f"{name}-{quality}.{suffix}").write_bytes(held)
        points.append(
            {"quality": quality, **{suffix: f"{name}-{quality}.{suffix}" for suffix in files}}
        )
    shutil.copy(folder / f"{name}-{PLAIN}.mtm", folder / f"{name}.mtm")
    about = {
        "width": picture.width,
        "height": picture.height,
        "original": f"{name}.webp",
        "points": points,
    }
    (folder / f"{name}.json").write_text(json.dumps(about))


def build(out: Path, models: Path | None = None) -> None:
    """Writes the page into the folder ``out``, which is made. models: a folder that has them, if at
    hand.
    """
    (out / "pictures").mkdir(parents=True)
    for path in HERE.iterdir():
        if path.suffix in (".html", ".css", ".js", ".svg"):
            shutil.copy(path, out)
    sources = shutil.ignore_patterns("*.c", "*.h", "*.sh", "*.ts", "*.sources")
    for part in ("src", "kernels"):
        shutil.copytree(HERE.parent / part, out / "metamer" / part, ignore=sources)
    if models:
        shutil.copytree(models, out / "models")
    else:
        export_for_browsers("base", out / "models")
    pictures(HERE.parent.parent / "examples" / "otters.png", out / "pictures")
    kept = [
        path.relative_to(out).as_posix()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.suffix not in (".model", ".decoder", ".encoder")
    ]
    (out / "files.json").write_text(json.dumps(kept))


if __name__ == "__main__":
    build(Path(sys.argv[1]))
