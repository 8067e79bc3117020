"""What the viewer shows: originals and decodes of some pictures, copied next to the page."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import numpy as np

from metamer.evaluation.measure.decoded import ORIGINAL, decoded_path
from metamer.evaluation.measure.rows import Point, Row
from metamer.evaluation.plots.style import metric_title
from metamer.evaluation.report.contents import decimals
from metamer.evaluation.results.at_rate import excess
from metamer.evaluation.results.folders import Results, distance_labels
from metamer.perception.registry import metric_of


def decoded_pair(decoded: Sequence[Path], row: Row) -> tuple[Path, Path] | None:
    """Where a row's original and what was decoded of it are kept; none where they are not."""
    for folder in decoded:
        pair = (
            folder / ORIGINAL / f"{Path(row['image']).stem}.png",
            decoded_path(folder, Path(row["image"]), Point(row["codec"], target=row["target"])),
        )
        if all(path.is_file() for path in pair):
            return pair
    return None


def copy_picture(path: Path, out: Path) -> str:
    """The picture into OUT/pictures; returns its address from the page."""
    target = out / "pictures" / path.parent.name / path.name
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, target)
    return quote(str(target.relative_to(out)))


def viewer_section(results: Results, out: Path, most: int) -> dict | None:
    """Copies originals and decodes of ``most`` pictures, spread over those of which all is kept,
    and says what is where.

    Codecs of which nothing is kept are left out. None where no picture is left.
    """
    places = {
        (row["image"], row["codec"], row["target"]): pair
        for row in results.matched
        if (pair := decoded_pair(results.decoded, row))
    }
    codecs = list(dict.fromkeys(codec for _, codec, _ in places))
    rates = sorted({row["target"] for row in results.matched})
    images = [
        image
        for image in sorted({image for image, _, _ in places})
        if all((image, codec, rate) in places for codec in codecs for rate in rates)
    ]
    if not images:
        return None
    distances = distance_labels(results.matched)
    chosen = np.linspace(0, len(images) - 1, min(most, len(images))).round().astype(int)
    return {
        "pictures": [
            picture_entry(
                [
                    (row, places[row["image"], row["codec"], row["target"]])
                    for row in results.matched
                    if row["image"] == images[index] and row["codec"] in codecs
                ],
                distances,
                out,
            )
            for index in chosen
        ],
        "all": len(images),
        "rates": [f"{rate:g}" for rate in rates],
        "codecs": codecs,
        "facts": facts(results.matched, distances),
    }


def picture_entry(
    decodes: Sequence[tuple[Row, tuple[Path, Path]]], distances: Sequence[str], out: Path
) -> dict:
    """Copies one picture, by its rows and their `decoded_pair`s, and says what of it is where."""
    by_rate: dict[str, dict] = {}
    for row, (_, decoded) in sorted(decodes, key=lambda item: item[0]["target"]):
        values = {
            key: row.get(key) and float(f"{row[key]:.6g}") for key in ("bytes", "bpp", *distances)
        }
        values["off"] = float(f"{100 * excess(row):.3g}")
        by_rate.setdefault(f"{row['target']:g}", {})[row["codec"]] = {
            "src": copy_picture(decoded, out),
            **values,
        }
    row, (original, _) = decodes[0]
    return {
        "name": row["image"],
        "width": row["width"],
        "height": row["height"],
        "original": copy_picture(original, out),
        "decodes": by_rate,
    }


def facts(rows: Sequence[Row], distances: Sequence[str]) -> list[dict]:
    """What the viewer says of a decode: key, title, decimals, and whether more (1), less (-1) or
    neither (0) is better.
    """
    return [
        {"key": "bytes", "title": "bytes", "digits": 0, "better": 0},
        {"key": "bpp", "title": "bits per pixel", "digits": 3, "better": 0},
        {"key": "off", "title": "off the rate, %", "digits": 1, "better": 0},
        *(
            {
                "key": label,
                "title": metric_title(label),
                "digits": decimals(rows, label),
                "better": metric_of(label).direction,
            }
            for label in distances
        ),
    ]
