"""The package decodes and encodes as Python does."""

import hashlib
import io
import json
import random
import struct
import subprocess
import zlib
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageCms

import metamer
from metamer.bitstreams.check import FOLDER, LIST
from metamer.codec.format import container, leb128
from metamer.codec.grid import Box
from metamer.codec.picture import alpha, vp8l
from metamer.codec.stream import overlays
from metamer.codec.stream.coded_picture import parse_tiles
from metamer.codec.stream.overlays import Form
from tests.conftest import ROOT
from tests.web import verdicts
from tests.web.base import (
    ALPHA,
    BLOCKS,
    DECODERS,
    FLAT,
    GREY,
    LOSSLESS,
    LOSSLESS_ALPHA,
    LOSSLESS_GREY,
    MIXED,
    PHOTOGRAPH,
    PLAIN,
    RESIDUAL,
    TILED,
)
from tests.web.conftest import program
from tests.web.node import Node, Refused

STREAMS = json.loads(LIST.read_text())


def decode_pixels(node, data, **options) -> np.ndarray:
    """(H, W, 4) of what the package decodes."""
    size = node.ask("decode", data, **options)
    return np.frombuffer(node.bytes("decode", data, **options), np.uint8).reshape(
        size["height"], size["width"], 4
    )


def levels(image, reference) -> int:
    """How far two pictures are apart at most."""
    image, reference = (
        np.asarray(picture.convert("RGBA") if isinstance(picture, Image.Image) else picture, int)
        for picture in (image, reference)
    )
    assert image.shape == reference.shape
    return int(np.abs(image - reference).max())


@pytest.mark.parametrize("stem", sorted(STREAMS))
def test_conformance_streams(node, stem):
    data = FOLDER / f"{stem}.mtm"
    assert hashlib.sha256(node.bytes("latents", data)).hexdigest() == STREAMS[stem]["latents"]
    assert levels(decode_pixels(node, data), Image.open(FOLDER / f"{stem}.png")) <= 1


def test_pixels_lose_nothing_to_rounded_weights(node, otters):
    """At most 0.02 dB, at low quality and at the highest."""
    for quality in (20, 100):
        picture = otters.crop((100, 60, 420, 300))
        data = metamer.encode(picture, quality)
        errors = [
            np.square(np.asarray(decoded, float)[..., :3] - np.asarray(picture)).mean()
            for decoded in (metamer.decode(data), decode_pixels(node, data))
        ]
        assert abs(10 * np.log10(errors[1] / errors[0])) < 0.02


def test_verdicts_on_hostile_files(node):
    reached: Counter = Counter()
    for data in verdicts.inputs(300, 3):
        verdicts.compare(node, data, reached, share=0.5)
    assert reached["largest difference"] <= 1
    assert min(reached[key] for key in ("info refused", "decoding refused", "decoded")) > 5, reached


def test_options(node):
    data = (FOLDER / f"{PHOTOGRAPH}.mtm").read_bytes()
    sliding = ({"realism": 1}, {"realism": 0.4}, {"realism": 0}) if "realism" in DECODERS else ()
    for options in (*sliding, *({"decoder": name} for name in PLAIN), {"region": (50, 20, 71, 33)}):
        assert levels(decode_pixels(node, data, **options), metamer.decode(data, **options)) <= 1, (
            options
        )
    tiled = (FOLDER / f"{TILED}.mtm").read_bytes()
    assert (
        levels(
            decode_pixels(node, tiled, region=(1000, 3, 60, 20)),
            metamer.decode(tiled, region=(1000, 3, 60, 20)),
        )
        <= 1
    )


def test_no_webgpu_is_needed(node):
    """Node has none."""
    path = FOLDER / f"{PHOTOGRAPH}.mtm"
    for wish in ("auto", "any", False):
        assert not node.ask("decode", path, gpu=wish)["gpu"]


def test_previews_are_near(node):
    data = (FOLDER / f"{PHOTOGRAPH}.mtm").read_bytes()
    preview, picture = (
        np.asarray(metamer.decode(data, preview=coarse).convert("RGBA"), float)
        for coarse in (True, False)
    )
    deviation = decode_pixels(node, data, preview=True) - preview
    assert 0 < np.square(deviation).mean() < 0.1 * np.square(preview - picture).mean()


