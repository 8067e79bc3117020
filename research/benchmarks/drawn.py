"""Pictures that are no photographs, or only in part: what people give image codecs besides.

`pictures()` draws them all, the same on every machine with the same Pillow, from nothing but the
photograph in `examples/`.
"""

import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

EXAMPLES = Path(__file__).parents[2] / "examples"
TEXT = """The quick brown fox jumps over the lazy dog while 1,234 sphinxes of black quartz judge my vow and five boxing wizards
jump quickly past pack my box with five dozen liquor jugs"""
WORDS = TEXT.split()
PICTURES: dict[str, Callable[[], Image.Image]] = {}


def picture(name: str) -> Callable:
    """Registers what draws the picture called ``name``."""

    def register(draw: Callable[[], Image.Image]) -> Callable[[], Image.Image]:
        PICTURES[name] = draw
        return draw

    return register


def random(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


@functools.cache
def photograph() -> Image.Image:
    return Image.open(EXAMPLES / "otters.png").convert("RGB")


def write(
    image: Image.Image,
    box: tuple[int, int, int, int],
    size: int,
    seed: int,
    ink="black",
    aliased: bool = False,
) -> None:
    """Fills ``box`` (left, top, right, bottom) of ``image`` with lines of text."""
    draw, font, rng = ImageDraw.Draw(image), ImageFont.load_default(size), random(seed)
    draw.fontmode = "1" if aliased else "L"
    left, top, right, bottom = box
    while top + size * 1.4 < bottom:
        line = ""
        while True:
            longer = f"{line} {WORDS[rng.integers(len(WORDS))]}".strip()
            if draw.textlength(longer, font) > right - left:
                break
            line = longer
        draw.text((left, top), line, ink, font)
        top += round(size * 1.4)


def grid(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    rows, columns = np.mgrid[0:height, 0:width]
    return rows, columns


def levels(array: np.ndarray) -> Image.Image:
    return Image.fromarray(np.clip(np.rint(array), 0, 255).astype(np.uint8))


@picture("checkerboard, 1 pixel")
def checkerboard() -> Image.Image:
    rows, columns = grid(256, 256)
    return Image.fromarray(((rows + columns) % 2 * 255).astype(np.uint8)).convert("RGB")


@picture("checkerboard, 8 pixels, of two colours")
def coarse_checkerboard() -> Image.Image:
    rows, columns = grid(256, 256)
    squares = (rows // 8 + columns // 8) % 2
    return Image.fromarray(np.array([[200, 30, 40], [20, 60, 180]], np.uint8)[squares])


@picture("stripes, 1 pixel, red and green")
def stripes() -> Image.Image:
    _, columns = grid(256, 256)
    return Image.fromarray(np.array([[220, 0, 0], [0, 160, 0]], np.uint8)[columns % 2])


@picture("zone plate")
def zone_plate() -> Image.Image:
    rows, columns = grid(384, 384)
    return levels(
        127.5 + 127.5 * np.cos(np.pi / 384 * ((rows - 192.0) ** 2 + (columns - 192.0) ** 2))
    )


def page(aliased: bool, mode: str = "RGB") -> Image.Image:
    image = Image.new(mode, (512, 384), "white")
    write(image, (24, 20, 490, 370), 13, 1, "black", aliased)
    return image


@picture("text, aliased")
def aliased_text() -> Image.Image:
    return page(True)


@picture("text, antialiased")
def antialiased_text() -> Image.Image:
    return page(False)


@picture("text, grey picture")
def grey_text() -> Image.Image:
    return page(False, "L")


@picture("text, subpixels")
def subpixel_text() -> Image.Image:
    wide = Image.new("L", (3 * 512, 384), 255)
    sheet = page(False, "L").resize((3 * 512, 384), Image.Resampling.BICUBIC)
    wide.paste(sheet)
    return Image.fromarray(np.asarray(wide.filter(ImageFilter.BoxBlur(1))).reshape(384, 512, 3))


@picture("text, light on dark, coloured")
def code() -> Image.Image:
    image, font, rng = (
        Image.new("RGB", (512, 384), (30, 30, 36)),
        ImageFont.load_default(13),
        random(2),
    )
    draw, inks = (
        ImageDraw.Draw(image),
        ["#d4d4d4", "#569cd6", "#ce9178", "#6a9955", "#dcdcaa", "#c586c0"],
    )
    for line in range(20):
        left = 12 + 24 * rng.integers(0, 4)
        for _ in range(rng.integers(2, 7)):
            word = WORDS[rng.integers(len(WORDS))]
            draw.text((left, 10 + 18 * line), word, inks[rng.integers(len(inks))], font)
            left += draw.textlength(word + " ", font)
    return image


@picture("line art, coloured, aliased")
def line_art() -> Image.Image:
    image, rng = Image.new("RGB", (384, 384), "white"), random(3)
    draw = ImageDraw.Draw(image)
    for _ in range(60):
        colour = tuple(rng.integers(0, 256, 3).tolist())
        (a, b), (c, d) = rng.integers(0, 384, (2, 2)).tolist()
        if rng.random() < 0.5:
            draw.line((a, b, c, d), colour, int(rng.integers(1, 4)))
        else:
            draw.ellipse((min(a, c), min(b, d), max(a, c), max(b, d)), outline=colour)
    return image


@picture("line art, antialiased")
def drawing() -> Image.Image:
    image, rng = Image.new("RGB", (1536, 1536), "white"), random(4)
    draw = ImageDraw.Draw(image)
    for _ in range(40):
        points = [tuple(point) for point in rng.integers(0, 1536, (3, 2)).tolist()]
        draw.line(points, "black", int(rng.integers(4, 12)), joint="curve")
    return image.resize((384, 384), Image.Resampling.LANCZOS)


@picture("cartoon, flat colours")
def cartoon() -> Image.Image:
    image, rng = Image.new("RGB", (1536, 1152), (150, 205, 240)), random(5)
    draw = ImageDraw.Draw(image)
    for _ in range(36):
        colour = tuple(rng.integers(30, 240, 3).tolist())
        x, y, size = *rng.integers(0, 1300, 2).tolist(), int(rng.integers(80, 420))
        draw.ellipse((x, y, x + size, y + size), colour, "black", 12)
    return image.resize((384, 288), Image.Resampling.BOX)


@picture("gradient, grey")
def grey_gradient() -> Image.Image:
    return Image.linear_gradient("L").resize((512, 256), Image.Resampling.BILINEAR).rotate(90)


@picture("gradient, coloured, oblique")
def gradient() -> Image.Image:
    rows, columns = grid(384, 512)
    return levels(np.stack([columns / 2, rows / 1.5, 255 - (rows + columns) / 3.6], -1))


@picture("gradient, dithered")
def dithered() -> Image.Image:
    rows, columns = grid(256, 384)
    smooth = np.stack([columns / 1.6, rows / 1.1, (rows + columns) / 2.6], -1)
    return levels(smooth + random(6).uniform(-0.5, 0.5, smooth.shape))


@picture("icon, 48 pixels, transparent")
def icon() -> Image.Image:
    image = Image.new("RGBA", (768, 768), (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((40, 40, 728, 728), 160, (33, 110, 220, 255))
    draw.polygon([(300, 200), (300, 568), (590, 384)], (255, 255, 255, 255))
    return image.resize((48, 48), Image.Resampling.LANCZOS)


@picture("logo, 320 pixels, transparent")
def logo() -> Image.Image:
    image = Image.new("RGBA", (1280, 640), (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    draw.ellipse((60, 100, 500, 540), (230, 60, 40, 255))
    draw.ellipse((160, 200, 400, 440), (0, 0, 0, 0))
    draw.text((560, 160), "Metamer", (40, 40, 60, 255), ImageFont.load_default(170))
    return image.resize((320, 160), Image.Resampling.LANCZOS)


@picture("pixel art")
def pixel_art() -> Image.Image:
    rng = random(7)
    palette = rng.integers(0, 256, (8, 3)).astype(np.uint8)
    half = rng.integers(0, 8, (6, 48, 24)) * (rng.random((6, 48, 24)) < 0.4)
    sprites = np.concatenate([half, half[..., ::-1]], 2)
    sheet = np.concatenate([np.concatenate(sprites[:3], 1), np.concatenate(sprites[3:], 1)], 0)
    return Image.fromarray(palette[sheet].repeat(4, 0).repeat(4, 1))


@picture("QR code")
def qr_code() -> Image.Image:
    import segno

    modules = np.array(
        segno.make("https://example.org/" + "metamer/" * 20, error="m").matrix, np.uint8
    )
    return Image.fromarray(
        np.pad(255 - 255 * modules, 4, constant_values=255).repeat(5, 0).repeat(5, 1)
    ).convert("RGB")


@picture("halftone, 1 bit")
def halftone() -> Image.Image:
    return photograph().convert("L").resize((480, 270)).convert("1")


@picture("dithered to 16 colours (GIF)")
def gif() -> Image.Image:
    return photograph().resize((480, 270)).quantize(16).convert("RGB")


@picture("noise, uniform")
def uniform_noise() -> Image.Image:
    return Image.fromarray(random(8).integers(0, 256, (192, 192, 3), dtype=np.uint8))


@picture("noise, σ = 25 about grey")
def sensor_noise() -> Image.Image:
    return levels(random(9).normal(128, 25, (256, 256, 3)))


@picture("noise, σ = 25, grey picture")
def grey_noise() -> Image.Image:
    return levels(random(10).normal(128, 25, (256, 256)))


@picture("noise, a tile of 64 pixels repeated")
def wallpaper() -> Image.Image:
    return Image.fromarray(
        np.tile(random(11).integers(0, 256, (64, 64, 3), dtype=np.uint8), (6, 6, 1))
    )


@picture("photograph with noise, σ = 15")
def noisy_photograph() -> Image.Image:
    array = np.asarray(photograph().crop((100, 60, 500, 360)), float)
    return levels(array + random(12).normal(0, 15, array.shape))


@picture("strip, 2×2000, noise")
def strip() -> Image.Image:
    return Image.fromarray(random(13).integers(0, 256, (2000, 2, 3), dtype=np.uint8))


@picture("strip, 2000×2, of a photograph")
def thin() -> Image.Image:
    return photograph().resize((2000, 1125), Image.Resampling.BICUBIC).crop((0, 500, 2000, 502))


@picture("one colour")
def flat() -> Image.Image:
    return Image.new("RGB", (640, 480), (34, 120, 200))


def window(image: Image.Image, box: tuple[int, int, int, int], title: str, seed: int) -> None:
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(12)
    left, top, right, bottom = box
    draw.rounded_rectangle(box, 8, "#fafafa", "#b0b0b0")
    draw.rounded_rectangle((left, top, right, top + 24), 8, "#dcdcdc")
    draw.text((left + 34, top + 5), title, "#303030", font)
    for number, colour in enumerate(("#ff5f57", "#febc2e", "#28c840")):
        draw.ellipse((left + 8 + 9 * number, top + 9, left + 14 + 9 * number, top + 15), colour)
    write(image, (left + 12, top + 34, right - 12, bottom - 8), 12, seed, "#202020")


@picture("screenshot, windows")
def screenshot() -> Image.Image:
    rows, columns = grid(600, 800)
    image = levels(np.stack([40 + rows / 12, 80 + columns / 16, 140 + (rows + columns) / 20], -1))
    window(image, (40, 40, 420, 360), "notes.txt", 14)
    window(image, (300, 180, 760, 540), "report.md", 15)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 576, 800, 600), "#e8e8ec")
    for number in range(9):
        draw.rounded_rectangle(
            (8 + 28 * number, 579, 26 + 28 * number, 597), 4, f"hsl({number * 40}, 70%, 55%)"
        )
    return image


@picture("plot (matplotlib)")
def plot() -> Image.Image:
    return (
        Image.open(EXAMPLES / "kodak.png")
        .convert("RGB")
        .resize((800, 400), Image.Resampling.LANCZOS)
    )


@picture("table, spreadsheet")
def table() -> Image.Image:
    image, font, rng = Image.new("RGB", (640, 400), "white"), ImageFont.load_default(12), random(16)
    draw = ImageDraw.Draw(image)
    for row in range(20):
        if row % 2:
            draw.rectangle((0, 20 * row, 640, 20 * row + 19), "#eef3fb")
        for column in range(8):
            ink = "#b00020" if rng.random() < 0.3 else "#222"
            draw.text((80 * column + 6, 20 * row + 3), f"{rng.normal(0, 1000):.2f}", ink, font)
    for column in range(8):
        draw.line((80 * column, 0, 80 * column, 400), "#c0c8d8")
    return image


@picture("map")
def map_() -> Image.Image:
    image, rng = Image.new("RGB", (1920, 1440), "#f2efe9"), random(17)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(14)
    for _ in range(30):
        x, y, w, h = *rng.integers(0, 1800, 2).tolist(), *rng.integers(80, 400, 2).tolist()
        draw.rectangle((x, y, x + w, y + h), ["#cdebb0", "#aad3df", "#e0dfdf"][rng.integers(3)])
    for _ in range(26):
        points = [tuple(point) for point in rng.integers(0, 1920, (2, 2)).tolist()]
        draw.line(points, "#b8a070", 26)
        draw.line(points, ["#ffffff", "#fcd6a4"][rng.integers(2)], 18)
    image = image.resize((640, 480), Image.Resampling.LANCZOS)
    draw = ImageDraw.Draw(image)
    for _ in range(24):
        draw.text(
            tuple(rng.integers(0, 440, 2).tolist()),
            WORDS[rng.integers(len(WORDS))].title(),
            "#444",
            font,
        )
    return image


@picture("scan, text on noisy paper")
def scan() -> Image.Image:
    image = (
        page(False)
        .rotate(0.7, Image.Resampling.BICUBIC, fillcolor="white")
        .filter(ImageFilter.GaussianBlur(0.6))
    )
    paper = np.array([244, 239, 225]) / 255 * np.asarray(image, float)
    return levels(paper + random(18).normal(0, 3, paper.shape))


@picture("photograph in a page of text")
def photograph_in_page() -> Image.Image:
    image = Image.new("RGB", (800, 640), "white")
    image.paste(photograph().resize((368, 207), Image.Resampling.LANCZOS), (400, 60))
    write(image, (24, 20, 380, 300), 14, 19)
    write(image, (24, 300, 776, 630), 14, 20)
    return image


@picture("photograph with a caption across")
def caption() -> Image.Image:
    image = photograph().resize((640, 360), Image.Resampling.LANCZOS)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(40)
    draw.text((60, 290), "Otters, seen at noon", "white", font, stroke_width=2, stroke_fill="black")
    return image


@picture("photograph beside line art")
def collage() -> Image.Image:
    image = Image.new("RGB", (768, 384), "white")
    image.paste(photograph().crop((176, 15, 560, 399)))
    image.paste(line_art(), (384, 0))
    return image


@picture("web page, screenshot with photographs")
def web_page() -> Image.Image:
    image = Image.new("RGB", (1000, 750), "#ffffff")
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, 1000, 56), "#1f2937")
    draw.text((24, 14), "The Daily Otter", "white", ImageFont.load_default(24))
    for number in range(3):
        left = 24 + 324 * number
        part = (
            photograph()
            .crop((60 + 150 * number, 20, 400 + 150 * number, 230))
            .resize((300, 185), Image.Resampling.LANCZOS)
        )
        image.paste(part, (left, 80))
        write(image, (left, 280, left + 300, 730), 13, 21 + number, "#333333")
    return image


@picture("photograph, for comparison")
def plain_photograph() -> Image.Image:
    return photograph()


@picture("photograph with a black frame")
def framed() -> Image.Image:
    image = Image.new("RGB", (560, 400), "black")
    image.paste(photograph().resize((480, 270), Image.Resampling.LANCZOS), (40, 65))
    return image


@picture("game scene: drawn sprites over a photograph")
def game() -> Image.Image:
    image = (
        photograph()
        .resize((640, 360), Image.Resampling.LANCZOS)
        .filter(ImageFilter.GaussianBlur(1))
    )
    sprites = pixel_art().resize((288, 192), Image.Resampling.NEAREST)
    mask = ImageChops.invert(
        sprites.convert("L").point(
            lambda level: 255 * (level == sprites.convert("L").getpixel((0, 0)))
        )
    )
    image.paste(sprites, (180, 120), mask)
    return image


def pictures() -> dict[str, Image.Image]:
    return {name: draw() for name, draw in PICTURES.items()}
