"""The package CompressAI, imported where a torchvision without compiled operators is in its way."""

import torch

from metamer.codec.errors import MetamerError
from metamer.perception.optional_imports import accept_foreign_torchvision

# as recipes and `evaluate` call them → as CompressAI's registry does
ARCHITECTURES = {
    "bmshj2018-factorized": "bmshj2018-factorized",
    "bmshj2018-hyperprior": "bmshj2018-hyperprior",
    "mbt2018-mean": "mbt2018-mean",
    "mbt2018": "mbt2018",
    "cheng2020-anchor": "cheng2020-anchor",
    "cheng2020-attn": "cheng2020-attn",
    "elic2022": "elic2022-official",
}


def import_compressai():
    """The package. Raises ImportError where it is not installed."""
    accept_foreign_torchvision()  # which it imports
    import compressai

    return compressai


def architecture_class(name: str) -> type[torch.nn.Module]:
    """One of `ARCHITECTURES`. Raises MetamerError where the package, or this one in it, is not."""
    try:
        import_compressai()
        from compressai.registry import MODELS
    except ImportError as problem:
        raise MetamerError(
            f"compressai:{name} needs CompressAI, pip install compressai: {problem}"
        ) from None
    if ARCHITECTURES[name] not in MODELS:
        raise MetamerError(f"the CompressAI that is installed has no {ARCHITECTURES[name]}")
    return MODELS[ARCHITECTURES[name]]


def published_size(name: str, quality: int) -> tuple[int, ...]:
    """The numbers of channels that CompressAI's own networks of a quality have: N, or N and M.

    Empty where none are published, which stands for the defaults of the class.
    """
    from compressai.zoo.image import cfgs

    return cfgs.get(name, {}).get(quality, ())