@pytest.mark.parametrize(
    ("stem", "regions"),
    [
        (BLOCKS, [(37, 11, 101, 60)]),
        (RESIDUAL, [(9, 17, 30, 20)]),
        (MIXED, [(1000, 30, 60, 50), (1030, 5, 9, 9)]),
        (LOSSLESS, [(1020, 3, 11, 15)]),
        (LOSSLESS_ALPHA, [(20, 9, 31, 22)]),
        (LOSSLESS_GREY, [(3, 2, 20, 9)]),
    ],
)
def test_parts_of_overlaid_pictures(node, stem, regions):
    data = (FOLDER / f"{stem}.mtm").read_bytes()
    for region in regions:
        for options in (
            {},
            *({"decoder": name} for name in PLAIN),
            *([{"realism": 0.6}] if "realism" in DECODERS else []),
        ):
            decoded, picture = (
                decode_pixels(node, data, region=region, **options),
                metamer.decode(data, region=region, **options),
            )
            assert levels(decoded, picture) <= metamer.info(data).lossless ^ 1, options
    assert node.ask("decode", data)["transparent"] == (stem == LOSSLESS_ALPHA)


def test_previews_show_overlays(node):
    """Exactly where they are without loss; residuals are of what is not looked at, but as in
    Python.
    """
    for stem in (LOSSLESS, LOSSLESS_ALPHA, LOSSLESS_GREY):
        assert (
            levels(
                decode_pixels(node, FOLDER / f"{stem}.mtm", preview=True),
                Image.open(FOLDER / f"{stem}.png"),
            )
            == 0
        )
    for stem, form in ((BLOCKS, Form.BLOCKS), (MIXED, Form.WHOLE)):
        path = FOLDER / f"{stem}.mtm"
        decoded = decode_pixels(node, path, preview=True)[..., :3]
        overlay = parse_tiles(*container.unpack(path.read_bytes())).overlays[0]
        assert overlay and overlay.form == form
        width, height = (1024, decoded.shape[0]) if form == Form.WHOLE else decoded.shape[1::-1]
        blocks = (
            np.ones(overlays.block_counts(width, height), bool)
            if overlay.blocks is None
            else overlay.blocks
        )
        inside = np.asarray(overlays.block_mask(blocks, width, height)) > 0
        exact = np.asarray(Image.open(FOLDER / f"{stem}.png"))[:, :width]
        assert np.array_equal(decoded[:, :width][inside], exact[inside])
    # the networks' tile is coarse
    assert not np.array_equal(decoded, Image.open(FOLDER / f"{MIXED}.png"))


def test_without_models(models, tmp_path):
    """What needs no model is shown where there are none."""
    without_models = Node(program("node"), tmp_path, tmp_path / "out")
    try:
        for stem in (LOSSLESS, LOSSLESS_ALPHA):
            path = FOLDER / f"{stem}.mtm"
            assert (
                levels(decode_pixels(without_models, path), Image.open(FOLDER / f"{stem}.png")) == 0
            )
            assert (
                without_models.ask("info", path)["lossless"]
                and without_models.bytes("latents", path) == b""
            )
        for method in ("decode", "info"):
            with pytest.raises(Refused, match="ModelError"):
                without_models.ask(method, FOLDER / f"{BLOCKS}.mtm")
    finally:
        without_models.close()


def test_only_visible_parts_need_a_model(node):
    """A part that overlays hold whole is decoded where the file's model is not there."""
    header, sections = container.unpack((FOLDER / f"{MIXED}.mtm").read_bytes())
    data = container.pack(replace(header, model_id=b"none"), sections)
    assert (
        levels(
            decode_pixels(node, data, region=(900, 10, 124, 50)),
            metamer.decode(data, region=(900, 10, 124, 50)),
        )
        == 0
    )
    with pytest.raises(Refused, match="ModelError: needs model"):
        node.ask("decode", data, region=(900, 10, 125, 50))


