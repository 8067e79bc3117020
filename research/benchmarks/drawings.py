"""Measures `drawn.py`'s pictures, Metamer beside JPEG, WebP, AVIF and PNG, and writes the page
about it.

    python research/benchmarks/drawings.py            # measures: drawings.json beside it, and codec/DRAWINGS.md from that
    python research/benchmarks/drawings.py --page     # the page alone
    python research/benchmarks/drawings.py --crops    # examples/drawings.jpg alone

Settings of the others are those at which the photograph in `examples/` has the PSNR that Metamer
gives it. Takes the package segno (a QR code).
"""

import argparse
import functools
import io
import json
import math
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL
from PIL import Image, ImageFile

import metamer
from metamer.codec.info import LOSSLESS

HERE = Path(__file__).parent
RESULTS, PAGE = HERE / "drawings.json", HERE.parents[1] / "codec" / "DRAWINGS.md"
QUALITIES = (50, 90)
CROPPED = {
    "photograph in a page of text": (330, 20),
    "web page, screenshot with photographs": (0, 60),
    "screenshot, windows": (240, 120),
}
CROPPED_AT, SIDE, SHEET = 30, (460, 300), HERE.parents[1] / "examples" / "drawings.jpg"
ImageFile.MAXBLOCK = 1 << 24  # Pillow's buffer is too small for JPEG files of noise
PEERS = {
    "JPEG": ("JPEG", {"subsampling": 0, "optimize": True}),
    "WebP": ("WEBP", {"method": 6}),
    "AVIF": ("AVIF", {"subsampling": "4:4:4", "speed": 6}),
}
EXACT = {
    "PNG": ("PNG", {"optimize": True}),
    "WebP": ("WEBP", {"lossless": True, "method": 6, "quality": 75}),
}


def save(picture: Image.Image, kind: str, options: dict) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def psnr(original: Image.Image, decoded: Image.Image) -> float:
    """dB, infinite for equal pictures; of transparent ones on white."""
    image, reference = (np.asarray(on_white(picture), float) for picture in (original, decoded))
    error = np.square(image - reference).mean()
    return -10 * math.log10(error / 255**2) if error else math.inf


def on_white(picture: Image.Image) -> Image.Image:
    if picture.mode not in ("RGBA", "LA"):
        return picture.convert("RGB")
    picture = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")


def with_peer(picture: Image.Image, peer: str, setting: int) -> tuple[int, float] | None:
    """Bytes and PSNR; None where it cannot."""
    kind, options = PEERS[peer]
    if kind == "JPEG" and picture.mode == "RGBA":
        return None
    picture = picture.convert("L") if picture.mode == "1" else picture
    data = save(picture, kind, options | {"quality": setting})
    return len(data), psnr(picture, Image.open(io.BytesIO(data)))


def setting_like(peer: str, photograph: Image.Image, target: float) -> int:
    """The setting of a peer with the PSNR nearest to ``wanted``, by bisection."""
    low, high = 1, 99
    while low < high:
        middle = (low + high) // 2
        measured = with_peer(photograph, peer, middle)
        assert measured is not None
        low, high = (middle + 1, high) if measured[1] < target else (low, middle)
    return low


def form(data: bytes) -> str:
    info = metamer.info(data)
    return (
        LOSSLESS
        if info.lossless
        else next((name for name in info.forms if name != "networks"), "networks")
    )


def measure() -> dict:
    import drawn

    photograph, settings, rows = drawn.photograph(), {}, []
    for quality in QUALITIES:
        target = psnr(photograph, metamer.decode(metamer.encode(photograph, quality)))
        settings[str(quality)] = {
            peer: setting_like(peer, photograph, target) for peer in PEERS
        } | {"PSNR": target}
    for name, draw in drawn.PICTURES.items():
        picture = draw()
        row: dict = {"name": name, "size": picture.size, LOSSLESS: {}}
        for exact, (kind, options) in EXACT.items():
            plain = picture.convert("L") if picture.mode == "1" and kind == "WEBP" else picture
            row[LOSSLESS][exact] = len(save(plain, kind, options))
        row[LOSSLESS]["Metamer"] = len(metamer.encode(picture, lossless=True))
        for quality in QUALITIES:
            data = metamer.encode(picture, quality)
            peers = {peer: with_peer(picture, peer, settings[str(quality)][peer]) for peer in PEERS}
            row[str(quality)] = {
                "form": form(data),
                "Metamer": (len(data), psnr(picture, metamer.decode(data))),
            } | peers
        rows.append(row)
        print(json.dumps(row), flush=True)
    model = metamer.info(metamer.encode(photograph, 50)).model_id
    return {"settings": settings, "pillow": PIL.__version__, "model": model, "rows": rows}


def nearest(encode: Callable[[int], bytes], target: int) -> bytes:
    """What a codec gives at the least setting that takes as many bytes."""
    low, high = 0, 100
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if len(encode(middle)) < target else (low, middle)
    return encode(low)


