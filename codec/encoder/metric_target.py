"""The smallest file whose decoded picture reaches a value of a metric.

What a file reaches is measured on what it decodes to, never predicted. Metrics rise with quality,
save for small steps back, and so do sizes; both are looked for below the quality that bisection
ends at.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from PIL import Image

from metamer.codec.decode import decode
from metamer.codec.encoder.size_limit import TRIES
from metamer.codec.errors import ImageError
from metamer.codec.options import QUALITIES, EncodeOptions
from metamer.codec.picture.load import Picture
from metamer.codec.system.entry_points import load_entry_point

JUDGES = (
    "metamer.judges"  # group of entry points in which what measures other metrics offers itself
)
# qualities of the 256 below the one that bisection ends at which are looked at too
BELOW = 4
MOST_DB = 100.0  # PSNR of identical pictures, as `metamer metrics list` has it


class Judge(Protocol):
    """One metric.

    name: how it was asked for; best: the value of identical pictures; higher_is_better: the
    direction.
    """

    name: str
    best: float
    higher_is_better: bool

    def __call__(self, original: np.ndarray, decoded: np.ndarray) -> float:
        """Of pictures as (H, W, 3) uint8."""


class PeakSignalToNoise:
    """PSNR over all samples, in dB."""

    name, best, higher_is_better = "psnr", MOST_DB, True

    def __call__(self, original: np.ndarray, decoded: np.ndarray) -> float:
        error = np.square(original.astype(np.float32) - decoded).mean(dtype=np.float64) / 255**2
        return float(min(MOST_DB, -10 * np.log10(max(error, 1e-20))))


def load_judge(spec: str) -> Judge:
    """The judge of a metric: PSNR is our own, all others are found by an entry point.

    Raises:
        ImportError: What is installed offers no other metrics.
        ValueError: There is no such metric, or a package or weights that it needs are missing.
    """
    if spec == PeakSignalToNoise.name:
        return PeakSignalToNoise()
    judge: Judge = load_entry_point(JUDGES, "perception", spec, "perception")(spec)
    return judge


@dataclass(frozen=True)
class Target:
    """A value that the decoded picture has to reach.

    Raises:
        ImageError: Identical pictures do not reach it.
    """

    judge: Judge
    value: float

    def __post_init__(self) -> None:
        if not self.reached_by(self.judge.best):
            raise ImageError(
                f"does not reach {self.judge.name}={self.value:g}; identical pictures have "
                f"{self.judge.best:g}"
            )

    @classmethod
    def of(cls, target: Mapping[str, float]) -> "Target":
        """Of `EncodeOptions.target`."""
        ((spec, value),) = target.items()
        return cls(load_judge(spec), value)

    def reached_by(self, value: float) -> bool:
        return value >= self.value if self.judge.higher_is_better else value <= self.value


def measure_files(
    judge: Judge, original: Picture, options: EncodeOptions
) -> Callable[[bytes], float]:
    """What gives the metric of a file of a picture, as it decodes."""
    reference = _pixels(original.image, original.transparency)
    pixels = original.image.width * original.image.height

    def measure(data: bytes) -> float:
        decoded = decode(data, model=options.model, max_pixels=pixels, threads=options.threads)
        opacity = decoded.getchannel("A") if "A" in decoded.mode else None
        return judge(reference, _pixels(decoded.convert(original.image.mode), opacity))

    return measure


def _pixels(image: Image.Image, opacity: Image.Image | None) -> np.ndarray:
    """(H, W, 3) uint8; what is transparent lies over white."""
    colours = image.convert("RGB")
    if opacity:
        colours = Image.composite(colours, Image.new("RGB", colours.size, "white"), opacity)
    return np.asarray(colours)


def smallest_reaching(
    target: Target,
    measure: Callable[[bytes], float],
    plain: Callable[[int], bytes],
    refined: Callable[[int], bytes] | None,
    lossless: Callable[[], bytes] | None,
) -> bytes:
    """The smallest of the files tried whose picture reaches the target.

    Args:
        target: What has to be reached.
        measure: The metric's value of a file.
        plain: The file at a quality of 256, without effort.
        refined: The same with effort, if there is any. It takes long and changes values alike at
            neighbouring qualities: what it did at one says where to try next.
        lossless: The file without loss, taken where no other reaches the target; None where it is
            not wanted.

    Raises:
        ImageError: None reaches it.
    """
    search = _Search(target, measure, plain)
    index, refinements = search.lowest(), dict[int, tuple[bytes, float]]()
    while refined and index not in refinements and len(refinements) < TRIES:
        data = refined(index)
        refinements[index] = data, measure(data)
        index = search.lowest(refinements[index][1] - search.value(index))
    tried = [*search.files(), *refinements.values()]
    if lossless and not any(target.reached_by(value) for _, value in tried):
        data = lossless()
        tried.append((data, measure(data)))
    reaching = [data for data, value in tried if target.reached_by(value)]
    if not reaching:
        best = (max if target.judge.higher_is_better else min)(value for _, value in tried)
        raise ImageError(
            f"does not reach {target.judge.name}={target.value:g}; the best of {len(tried)} files "
            f"has {best:.4g}"
        )
    return min(reaching, key=len)


class _Search:
    """Files without effort and what they reach, each made and measured once."""

    def __init__(
        self, target: Target, measure: Callable[[bytes], float], plain: Callable[[int], bytes]
    ):
        self._target, self._measure, self._plain = target, measure, plain
        self._tried: dict[int, tuple[bytes, float]] = {}

    def value(self, index: int) -> float:
        if index not in self._tried:
            data = self._plain(index)
            self._tried[index] = data, self._measure(data)
        return self._tried[index][1]

    def lowest(self, gain: float = 0.0) -> int:
        """About the lowest quality that reaches the target; the highest where none does.

        gain: what is expected on top of each value.
        """

        def reaches(index: int) -> bool:
            return self._target.reached_by(self.value(index) + gain)

        low, highest = 0, QUALITIES - 1
        while low < highest:
            middle = (low + highest) // 2
            low, highest = (low, middle) if reaches(middle) else (middle + 1, highest)
        while True:  # on down, as long as one of the next qualities reaches it too
            below = [at for at in range(max(0, highest - BELOW), highest) if reaches(at)]
            if not below:
                return highest
            highest = below[0]

    def files(self) -> Iterable[tuple[bytes, float]]:
        """All that were made."""
        return self._tried.values()