def test_one_colour_is_no_trap(node):
    """Few bytes may declare many pixels where they need no network."""
    picture = Image.new("RGB", (2048, 2048), (34, 120, 200))
    data = metamer.encode(picture, lossless=True)
    assert levels(decode_pixels(node, data), picture) == 0
    header, sections = container.unpack(data)
    with pytest.raises(Refused, match="StreamError: declares 65536x2048 pixels in"):
        node.ask(
            "decode",
            container.pack(replace(header, width=65536, height=2048, tiled=True), sections),
        )


@pytest.mark.parametrize(
    ("stem", "change"),
    [
        (BLOCKS, lambda body: b"\x04" + body[1:]),
        (BLOCKS, lambda body: body[:1]),
        # a bit for each of 13 x 6 blocks
        (BLOCKS, lambda body: _mapped(bytes(9))),
        (BLOCKS, lambda body: _mapped(bytes(11))),
        (BLOCKS, lambda body: _mapped(bytes(10), b"\0")),
        (BLOCKS, lambda body: body[:1] + b"\x03" + zlib.compress(bytes(10))[:3]),
        (BLOCKS, lambda body: body[:1] + b"\x80\0" + body[2:]),
        (RESIDUAL, lambda body: body[:1] + b"\x01" + body[2:]),
        (RESIDUAL, lambda body: b"\x01" + body[2:]),
        (RESIDUAL, lambda body: b"\x00" + body[2:]),
        (LOSSLESS, lambda body: b"\x02" + body[1:]),
        (LOSSLESS, lambda body: body[:2] + b"\x01" + body[3:]),
        (LOSSLESS, lambda body: body[:2] + b"\x03\x02" + body[3:]),
        (LOSSLESS, lambda body: body[:1]),
    ],
)
def test_overlays_that_cannot_be(node, stem, change):
    """Refused before anything is decoded, as in Python."""
    header, sections = container.unpack((FOLDER / f"{stem}.mtm").read_bytes())
    place = [section.kind for section in sections].index(container.Kind.OVERLAY)
    sections[place] = container.Section(container.Kind.OVERLAY, change(sections[place].body))
    data = container.pack(header, sections)
    with pytest.raises(metamer.StreamError):
        metamer.info(data)
    with pytest.raises(Refused, match="StreamError"):
        node.ask("info", data)


def _mapped(bits: bytes, trailing: bytes = b"") -> bytes:
    """An overlay of blocks, with a map of such bits and what follows its zlib stream."""
    packed = zlib.compress(bits) + trailing
    return bytes([Form.BLOCKS]) + leb128.leb128(len(packed)) + packed + b"\0"


@pytest.mark.parametrize(
    ("trailing", "refused"),
    [
        (b"", None),
        (b"\0", "StreamError"),
        (zlib.compress(b"II*\0" + bytes(40)), "StreamError"),
    ],
)
def test_metadata_ends_where_it_should(node, trailing, refused):
    """Also in Node, whose decompressor takes no offence at what follows."""
    header, sections = container.unpack((FOLDER / f"{FLAT}.mtm").read_bytes())
    exif = container.Section(
        container.Kind.EXIF, b"\x01" + zlib.compress(b"II*\0" + bytes(40)) + trailing
    )
    data = container.pack(header, [*sections, exif])
    assert (
        verdicts.verdict(lambda: metamer.decode(data))
        == verdicts.verdict(lambda: node.ask("decode", data))
        == refused
    )


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"region": (0, 0, 185, 104)}, "ImageError"),
        ({"region": (-1, 0, 5, 5)}, "ImageError"),
        ({"region": (0, 0, 0, 5)}, "ImageError"),
        ({"region": (0.5, 0, 5, 5)}, "ImageError"),
        ({"decoder": "nothing"}, "ModelError"),
        *(({"decoder": name, "realism": 0.5}, "ModelError") for name in PLAIN),
        ({"decoder": "__proto__"}, "ModelError"),
        ({"realism": 2}, "RangeError"),
        ({"gpu": True}, "RangeError"),
        ({"maxPixels": 184 * 104 - 1}, "StreamError"),
    ],
)
def test_options_that_cannot_be(node, options, name):
    with pytest.raises(Refused) as error:
        node.ask("decode", FOLDER / f"{PHOTOGRAPH}.mtm", **options)
    assert error.value.name == name


