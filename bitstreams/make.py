"""Writes the conformance streams of a model: `python -m bitstreams.make base [PICTURE …]`.

Only for a new shipped model, or a picture that is new here; old streams stay.
"""

import json
import sys

import numpy as np
from PIL import Image

import codec
from bitstreams.check import FOLDER, LIST, latent_digest, pixel_digest
from codec.model import load


def pictures() -> dict[str, Image.Image]:
    """Small pictures of every kind that has a way of its own to go wrong."""
    otters = Image.open(FOLDER.parent / "examples" / "otters.png").convert("RGB")
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    return {
        "pixel-1x1": Image.new("RGB", (1, 1), (12, 200, 90)),
        "crop-17x33": otters.crop((250, 120, 267, 153)),
        "crop-64x64": otters.crop((230, 110, 294, 174)),
        "landscape-184x104": otters.resize((184, 104), Image.Resampling.LANCZOS),
        "portrait-104x160": otters.crop((220, 20, 474, 410)).resize((104, 160), Image.Resampling.LANCZOS),
        "flat-48x80": Image.new("RGB", (48, 80), (230, 20, 60)),
        "noise-64x48": Image.fromarray(noise),
        "tiles-1072x24": otters.resize((1072, 603), Image.Resampling.BICUBIC).crop((0, 250, 1072, 274)),
        "grey-64x64": otters.crop((230, 110, 294, 174)).convert("L"),
        "alpha-72x40": with_alpha(otters.crop((230, 130, 302, 170))),
        "tiles-24x1040": otters.resize((1850, 1040), Image.Resampling.BICUBIC).crop((900, 0, 924, 1040)),
    }


QUALITIES = {
    "pixel-1x1": (50,), "crop-17x33": (20, 80), "crop-64x64": (0, 50, 100), "landscape-184x104": (10, 45, 75),
    "portrait-104x160": (25, 60), "flat-48x80": (50,), "noise-64x48": (30, 100), "tiles-1072x24": (15, 50),
    "tiles-24x1040": (40,), "grey-64x64": (20, 70), "alpha-72x40": (40,),
}


def with_alpha(picture: Image.Image) -> Image.Image:
    """Opaque in the middle, with a soft edge."""
    picture.putalpha(Image.radial_gradient("L").resize(picture.size).point(lambda level: max(0, min(255, 600 - 4 * level))))
    return picture


def main(model: str, *names: str) -> None:
    entries = json.loads(LIST.read_text()) if LIST.exists() else {}
    model_id = load(model).id.hex()
    for name, picture in pictures().items():
        if names and name not in names:
            continue
        for quality in QUALITIES[name]:
            stem = f"{model_id}-{name}-q{quality}"
            data = codec.encode(picture, quality, model=model, tile=name.startswith("tiles-"))
            decoded = codec.decode(data)
            (FOLDER / f"{stem}.mtm").write_bytes(data)
            decoded.save(FOLDER / f"{stem}.png", optimize=True)
            entries[stem] = {"latents": latent_digest(codec.decode_latents(data)), "pixels": pixel_digest(decoded)}
    LIST.write_text(json.dumps(entries, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
