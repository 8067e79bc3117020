"""One pass over photographs that keeps their pixels and what their files decode to.

A folder of one safetensors file a photograph, which is written at once or not at all, so that a
pass that was stopped goes on where it was; `index.json` says what they are of. Readers map the
files into memory and copy the crops that they want.
"""

import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from PIL import Image
from safetensors import SafetensorError, safe_open
from torch import Tensor
from tqdm import tqdm

from metamer.codec.encoder import encoding
from metamer.codec.encoder.masking import error_importance
from metamer.codec.errors import ModelError, RecipeError
from metamer.codec.grid import latent_area, split_tiles
from metamer.codec.network.colour_axes import choose_turn
from metamer.codec.network.model import Model
from metamer.codec.system import files
from metamer.entropy.coder import Meter
from metamer.train.data.opening import label
from metamer.train.data.photographs import Photographs
from metamer.train.networks.levels import quality_indices
from metamer.train.recipe.options import CacheOptions

INDEX = "index.json"
SUFFIX = ".safetensors"


@dataclass(frozen=True)
class Entry:
    """One photograph.

    Attributes:
        path: its file.
        size: height and width in pixels.
        positions: the same in latent positions, the last of which may lack pixels.
        qualities: places in `quality_indices` of those that it is coded at.
        bpp: bits a pixel at each of them.
        affine: (3, 4) what its colours are turned by.
    """

    path: Path
    size: tuple[int, int]
    positions: tuple[int, int]
    qualities: tuple[int, ...]
    bpp: tuple[float, ...]
    affine: Tensor

    def latents(self, quality: int, rows: slice, columns: slice) -> Tensor:
        """(h, w, M) int16 sixteenths of a step, of some positions at one of its qualities."""
        with safe_open(self.path, "pt") as held:
            array = held.get_slice("latents")
            return array[self.qualities.index(quality), rows, columns]

    def image(self, rows: slice, columns: slice) -> Tensor:
        """(3, H, W) uint8 pixels."""
        with safe_open(self.path, "pt") as held:
            return held.get_slice("pixels")[rows, columns].permute(2, 0, 1)


def qualities_of(number: int, options: CacheOptions) -> list[int]:
    """Places in `quality_indices` of those that photograph ``number`` is coded at."""
    return [place for place in range(options.qualities) if (place + number) % options.every == 0]


def fill(folder: Path, photographs: Photographs, model: Model, options: CacheOptions) -> None:
    """Writes what is missing of a cache.

    Args:
        folder: Made if it is not there.
        photographs: All of them are coded; they need not be in memory.
        model: Whose encoder codes them, as for a file, efforts aside.
        options: Qualities, and how many of them for each photograph.

    Raises:
        RecipeError: ``folder`` holds something else.
        ModelError: The model's latents do not fit into 16 bits.
    """
    folder.mkdir(parents=True, exist_ok=True)
    described = {
        "model": f"{zlib.crc32(model.path.read_bytes()):08x}",
        "qualities": options.qualities,
        "every": options.every,
        "photographs": [
            [label(file), *size]
            for file, size in zip(photographs.files, photographs.sizes, strict=True)
        ],
    }
    index = folder / INDEX
    if index.exists():
        if json.loads(index.read_text()) != described:
            raise RecipeError(
                f"{folder}: holds latents of another model, of other photographs or at other "
                "qualities; name another folder, or delete it"
            )
    else:
        files.write_file(str(index), json.dumps(described).encode())
    indices = quality_indices(options.qualities)
    missing = [n for n in range(len(photographs)) if not _path(folder, n).exists()]
    for number in tqdm(missing, desc="coding photographs", unit="photograph", disable=None):
        picture = photographs.try_get(number)
        if picture is not None:
            pixels = np.ascontiguousarray(picture.permute(1, 2, 0).cpu().numpy())
            places = qualities_of(number, options)
            _write(_path(folder, number), pixels, places, [indices[p] for p in places], model)


def _path(folder: Path, number: int) -> Path:
    return folder / f"{number:06d}{SUFFIX}"


def _write(
    path: Path, pixels: np.ndarray, places: list[int], indices: list[int], model: Model
) -> None:
    picture = Image.fromarray(pixels)
    turn = choose_turn(picture)
    decoded = [coded(picture, index, model) for index in indices]
    tensors: dict[str, np.ndarray] = {
        "pixels": pixels,
        "latents": np.stack([latents for latents, _ in decoded]),
        "bits": np.array([bits for _, bits in decoded], np.float32),
        "qualities": np.array(places, np.int32),
        "affine": (np.eye(3, 4) if turn is None else turn.affine()).astype(np.float32),
    }
    files.write_file(str(path), safetensors.numpy.save(tensors))


def coded(picture: Image.Image, index: int, model: Model) -> tuple[np.ndarray, float]:
    """(h, w, M) int16 sixteenths of a step that a picture's file decodes to at a quality index, and
    the bits of it. Tiled as `codec.encode` does it.
    """
    whole, turn = latent_area(*picture.size), choose_turn(picture)
    importance = error_importance(picture, model)
    latents = np.empty((whole.height, whole.width, model.latents), np.int16)
    meter = Meter(model.tables)
    for box in split_tiles(whole) if encoding.is_tiled(picture) else [whole]:
        decoded = encoding.write_picture(picture, index, model, meter, turn, box, importance)
        if np.abs(decoded).max() > np.iinfo(np.int16).max:
            raise ModelError(f"{model.path}: its latents do not fit into 16 bits")
        latents[box.within(whole)] = decoded
    return latents, meter.bits


def entries(folder: Path) -> Iterator[Entry]:
    """Every photograph of a cache, in order. Raises RecipeError."""
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            with safe_open(path, "pt") as held:
                _, rows, columns, _ = held.get_slice("latents").get_shape()
                height, width, _ = held.get_slice("pixels").get_shape()
                values: dict[str, Any] = {
                    name: held.get_tensor(name) for name in ("qualities", "bits", "affine")
                }
        except (SafetensorError, OSError, ValueError) as problem:
            raise RecipeError(f"{path}: is not of a cache of latents: {problem}") from None
        yield Entry(
            path,
            (height, width),
            (rows, columns),
            tuple(values["qualities"].tolist()),
            tuple((values["bits"] / (height * width)).tolist()),
            values["affine"],
        )
