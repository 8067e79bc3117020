"""CompressAI's networks, with the weights its authors published, with a checkpoint, or untrained
for their speed alone.

Pictures are padded as in CompressAI's own evaluation: zeros around, to multiples of 64. A file
holds the strings of `model.compress` whole, behind their lengths and the picture's size: six bytes,
ten with a hyperprior, that CompressAI does not count, 0.0002 bpp on Kodak.
"""

import hashlib
import re
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from metamer.codec.errors import MetamerError
from metamer.evaluation.codecs.interface import Codec, NetworkCost, parse_options
from metamer.evaluation.images import from_tensor, to_tensor
from metamer.perception.registry import suggestion
from metamer.train.networks.compressai_package import ARCHITECTURES, architecture_class

MULTIPLE = 64
QUALITY = "{quality}"


def compressai_codec(spec: str) -> Codec:
    """The codec of "NETWORK", "NETWORK:metric=ms-ssim", "NETWORK:trained=false" or
    "NETWORK@CHECKPOINT"; settings are CompressAI's qualities.

    trained=false: random weights, the same in every process; the work is that of the trained
    network, files and pictures mean nothing. CHECKPOINT: a state dictionary, alone or under
    "state_dict", of the one setting 1; or, with {quality} in its name, a file for each. Raises
    MetamerError where the package, the network or its weights are not there; the first are loaded
    at once.
    """
    name = f"compressai:{spec}"
    network, _, checkpoint = spec.partition("@")
    network, _, options = network.partition(":")
    if network not in ARCHITECTURES:
        close = suggestion(network, ARCHITECTURES)
        raise MetamerError(
            f"CompressAI has no '{network}'{close}; it has {', '.join(ARCHITECTURES)}"
        )
    architecture = architecture_class(network)
    weights = (
        checkpoint_weights(architecture, checkpoint, options, name)
        if checkpoint
        else published_weights(network, options, name)
    )
    settings = weights.settings
    weights.load(settings[0])

    def encode(picture: Image.Image, setting: float) -> bytes:
        return pack(weights.load(setting), picture, settings.index(setting))

    def decode(data: bytes) -> Image.Image:
        return unpack(weights.load(settings[data[0]]), data)

    def count(picture: Image.Image, setting: float) -> NetworkCost:
        with FlopCounterMode(display=False) as encoder:  # a multiply-accumulate is two operations
            data = encode(picture, setting)
        with FlopCounterMode(display=False) as decoder:
            decode(data)
        parameters = sum(weight.numel() for weight in weights.load(setting).parameters())
        return NetworkCost(
            encoder.get_total_flops() // 2, decoder.get_total_flops() // 2, parameters
        )

    version = f"CompressAI {metadata.version('compressai')}{weights.digest}"
    return Codec(
        name,
        name,
        version,
        settings,
        settings,
        encode,
        decode,
        networks=True,
        count=count,
        trained=weights.trained,
    )


@dataclass(frozen=True)
class NetworkWeights:
    """Where a network's weights come from.

    Attributes:
        settings: By rising rate.
        load: Setting → the network, kept once loaded: rows go through all settings of one picture,
            then of the next.
        digest: Of files, for the version.
        trained: Whether the weights are.
    """

    settings: Sequence[int]
    load: Callable[[float], torch.nn.Module]
    digest: str = ""
    trained: bool = True


def checkpoint_weights(
    architecture: type, checkpoint: str, options: str, name: str
) -> NetworkWeights:
    """Files of one's own training. Raises MetamerError."""
    files = _checkpoints(checkpoint)
    if options:
        raise MetamerError(f"{name}: a checkpoint was trained as it was; leave {options} out")
    settings = sorted(files)
    digest = hashlib.sha256(
        b"".join(hashlib.sha256(files[at].read_bytes()).digest() for at in settings)
    )
    return NetworkWeights(
        settings,
        cache(lambda setting: _network(architecture, files[setting])),
        f" {digest.hexdigest()[:16]}",
    )


