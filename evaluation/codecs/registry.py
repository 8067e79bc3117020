"""Codecs that can be measured, by name."""

from functools import cache

from metamer.codec.errors import MetamerError
from metamer.evaluation.codecs import pillow, program
from metamer.evaluation.codecs.interface import Codec
from metamer.evaluation.codecs.metamer import metamer_codec


def pillow_codecs() -> dict[str, Codec]:
    """Every codec this Pillow can write, by name (`pillow.pillow_formats`)."""
    return {name: kind.codec(name) for name, kind in pillow.pillow_formats().items()}


@cache
def get_codec(name: str, threads: int = 0) -> Codec:
    """A codec by its name.

    Args:
        name: FORMAT or FORMAT:OPTION=VALUE,…, one of `pillow_codecs`; compressai:NETWORK,
            compressai:NETWORK:metric=ms-ssim or compressai:NETWORK@CHECKPOINT
            (`evaluation.codecs.compressai`); FILE.toml, a program (`evaluation.codecs.program`); or
            MODEL, MODEL+DECODER or MODEL+DECODER@REALISM, and :effort=N behind any of them:
            Metamer, MODEL and DECODER being names of shipped ones, or files.
        threads: Of Metamer's networks, 0 for every core; others go by the cores that the process
        has.

    Raises:
        MetamerError: There is no such codec, or an option is wrong.
    """
    formats = pillow.pillow_formats()
    first, colon, rest = name.partition(":")
    if first in formats:
        return formats[first].codec(first, rest if colon else None)
    if first == "compressai":
        from metamer.evaluation.codecs import compressai  # torch

        return compressai.compressai_codec(rest)
    if name.endswith(program.SUFFIX):
        return program.program_codec(name)
    if "{input}" in name:
        raise MetamerError(
            "a codec's commands go into a file, --codec FILE.toml; examples/cwebp.toml is one"
        )
    return metamer_codec(name, threads)