def test_more_pixels_where_the_limit_is_raised(node):
    header, (section,) = container.unpack((FOLDER / f"{FLAT}.mtm").read_bytes())
    large = container.Header(header.model_id, header.quality, 2048, 1024)
    data = container.pack(large, [section])
    with pytest.raises(Refused, match="trap"):
        node.ask("decode", data)
    with pytest.raises(Refused, match="damaged"):  # by its words: the limit is gone
        node.ask("decode", data, maxPixels=1 << 21)


@pytest.mark.parametrize(
    "stem", [PHOTOGRAPH, TILED, ALPHA, GREY, BLOCKS, RESIDUAL, MIXED, LOSSLESS, LOSSLESS_GREY]
)
def test_info(node, stem):
    path = FOLDER / f"{stem}.mtm"
    python_info, javascript_info = metamer.info(path), node.ask("info", path)
    assert javascript_info.pop("modelId") == python_info.model_id and javascript_info.pop(
        "bpp"
    ) == pytest.approx(python_info.bpp)
    assert {**javascript_info, "decoders": tuple(javascript_info["decoders"])} == {
        key: getattr(python_info, key) for key in javascript_info
    }


def test_models_that_are_not_there(node):
    header, sections = container.unpack((FOLDER / f"{PHOTOGRAPH}.mtm").read_bytes())
    data = container.pack(replace(header, model_id=b"none"), sections)
    assert node.ask("info", data)["model"] is None
    with pytest.raises(Refused, match=r"ModelError: needs model 6e6f6e65"):
        node.ask("decode", data)


def encoded(node, picture: Image.Image, **options) -> bytes:
    return node.bytes(
        "encode",
        picture.convert("RGBA").tobytes(),
        width=picture.width,
        height=picture.height,
        **options,
    )


@pytest.mark.parametrize(
    ("box", "quality", "tile"),
    [
        ((100, 60, 340, 240), 50, False),
        ((250, 120, 267, 153), 80, False),
        ((0, 300, 736, 320), 100, False),
        ((5, 5, 6, 6), 0, False),
    ],
)
def test_encoding_gives_the_same_bytes(node, otters, box, quality, tile):
    """As Python, where floating point agrees, as it has so far."""
    picture = otters.crop(box)
    assert encoded(node, picture, quality=quality, tile=tile) == metamer.encode(
        picture, quality, tile=tile
    )


def test_encoding_with_masking(node, otters):
    """The same for a model that weighs errors by how much they are seen, over a whole picture."""
    pictures = {
        "one": (otters.crop((100, 60, 343, 241)), 45, False),
        "grey": (otters.crop((100, 60, 201, 141)).convert("L"), 70, False),
        "tiles": (otters.resize((1100, 60)), 40, True),
        "small": (otters.crop((5, 5, 6, 6)), 20, False),
    }
    for name, (picture, quality, tile) in pictures.items():
        options = {"quality": quality, "tile": tile}
        data = encoded(node, picture.convert("RGB"), model="perceptual", **options)
        assert data == metamer.encode(picture, model="perceptual", **options), name
        assert metamer.decode(data).size == picture.size


def test_encoding_in_tiles(node, otters):
    picture = otters.resize((1100, 60))
    data = encoded(node, picture, quality=40, tile=True)
    assert data == metamer.encode(picture, 40, tile=True) and metamer.info(data).tiles == 2


def test_encoding_grey_and_transparent(node, otters):
    grey = otters.crop((100, 60, 300, 200)).convert("L")
    assert encoded(node, grey.convert("RGB"), quality=30) == metamer.encode(grey, 30)
    picture = otters.crop((100, 60, 300, 200))
    picture.putalpha(Image.radial_gradient("L").resize(picture.size))
    decoded = metamer.decode(encoded(node, picture, quality=30))
    assert decoded.getchannel("A").tobytes() == picture.getchannel("A").tobytes()
    assert (
        np.abs(
            np.asarray(decoded.convert("RGB"), int) - np.asarray(picture.convert("RGB"), int)
        ).mean()
        < 8
    )


