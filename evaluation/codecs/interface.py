"""What a codec must offer to be measured, and the search for the setting nearest to a size."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PIL import Image

from metamer.codec.errors import MetamerError


@dataclass(frozen=True)
class CallCost:
    """Wall seconds of one call; peak: MiB where the codec itself knows what it took
    (`evaluation.codecs.program`).
    """

    seconds: float
    peak: float | None = None


@dataclass(frozen=True)
class NetworkCost:
    """Multiply-accumulates of a network's encoder and decoder on one picture, and how many weights
    it has in all.
    """

    encoder: int
    decoder: int
    parameters: int


@dataclass(frozen=True)
class Codec:
    """A codec that can be measured.

    Attributes:
        name: What it is called in results.
        stream: Name of what writes its bytes, which decoders of one model share.
        version: What made bytes and pictures; rows of another version are not used again.
        settings: A few that span its useful range.
        ladder: All that it has, by rising rate.
        encode: Picture and setting → bytes.
        decode: Bytes → picture.
        networks: Whether every setting is a network of its own, whose memory says nothing of the
        others'.
        count: What a codec that is a network computes for a picture at a setting; None for others.
        trained: Whether its files and pictures mean anything; an untrained network is good for
            timing alone.
        alias_of: What one asks for it by, where that is not its name.
    """

    name: str
    stream: str
    version: str
    settings: Sequence[float]
    ladder: Sequence[float]
    encode: Callable[[Image.Image, float], bytes]
    decode: Callable[[bytes], Image.Image]
    networks: bool = False
    count: Callable[[Image.Image, float], NetworkCost] | None = None
    trained: bool = True
    alias_of: str = ""

    @property
    def spec(self) -> str:
        """What one asks for it by (`evaluation.codecs.registry.get_codec`)."""
        return self.alias_of or self.name

    def check(self, setting: float) -> None:
        """Raises MetamerError for a setting that the codec does not have."""
        low, high = min(self.ladder), max(self.ladder)
        if not low <= setting <= high or (
            isinstance(self.ladder, range) and setting not in self.ladder
        ):
            kind = "whole numbers " if isinstance(self.ladder, range) else ""
            raise MetamerError(
                f"{self.name} has no setting {setting:g}; it takes {kind}from {low:g} to {high:g}"
            )

    def middle(self, setting: float) -> float:
        """The setting whose memory stands for that of ``setting``: where not networks, the middle
        one of `settings`.
        """
        return setting if self.networks else self.settings[len(self.settings) // 2]

    def encode_timed(self, picture: Image.Image, setting: float) -> tuple[bytes, CallCost]:
        """The bytes, and what they took."""
        return timed_call(lambda: self.encode(picture, setting))

    def decode_timed(self, data: bytes) -> tuple[Image.Image, CallCost]:
        """The picture, and what it took."""
        return timed_call(lambda: self.decode(data))


def timed_call(work: Callable[[], bytes | Image.Image]) -> tuple:
    begun = time.perf_counter()
    return work(), CallCost(time.perf_counter() - begun)


def nearest_setting(
    encode: Callable[[float], bytes], ladder: Sequence[float], size: float
) -> float:
    """The setting whose encoding is nearest to a size, by bisection.

    Args:
        encode: Setting → bytes. Sizes rise along the ladder, save for a few bytes between
        neighbours.
        ladder: Settings by rising rate.
        size: In bytes.
    """
    tried: dict[int, int] = {}
    low, high = 0, len(ladder) - 1
    while low <= high:
        middle = (low + high) // 2
        tried[middle] = len(encode(ladder[middle]))
        low, high = (middle + 1, high) if tried[middle] <= size else (low, middle - 1)
    return ladder[min(tried, key=lambda index: abs(tried[index] - size))]


def parse_options(text: str, types: dict[str, tuple[type, ...]], name: str) -> dict[str, object]:
    """Options written as OPTION=VALUE,OPTION=VALUE; "true", "false" and whole numbers are taken as
    such.

    types: option → the types its value may have. Raises MetamerError.
    """
    options: dict[str, object] = {}
    for part in text.split(","):
        key, equals, word = part.partition("=")
        value = {"true": True, "false": False}.get(
            word.lower(), int(word) if word.lstrip("-").isdigit() else word
        )
        if not equals or key not in types:
            raise MetamerError(
                f"{name} has no option '{part}'; write OPTION=VALUE,… of "
                f"{', '.join(types) or 'none'}"
            )
        if key in options:
            raise MetamerError(f"{name}: {key} is given twice")
        if type(value) not in types[key]:
            kinds = {bool: "true or false", int: "a whole number", str: "a word"}
            raise MetamerError(
                f"{name}: {key} takes {' or '.join(kinds[kind] for kind in types[key])}, not "
                f"'{word}'"
            )
        options[key] = value
    return options
