"""Writes the conformance streams of a model: `python -m metamer.bitstreams.make base [PICTURE …]`.

Only for a new shipped model, or a picture that is new here; old streams stay.
"""

import json
import sys

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from metamer.bitstreams.check import FOLDER, LIST, latent_digest, pixel_digest
from metamer.codec.decode import decode, decode_latents
from metamer.codec.encode import encode
from metamer.codec.format.container import NO_MODEL
from metamer.codec.network.model import load_model


def pictures() -> dict[str, Image.Image]:
    """Small pictures of every kind that has a way of its own to go wrong."""
    otters = Image.open(FOLDER.parent / "examples" / "otters.png").convert("RGB")
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    return {
        "pixel-1x1": Image.new("RGB", (1, 1), (12, 200, 90)),
        "crop-17x33": otters.crop((250, 120, 267, 153)),
        "crop-64x64": otters.crop((230, 110, 294, 174)),
        "landscape-184x104": otters.resize((184, 104), Image.Resampling.LANCZOS),
        "portrait-104x160": otters.crop((220, 20, 474, 410)).resize(
            (104, 160), Image.Resampling.LANCZOS
        ),
        "flat-48x80": Image.new("RGB", (48, 80), (230, 20, 60)),
        "noise-64x48": Image.fromarray(noise),
        "tiles-1072x24": otters.resize((1072, 603), Image.Resampling.BICUBIC).crop(
            (0, 250, 1072, 274)
        ),
        "grey-64x64": otters.crop((230, 110, 294, 174)).convert("L"),
        "alpha-72x40": with_alpha(otters.crop((230, 130, 302, 170))),
        "tiles-24x1040": otters.resize((1850, 1040), Image.Resampling.BICUBIC).crop(
            (900, 0, 924, 1040)
        ),
    }


def drawings() -> dict[str, Image.Image]:
    """Pictures that the encoder has a choice of forms for: text, noise, and a photograph among
    text.
    """
    otters = Image.open(FOLDER.parent / "examples" / "otters.png").convert("RGB")
    page = Image.new("RGB", (1072, 96), "white")
    ImageDraw.Draw(page).text(
        (8, 8),
        "Lossless is whatever nobody photographed.\n" * 5,
        "navy",
        ImageFont.load_default(14),
    )
    mixed, tiled = page.crop((0, 0, 200, 90)), page.copy()
    mixed.paste(otters.crop((230, 110, 294, 174)), (120, 10))
    tiled.paste(otters.crop((230, 110, 278, 206)), (1024, 0))
    noise = np.random.default_rng(1).normal(128, 25, (40, 56, 3)).clip(0, 255).astype(np.uint8)
    return {
        "drawn-blocks-200x90": mixed,
        "drawn-residual-56x40": Image.fromarray(noise),
        "drawn-tiles-1072x96": tiled,
        "lossless-100x50": page.crop((0, 0, 100, 50)),
        "lossless-grey-33x17": otters.crop((250, 120, 283, 137)).convert("L"),
        "lossless-alpha-72x40": with_alpha(page.crop((0, 0, 72, 40))),
        "lossless-tiles-1072x20": page.crop((0, 4, 1072, 24)),
    }


QUALITIES = {
    "pixel-1x1": (50,),
    "crop-17x33": (20, 80),
    "crop-64x64": (0, 50, 100),
    "landscape-184x104": (10, 45, 75),
    "portrait-104x160": (25, 60),
    "flat-48x80": (50,),
    "noise-64x48": (30, 100),
    "tiles-1072x24": (15, 50),
    "tiles-24x1040": (40,),
    "grey-64x64": (20, 70),
    "alpha-72x40": (40,),
    "drawn-blocks-200x90": (50,),
    "drawn-residual-56x40": (90,),
    "drawn-tiles-1072x96": (50,),
}


def with_alpha(picture: Image.Image) -> Image.Image:
    """Opaque in the middle, with a soft edge."""
    picture.putalpha(
        Image.radial_gradient("L")
        .resize(picture.size)
        .point(lambda level: max(0, min(255, 600 - 4 * level)))
    )
    return picture


def main(model: str, *names: str) -> None:
    entries = json.loads(LIST.read_text()) if LIST.exists() else {}
    model_id = load_model(model).id.hex()
    for name, picture in (pictures() | drawings()).items():
        if names and name not in names:
            continue
        kind, options = name.split("-")[0], {"model": model, "tile": "tiles-" in name}
        for quality in QUALITIES.get(name, (100,)):
            stem = f"{model_id}-{name}-q{quality}"
            if kind == "lossless":  # no model has a part in these
                stem, lossless = f"{NO_MODEL.hex()}-{name}", True
            else:
                lossless = None if kind == "drawn" else False
            data = encode(picture, quality, lossless=lossless, **options)
            decoded = decode(data)
            (FOLDER / f"{stem}.mtm").write_bytes(data)
            decoded.save(FOLDER / f"{stem}.png", optimize=True)
            entries[stem] = {
                "latents": latent_digest(decode_latents(data)),
                "pixels": pixel_digest(decoded),
            }
    LIST.write_text(json.dumps(entries, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
