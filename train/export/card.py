"""A file that ships: its card and its members, a zip that is the same for the same run."""

import io
import json
import math
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np

from metamer.codec.errors import RecipeError
from metamer.codec.network import model as models
from metamer.codec.network.files.bands import BANDS
from metamer.codec.network.files.model_file import FORMAT
from metamer.codec.network.model import Model
from metamer.train import checkpoints, start
from metamer.train.networks.codec import KEEPING, Codec

_DATE = (1980, 1, 1, 0, 0, 0)  # fixed, so that the same run exports the same bytes


def write(
    path: Path | BinaryIO, card: dict, members: dict[str, bytes], arrays: dict[str, np.ndarray]
) -> None:
    """The model file: a zip with fixed dates and order."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:

        def add(name: str, data: bytes) -> None:
            info = zipfile.ZipInfo(name, _DATE)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, data)

        add("model.json", json.dumps(card, indent=1).encode())
        for name in sorted(members):
            add(f"{name}.onnx", members[name])
        for name in sorted(arrays):
            buffer = io.BytesIO()
            np.save(buffer, arrays[name], allow_pickle=False)
            add(f"{name}.npy", buffer.getvalue())


def receptive_field(codec: Codec) -> int:
    """Latent positions that both transforms see around each: a block of the analysis sees half a
    one, the lapped transform one.
    """
    of_analysis = max(1, math.ceil(codec.options.analysis_blocks / 2))
    return max(of_analysis, codec.synthesis.receptive_field)


def model_keys(codec: Codec) -> dict:
    """What the card of every model file says."""
    banded = band_keys(codec)
    return {
        "format": FORMAT if banded else 2,
        "groups": list(codec.options.groups),
        "receptive_field": receptive_field(codec),
        **banded,
    }


def band_keys(codec: Codec) -> dict:
    """What a card says of bands of qualities, where there are several."""
    bands = len(codec.synthesis.bands)
    return {BANDS: bands} if bands > 1 else {}


def trains_only(recipe: Mapping, *parts: str) -> bool:
    """Whether a recipe, as a checkpoint holds it, trains these parts of an existing model and
    nothing else.
    """
    return all(stage["parts"] in parts for stage in recipe["stages"])


def decoded_model(recipe: Mapping) -> Model:
    """The model whose streams a run of ``recipe`` trained for, through such runs that it started
    from.

    Raises RecipeError, ModelError.
    """
    source = recipe["start"]
    if start.is_model(source):
        return models.load_model(source)
    before = checkpoints.load_run(Path(source))["recipe"]
    if not trains_only(before, *KEEPING):
        raise RecipeError(
            f"start: '{source}' is no model; export it, and train from the model file"
        )
    return decoded_model(before)