@given(
    st.tuples(st.integers(1, 40), st.integers(1, 40)).flatmap(
        lambda shape: st.tuples(
            arrays(np.uint8, (*shape, 3), elements=st.integers(0, 255)),
            arrays(bool, shape, elements=st.sampled_from([False] * 4 + [True])),
        )
    )
)
def test_what_is_hidden_is_filled_alike(node, drawn):
    """To the last bit, at sizes that halve to odd numbers too."""
    colours, seen = drawn
    opacity = np.where(seen, np.uint8(255), np.uint8(0))
    height, width = seen.shape
    made = node.bytes("fill", np.dstack([colours, opacity]).tobytes(), width=width, height=height)
    levels = np.frombuffer(made, np.uint8).reshape(height, width, 4)[..., :3]
    expected = alpha.fill_transparent(Image.fromarray(colours), Image.fromarray(opacity))
    assert np.array_equal(levels, np.asarray(expected))


def test_colours_under_full_transparency_do_not_count(node, otters, rng):
    picture = otters.crop((100, 60, 251, 197))
    plane = Image.radial_gradient("L").resize(picture.size).point(lambda level: 255 * (level > 99))
    noise = Image.fromarray(rng.integers(0, 256, (*picture.size[::-1], 3), dtype=np.uint8))
    streams = []
    for shown in (picture, Image.composite(picture, noise, plane)):
        shown.putalpha(plane)
        streams.append(encoded(node, shown, quality=30))
    assert streams[0] == streams[1]
    assert (
        metamer.decode(streams[0]).tobytes()
        == metamer.decode(metamer.encode(picture, 30, lossless=False)).tobytes()
    )


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"width": 3, "height": 3}, "ImageError"),
        ({"width": 2, "height": 2, "quality": 101}, "RangeError"),
        ({"width": 2, "height": 2, "model": "none"}, "ModelError"),
        ({"width": 2, "height": 2, "maxPixels": 3}, "ImageError"),
    ],
)
def test_what_cannot_be_encoded(node, options, name):
    with pytest.raises(Refused) as error:
        node.ask("encode", bytes(16), **options)
    assert error.value.name == name


def webp_stream(picture: Image.Image, **options) -> bytes:
    """The image stream of lossless WebP without its header."""
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", lossless=True, **options)
    (length,) = struct.unpack_from("<I", buffer.getvalue(), 16)
    return buffer.getvalue()[25 : 20 + length]


@pytest.mark.parametrize(
    "options",
    [{"method": 0, "quality": 0}, {"method": 3, "quality": 40}, {"method": 6, "quality": 100}],
)
def test_lossless_webp(node, otters, rng, options):
    small = otters.resize((61, 43))
    for picture in (
        small,
        otters.resize((300, 170)),
        small.quantize(2).convert("RGB"),
        small.quantize(4).convert("RGB"),
        small.quantize(13).convert("RGB"),
        otters.quantize(200).convert("RGB").crop((0, 0, 150, 90)),
        Image.fromarray(rng.integers(0, 256, (50, 70, 3), dtype=np.uint8)),
        Image.new("RGB", (5, 3), "red"),
    ):
        decoded = node.bytes(
            "vp8l", webp_stream(picture, **options), width=picture.width, height=picture.height
        )
        colours = np.frombuffer(decoded, np.uint8).reshape(picture.height, picture.width, 4)[
            ..., 2::-1
        ]
        assert np.array_equal(colours, np.asarray(picture))


def test_writing_without_loss(node, rng):
    """Of one channel and of three, with codes of one symbol and of many, and with long runs."""
    planes = rng.normal(128, 6, (3, 60, 90)).astype(np.uint8)
    runs = np.full((3, 100, 100), 7, np.uint8)
    runs[:, 50:, 3] = rng.integers(0, 256, (3, 50))
    for one in (planes, runs, planes[:, :1, :1], planes[:1], np.repeat(planes[:1], 3, 0)):
        height, width = one.shape[1:]
        data = node.bytes("writeVp8l", one.tobytes(), channels=len(one))
        decoded = vp8l.decode_vp8l(data, width, height)
        order = (1, 0, 2)[: len(one)]  # green is first
        assert all((decoded[..., channel] == one[i]).all() for i, channel in enumerate(order))


