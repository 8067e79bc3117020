"""Codecs that can be measured, by name."""

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from metamer.codec.errors import MetamerError
from metamer.evaluation.codecs import pillow, program
from metamer.evaluation.codecs.interface import Codec
from metamer.evaluation.codecs.metamer import metamer_codec


def pillow_codecs() -> dict[str, Codec]:
    """Every codec this Pillow can write, by name (`pillow.pillow_formats`)."""
    return {name: kind.codec(name) for name, kind in pillow.pillow_formats().items()}


def split_alias(text: str) -> tuple[str, str]:
    """The alias of "ALIAS=CODEC", empty where there is none, and the codec.

    >>> split_alias("coarse=jpeg:subsampling=4:2:0"), split_alias("jpeg:subsampling=4:4:4")
    (('coarse', 'jpeg:subsampling=4:2:0'), ('', 'jpeg:subsampling=4:4:4'))
    """
    match = re.fullmatch(r"([\w.+-]+)=(.+)", text)
    return (match[1], match[2]) if match and not Path(text).exists() else ("", text)


def check_names(names: Sequence[str]) -> None:
    """Raises MetamerError where there is no such codec, or two of them have one name."""
    spec_by_name: dict[str, str] = {}
    for text in names:
        codec = get_codec(text)
        if spec_by_name.setdefault(codec.name, codec.spec) != codec.spec:
            raise MetamerError(
                f"{codec.name} is {spec_by_name[codec.name]} and {codec.spec}; give them two names"
            )


@cache
def get_codec(name: str, threads: int = 0) -> Codec:
    """A codec by its name.

    Args:
        name: FORMAT or FORMAT:OPTION=VALUE,…, one of `pillow_codecs`; compressai:NETWORK,
            compressai:NETWORK:metric=ms-ssim or compressai:NETWORK@CHECKPOINT
            (`evaluation.codecs.compressai`); FILE.toml, a program (`evaluation.codecs.program`); or
            MODEL, MODEL+DECODER or MODEL+DECODER@REALISM, and :effort=N behind any of them:
            Metamer, MODEL and DECODER being names of shipped ones, or files. ALIAS= before any of
            them is what it is called.
        threads: Of Metamer's networks, 0 for every core; others go by the cores that the process
            has.

    Raises:
        MetamerError: There is no such codec, or an option is wrong.
    """
    alias, spec = split_alias(name)
    if alias:
        return replace(get_codec(spec, threads), name=alias, alias_of=spec)
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
