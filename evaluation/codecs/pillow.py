"""The codecs that Pillow writes, with their options."""

import contextlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import PIL
from PIL import Image, features

from metamer.codec.errors import MetamerError
from metamer.evaluation.codecs.interface import Codec, parse_options

BOOLEAN, INTEGER, TEXT = (bool,), (int,), (str,)


@dataclass(frozen=True)
class PillowFormat:
    """A format of Pillow's. usual: what is saved with unless other options are asked for; taken:
    option → types of its values, of those that make bytes differ (Pillow itself takes any name in
    silence).
    """

    kind: str
    settings: Sequence[float]
    ladder: Sequence[float]
    setting: Callable[[float], dict[str, object]]
    usual: dict[str, object]
    taken: dict[str, tuple[type, ...]]

    def codec(self, name: str, options: str | None = None) -> Codec:
        """The codec with ``options`` ("subsampling=4:4:4,optimize=false") in place of usual
        ones.
        """
        chosen = self.usual | ({} if options is None else parse_options(options, self.taken, name))
        title = name if options is None else f"{name}:{options}"

        def encode(picture: Image.Image, setting: float) -> bytes:
            buffer = io.BytesIO()
            try:
                picture.save(buffer, self.kind, **self.setting(setting), **chosen)
            except (OSError, ValueError, TypeError) as problem:
                raise MetamerError(f"{title}: {problem}") from None
            return buffer.getvalue()

        def decode(data: bytes) -> Image.Image:
            return Image.open(io.BytesIO(data)).convert("RGB")

        return Codec(
            title, title, f"Pillow {PIL.__version__}", self.settings, self.ladder, encode, decode
        )


def quality_option(setting: float) -> dict[str, object]:
    return {"quality": setting}


JPEG = PillowFormat(
    "JPEG",
    (5, 10, 15, 20, 30, 40, 50, 60, 70, 80, 90, 95),
    range(1, 96),
    quality_option,
    {"subsampling": "4:2:0", "optimize": True, "progressive": True},
    {
        "subsampling": TEXT,
        "optimize": BOOLEAN,
        "progressive": BOOLEAN,
        "smooth": INTEGER,
        "keep_rgb": BOOLEAN,
        "restart_marker_blocks": INTEGER,
        "restart_marker_rows": INTEGER,
    },
)
WEBP = PillowFormat(
    "WEBP",
    (0, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95),
    range(101),
    quality_option,
    {"method": 6},
    {"method": INTEGER},
)
AVIF = PillowFormat(
    "AVIF",
    range(10, 100, 10),
    range(101),
    quality_option,
    {"speed": 6, "subsampling": "4:2:0"},
    {
        "speed": INTEGER,
        "subsampling": TEXT,
        "codec": TEXT,
        "range": TEXT,
        "tile_rows": INTEGER,
        "tile_cols": INTEGER,
        "autotiling": BOOLEAN,
        "max_threads": INTEGER,
    },
)
JPEG_2000 = PillowFormat(
    "JPEG2000",
    (240, 160, 120, 80, 60, 40, 30, 20, 15, 10, 8),
    # 1000 … 2.4 in steps of 1 %, finer than a rate need be
    [1000 * 0.99**step for step in range(600)],
    lambda ratio: {"quality_layers": [ratio]},
    {"quality_mode": "rates", "irreversible": True, "mct": 1},
    {
        "irreversible": BOOLEAN,
        "mct": INTEGER,
        "num_resolutions": INTEGER,
        "progression": TEXT,
        "no_jp2": BOOLEAN,
    },
)
JPEG_XL = PillowFormat(
    "JXL",
    (10, 20, 30, 40, 50, 60, 70, 80, 90, 95),
    range(100),
    quality_option,
    {},
    {
        "effort": INTEGER,
        "decoding_speed": INTEGER,
        "use_container": BOOLEAN,
        "num_threads": INTEGER,
    },
)


def pillow_formats() -> dict[str, PillowFormat]:
    """Every format this Pillow can write, by name, as it is used where nothing else is asked for.

    JPEG: 4:2:0, optimised, progressive. WebP: method 6. AVIF: speed 6, 4:2:0 (Pillow's default) and
    4:4:4. JPEG 2000: the 9/7 wavelet with its colour transform, one layer at the given compression
    ratio. JPEG XL: when the package pillow-jxl-plugin is there.
    """
    formats = {"jpeg": JPEG}
    if features.check("webp"):
        formats["webp"] = WEBP
    if features.check("avif"):
        formats["avif"] = AVIF
        formats["avif-444"] = replace(AVIF, usual=AVIF.usual | {"subsampling": "4:4:4"})
    if features.check("jpg_2000"):
        formats["jpeg2000"] = JPEG_2000
    with contextlib.suppress(ImportError):
        import pillow_jxl  # noqa: F401  registers JPEG XL with Pillow

        formats["jxl"] = JPEG_XL
    return formats