def test_transparency_both_ways(node, rng):
    gradient = Image.radial_gradient("L")
    planes = [
        gradient.resize((90, 41)),
        Image.new("L", (1, 1), 7),
        Image.new("L", (2100, 3), 255),
        gradient.resize((2060, 9)),
        Image.fromarray(rng.integers(0, 256, (33, 64), dtype=np.uint8)),
        gradient.point(lambda level: 255 * (level > 99)),
    ]
    for plane in planes:
        width, height = plane.size
        box = Box(0, 0, height, width)
        body = node.bytes("writeAlpha", plane.tobytes(), width=width, height=height)
        assert alpha.decode_alpha(body, width, height, box).tobytes() == plane.tobytes()
        left, top = width // 3, height // 3
        region = (left, top, width - left, height - top)
        part = node.bytes(
            "alpha", alpha.encode_alpha(plane), width=width, height=height, region=region
        )
        assert part == plane.crop((left, top, width, height)).tobytes()


def test_png_files(node, otters):
    picture = otters.crop((100, 60, 200, 120))
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    for mode in ("RGB", "RGBA", "L", "LA"):
        source, canvas = io.BytesIO(), picture.convert(mode.removesuffix("A"))
        if mode.endswith("A"):
            canvas.putalpha(Image.radial_gradient("L").resize(canvas.size))
        canvas.save(source, "PNG", icc_profile=profile if mode == "RGBA" else None, exif=exif)
        data = metamer.encode(source.getvalue(), icc="keep")
        decoded = Image.open(io.BytesIO(node.bytes("png", data)))
        decoded.load()
        assert decoded.mode == mode and levels(decoded, metamer.decode(data)) <= 1
        assert decoded.getexif()[0x010F] == "Maker"
        assert decoded.info.get("icc_profile") == metamer.decode(data).info.get("icc_profile")


def test_kernels_are_built_from_their_sources():
    folder = ROOT / "web" / "kernels"
    sources = b"".join(
        (folder / name).read_bytes()
        for name in ("build.sh", "common.h", "range.c", "networks.c", "pixels.c")
    )
    assert (
        hashlib.sha256(sources).hexdigest() == (folder / "kernels.wasm.sources").read_text().strip()
    ), "web/kernels/build.sh"


def test_the_package_is_small():
    completed = subprocess.run(
        [program("npm"), "pack", "--dry-run", "--json"],
        cwd=ROOT / "web",
        capture_output=True,
        check=True,
    )
    (packed,) = json.loads(completed.stdout)
    names = {file["path"] for file in packed["files"]}
    assert (
        packed["size"] < 300_000
        and {"src/index.js", "src/index.d.ts", "kernels/kernels.wasm", "README.md"} <= names
    )
    assert not any(name.startswith(("models", "demo")) for name in names)


def test_random_bytes(node):
    rng = random.Random(7)
    for size in (0, 1, 17, 18, 19, 200):
        data = rng.randbytes(size)
        with pytest.raises(Refused, match="StreamError"):
            node.ask("decode", data)


def test_types(tmp_path):
    """The declarations say what usage.ts needs, and refuse what it marks as wrong."""
    compiler = ROOT / "web" / "node_modules" / "typescript" / "bin" / "tsc"
    if not compiler.exists():
        pytest.skip("no TypeScript here: npm ci --prefix web")
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules" / "metamer-web").symlink_to(ROOT / "web")
    (tmp_path / "usage.ts").write_text((ROOT / "tests" / "web" / "usage.ts").read_text())
    (tmp_path / "package.json").write_text('{"type": "module"}')
    options = ["--noEmit", "--strict", "--target", "es2022", "--module", "nodenext"]
    completed = subprocess.run(
        [program("node"), compiler, *options, "usage.ts"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert completed.returncode == 0, completed.stdout
