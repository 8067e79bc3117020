"""What `encode` and `decode` can be asked for: names, types, defaults and ranges, in one place.

The functions spell their arguments out, for people and for tools that read signatures, and a test
holds them to these classes; the command line and the plugin for Pillow take defaults, limits and
names from here. Nothing here brings the runtime, so that a command can start without it.
"""

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field, fields
from math import inf, isfinite
from pathlib import Path
from typing import Any

MAX_QUALITY = 100
QUALITIES = 256  # that a file can store
MAX_EFFORT = 9

Progress = Callable[[], object]  # called after every step of an effort
Region = tuple[int, int, int, int]  # x, y, width, height, in pixels


def quality_index(quality: float) -> int:
    """The quality that a file stores, for one that a user asks for.

    Args:
        quality: 0 … 100.

    Returns:
        0 … 255.

    Raises:
        ValueError: The quality is out of its range.

    Examples:
        >>> quality_index(50), quality_index(100)
        (128, 255)
    """
    if not 0 <= quality <= MAX_QUALITY:
        raise ValueError(f"quality must be between 0 and {MAX_QUALITY}, not {quality}")
    return round(quality * (QUALITIES - 1) / MAX_QUALITY)


def _within(low: float, high: float, default: Any) -> Any:
    """A field whose value, unless None, lies between two numbers."""
    return field(default=default, metadata={"range": (low, high)})


def _one_of(*choices: str) -> Any:
    """A field with one of a few values; the first is the default."""
    return field(default=choices[0], metadata={"choices": choices})


@dataclass(frozen=True)
class EncodeOptions:
    """What `encode` can be asked for; its documentation says what each option means.

    Raises:
        ValueError: A value is out of its range, more than one rate is asked for, or a distortion
            without an effort.
    """

    quality: float = _within(0, MAX_QUALITY, 50.0)
    _: KW_ONLY
    lossless: bool | None = None
    max_bytes: int | None = None
    bpp: float | None = None
    target: Mapping[str, float] | None = None
    model: str = "base"
    tile: bool = False
    max_pixels: int | None = None
    threads: int = 0
    icc: str = _one_of("convert", "keep")
    metadata: str = _one_of("keep", "strip")
    first_frame: bool = False
    alpha_quality: int = _within(0, 100, 100)
    effort: int = _within(0, MAX_EFFORT, 0)
    distortion: Mapping[str, float] | None = None
    progress: Progress | None = None

    def __post_init__(self) -> None:
        asked = (self.max_bytes is not None, self.bpp is not None, self.target is not None)
        if sum(asked) + bool(self.lossless) > 1:
            raise ValueError("give one of max_bytes, bpp, target and lossless")
        if self.target is not None and not (
            len(self.target) == 1 and all(isfinite(value) for value in self.target.values())
        ):
            raise ValueError(
                "target must be one metric and a finite value, such as {'psnr': 38}, "
                f"not {self.target}"
            )
        if self.bpp is not None and not 0 < self.bpp < inf:
            raise ValueError(f"bpp must be positive and finite, not {self.bpp}")
        if self.distortion is not None:
            if not self.effort:
                raise ValueError("distortion is for an effort above 0")
            if not self.distortion or not all(
                0 < weight < inf for weight in self.distortion.values()
            ):
                raise ValueError(
                    "distortion must be metrics with positive, finite weights, such as "
                    f"{{'mse': 1.0}}, not {self.distortion}"
                )
        _check(self)

    def byte_limit(self, pixels: int) -> int | None:
        """Bytes that the file of a picture of so many pixels may take; None for any number."""
        return self.max_bytes if self.bpp is None else int(self.bpp * pixels / 8)


@dataclass(frozen=True, kw_only=True)
class DecodeOptions:
    """What `decode` and `rescue` can be asked for; `decode`'s documentation says what each option
    means.

    Raises:
        ValueError: A value is out of its range.
    """

    region: Region | None = None
    preview: bool = False
    model: str | None = None
    decoder: str | Path | None = None
    realism: float | None = _within(0, 1, None)
    max_pixels: int | None = None
    threads: int = 0

    def __post_init__(self) -> None:
        _check(self)


def _check(options: EncodeOptions | DecodeOptions) -> None:
    """Raises ValueError where a value is not as its field's metadata has it."""
    for item in fields(options):
        value = getattr(options, item.name)
        low, high = item.metadata.get("range", (-inf, inf))
        if "range" in item.metadata and value is not None and not low <= value <= high:
            raise ValueError(f"{item.name} must be between {low} and {high}, not {value}")
        choices = item.metadata.get("choices")
        if choices and value not in choices:
            raise ValueError(f"{item.name} must be {' or '.join(choices)}, not {value!r}")