def with_avif(picture: Image.Image, setting: int) -> bytes:
    kind, options = PEERS["AVIF"]
    return save(picture, kind, options | {"quality": setting})


def crops() -> Image.Image:
    """Of mixed pictures: the original, Metamer at a middling quality, and, in as many bytes, its
    networks alone and AVIF.
    """
    import drawn

    cells = []
    for name, (left, top) in CROPPED.items():
        picture, box = drawn.PICTURES[name](), (left, top, left + SIDE[0], top + SIDE[1])
        data = metamer.encode(picture, CROPPED_AT)
        networks_alone = nearest(
            lambda setting, picture=picture: metamer.encode(picture, setting, lossless=False),
            len(data),
        )
        avif = nearest(functools.partial(with_avif, picture), len(data))
        print(
            f"{name}: Metamer {len(data)} bytes, networks alone {len(networks_alone)}, AVIF {len(avif)}",
            flush=True,
        )
        decodes = (
            picture,
            metamer.decode(data),
            metamer.decode(networks_alone),
            Image.open(io.BytesIO(avif)).convert("RGB"),
        )
        cells += [decode.crop(box) for decode in decodes]
    sheet = Image.new("RGB", (4 * SIDE[0] + 12, len(CROPPED) * (SIDE[1] + 4) - 4), "black")
    for index, crop in enumerate(cells):
        sheet.paste(crop, (index % 4 * (SIDE[0] + 4), index // 4 * (SIDE[1] + 4)))
    return sheet


def page(results: dict) -> str:
    """The page as Markdown."""
    rows = results["rows"]
    text = f"""# Pictures that are no photographs

Written by `python research/benchmarks/drawings.py`, with Pillow {results["pillow"]} and model {results["model"]};
`research/benchmarks/drawn.py`
draws the {len(rows)} pictures.

Networks that learned from photographs make little of text, line art, icons and noise. So `encode` chooses, tile by tile: the
networks; lossless data, those of WebP; lossless data for the blocks of 16 × 16 pixels that hold text or drawings, and the
networks for the rest (`blocks`); or the networks and what they lack, in coarse steps (`residual`). It takes what trades bits
for error best, at the rate of exchange that photographs have at that quality; what is no larger without loss is kept without
loss; and from quality 60 up no such tile ends more than 4 dB below what the quality gives photographs. `--lossless` keeps
everything.
[codec/encoder/mode_decision/choice.py](encoder/mode_decision/choice.py) has the rules, [bitstreams/FORMAT.md](../bitstreams/FORMAT.md) the format.

Photographs are told from drawings by a look that takes a few percent of encoding: up to quality 90 none of 60 photographs that
were kept out of training is coded otherwise than by the networks alone. Three of them, of fine grain all over, end more than
4 dB below the mean, the worst at 33.6 dB at quality 90; up to that quality they are left so.

Mixed pictures at quality {CROPPED_AT}: the original, Metamer, and, in as many bytes or the fewest they can, Metamer's networks
alone (`lossless=False`) and AVIF.

![A page of text with a photograph, a web page, a screenshot](../examples/{SHEET.name})

Bytes, and PSNR in dB (∞: without loss; of transparent pictures on white). The others are set to what gives the photograph in
`examples/` the PSNR that Metamer gives it.
"""
    for quality in QUALITIES:
        settings = results["settings"][str(quality)]
        names = [f"{peer} {settings[peer]}" for peer in PEERS]
        text += f"\n## Quality {quality}: {settings['PSNR']:.1f} dB for the photograph\n\n"
        text += f"| picture, pixels | form | Metamer | {' | '.join(names)} |\n|---|---|---|{'---|' * len(names)}\n"
        for row in rows:
            measured = row[str(quality)]
            cells = [cell(measured["Metamer"])] + [cell(measured[peer]) for peer in PEERS]
            text += f"| {row['name']}, {row['size'][0]}×{row['size'][1]} | {measured['form']} | {' | '.join(cells)} |\n"
    text += "\n## Without loss\n\n| picture | Metamer | WebP | PNG |\n|---|---|---|---|\n"
    for row in rows:
        text += f"| {row['name']} | {' | '.join(str(row[LOSSLESS][name]) for name in ('Metamer', 'WebP', 'PNG'))} |\n"
    return text


def cell(measured: tuple[int, float] | None) -> str:
    return (
        "–"
        if measured is None
        else f"{measured[0]}, {'∞' if math.isinf(measured[1]) else f'{measured[1]:.1f}'}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--page", action="store_true", help="write the page from the results that are there"
    )
    parser.add_argument("--crops", action="store_true", help="draw the crops alone")
    options = parser.parse_args()
    if options.crops or not options.page:
        crops().save(SHEET, quality=92, subsampling=0)
    if options.crops:
        return
    if not options.page:
        RESULTS.write_text(json.dumps(measure(), indent=1) + "\n")
    PAGE.write_text(page(json.loads(RESULTS.read_text())))


if __name__ == "__main__":
    sys.path.insert(0, str(HERE))
    main()
