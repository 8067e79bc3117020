"""The front page's picture: crops of two test photographs, the original and three codecs at equal
bytes.

    python -m research.pages.front_picture KODAK
"""

import io
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import metamer

OUT = Path(__file__).parents[2] / "examples" / "front.png"
BPP = 0.2
CROPS = {"kodim21.png": (180, 150), "kodim04.png": (120, 130)}  # left, top
SIDE, MARGIN, LABEL = (288, 240), 6, 22
AVIF = {"subsampling": "4:2:0", "speed": 6}


def avif(picture: Image.Image, limit: int) -> bytes:
    """The best quality of Pillow's AVIF within ``limit`` bytes."""
    low, high, best = 0, 100, b""
    while low <= high:
        middle, buffer = (low + high) // 2, io.BytesIO()
        picture.save(buffer, "AVIF", quality=middle, **AVIF)
        if buffer.tell() <= limit:
            low, best = middle + 1, buffer.getvalue()
        else:
            high = middle - 1
    return best


def decodes(picture: Image.Image) -> dict[str, tuple[Image.Image, int]]:
    """Label → what a person sees, and the bytes that it took; 0 for the original."""
    peer = avif(picture, int(BPP * picture.width * picture.height / 8))
    data = {
        model: metamer.encode(picture, max_bytes=len(peer), model=model)
        for model in ("base", "perceptual")
    }
    return {
        "original": (picture, 0),
        "AVIF": (Image.open(io.BytesIO(peer)).convert("RGB"), len(peer)),
        **{
            f"Metamer {model}": (metamer.decode(stream), len(stream))
            for model, stream in data.items()
        },
    }


def sheet(folder: Path) -> Image.Image:
    width, height = SIDE
    rows, columns = len(CROPS), 4
    paper = Image.new(
        "RGB", (columns * (width + MARGIN) - MARGIN, rows * (height + LABEL + MARGIN)), "white"
    )
    draw, font = ImageDraw.Draw(paper), ImageFont.load_default(14)
    for row, (name, (left, top)) in enumerate(CROPS.items()):
        picture = Image.open(folder / name).convert("RGB")
        for column, (label, (decoded, size)) in enumerate(decodes(picture).items()):
            place = column * (width + MARGIN), row * (height + LABEL + MARGIN)
            paper.paste(decoded.crop((left, top, left + width, top + height)), place)
            error = np.square(np.asarray(decoded, float) - np.asarray(picture, float)).mean()
            caption = (
                f", {size / 1000:.1f} KB, {10 * np.log10(255**2 / error):.1f} dB" if size else ""
            )
            draw.text((place[0] + 2, place[1] + height + 2), label + caption, "black", font)
    return paper


if __name__ == "__main__":
    sheet(Path(sys.argv[1])).save(OUT, optimize=True)