def published_weights(network: str, options: str, name: str) -> NetworkWeights:
    """What CompressAI's authors published, or random weights. Raises MetamerError."""
    from compressai.zoo.image import model_urls

    if network not in model_urls:
        raise MetamerError(f"{name}: CompressAI publishes no weights of it; {name}@CHECKPOINT has")
    chosen = parse_options(options, {"metric": (str,), "trained": (bool,)}, name) if options else {}
    metric, trained = chosen.get("metric", "mse"), chosen.get("trained", True)
    if metric not in model_urls[network]:
        raise MetamerError(f"{name}: metric is one of {', '.join(model_urls[network])}")
    return NetworkWeights(
        range(1, 1 + max(model_urls[network][metric])),
        cache(lambda setting: _ready_made(network, metric, int(setting), name, trained)),
        trained=trained,
    )


def _checkpoints(text: str) -> dict[int, Path]:
    """Setting → file. Raises MetamerError where there is none."""
    path = Path(text)
    if QUALITY not in path.name:
        checkpoints = {1: path} if path.is_file() else {}
    else:
        pattern = re.compile(re.escape(path.name).replace(re.escape(QUALITY), r"(\d+)"))
        matches = (
            (pattern.fullmatch(file.name), file)
            for file in (path.parent.iterdir() if path.parent.is_dir() else ())
        )
        checkpoints = {int(match[1]): file for match, file in matches if match}
    if not checkpoints:
        raise MetamerError(f"{text}: no such checkpoint")
    return checkpoints


def _network(architecture: type, file: Path) -> torch.nn.Module:
    from compressai.zoo import load_state_dict

    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
        model = architecture.from_state_dict(load_state_dict(state.get("state_dict", state)))
    except (
        Exception
    ) as problem:  # unpickling, shapes and keys fail in many ways, all of them the file's fault
        raise MetamerError(
            f"{file} is no checkpoint of {architecture.__name__}: {str(problem).splitlines()[0]}"
        ) from None
    model.update()
    return model.eval()


def _ready_made(
    network: str, metric: str, quality: int, name: str, trained: bool
) -> torch.nn.Module:
    from compressai.zoo import image_models

    torch.manual_seed(0)  # one process decodes what another encoded
    try:
        model = image_models[network](quality=quality, metric=metric, pretrained=trained)
    except (OSError, RuntimeError) as problem:
        raise MetamerError(
            f"{name}: its weights of quality {quality} cannot be fetched ({problem}); "
            f"{name}@CHECKPOINT takes them from a file"
        ) from None
    model.update()
    return model.eval()


def _padding(width: int, height: int) -> tuple[int, int, int, int]:
    """Left, right, top, bottom."""
    across, down = -width % MULTIPLE, -height % MULTIPLE
    return across // 2, across - across // 2, down // 2, down - down // 2


@torch.no_grad()
def pack(model: torch.nn.Module, picture: Image.Image, index: int) -> bytes:
    """A picture's file: index of the setting, size, lengths of all strings but the last,
    strings.
    """
    image = functional.pad(to_tensor(picture), _padding(*picture.size))
    strings = [part[0] for part in model.compress(image)["strings"]]
    lengths = [len(string) for string in strings[:-1]]
    head = struct.pack(f">BBHH{len(lengths)}I", index, len(strings), *picture.size, *lengths)
    return head + b"".join(strings)


def _shape(model: torch.nn.Module, height: int, width: int) -> torch.Size | dict:
    """What `decompress` asks for besides the strings; of ELIC, of each of its parts."""
    groups = getattr(model, "groups", None)
    if groups is None:
        stride = model.downsampling_factor
        return torch.Size((height // stride, width // stride))
    return {
        "y": [torch.Size((size, height // 16, width // 16)) for size in groups],
        "hyper": torch.Size((height // 64, width // 64)),
    }


@torch.no_grad()
def unpack(model: torch.nn.Module, data: bytes) -> Image.Image:
    """The inverse."""
    _, count, width, height = struct.unpack_from(">BBHH", data)
    lengths = struct.unpack_from(f">{count - 1}I", data, 6)
    ends = np.cumsum([6 + 4 * len(lengths), *lengths]).tolist()
    strings = [[data[begin:end]] for begin, end in zip(ends, [*ends[1:], len(data)], strict=True)]
    left, right, top, bottom = _padding(width, height)
    image = model.decompress(strings, _shape(model, height + top + bottom, width + left + right))
    image = image["x_hat"]
    return from_tensor(image[..., top : top + height, left : left + width])
