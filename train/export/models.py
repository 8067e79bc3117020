"""A trained run → one model file, which the runtime loads."""

import dataclasses
import io
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from metamer.codec.errors import RecipeError
from metamer.codec.network.files.bands import synthesis_names
from metamer.codec.network.model import Model
from metamer.codec.system import files
from metamer.train import validation
from metamer.train.checkpoints import CHECKPOINT
from metamer.train.data import Source, open_data
from metamer.train.export.card import decoded_model, model_keys, trains_only, write
from metamer.train.export.graphs import graphs
from metamer.train.export.tables import (
    count_tables,
    grey_latents,
    hardly_used,
    logistic_tables,
    pack_tables,
    quality_arrays,
)
from metamer.train.loss.objective import Distortion
from metamer.train.networks.codec import KEEPING, Codec
from metamer.train.networks.entropy_model.logistic import SCALES
from metamer.train.recipe import files as recipes
from metamer.train.recipe.checks import from_mapping
from metamer.train.recipe.options import Stage
from metamer.train.run import setup


def export_model(codec: Codec, card: dict, source: Source, path: Path, crops: int = 512) -> None:
    """Writes ``codec`` (averaged weights) to ``path``. card: what model.json should say besides the
    format's own keys.
    """
    members, arrays = graphs(codec), {**quality_arrays(codec), "grey": grey_latents(codec)}
    card = {**model_keys(codec), **card}
    tables = logistic_tables()
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / "draft.metamer"
        # the encoder's choices depend on the tables, so count once more with better ones
        for _ in range(2):
            write(draft, card, members, {**arrays, **pack_tables(tables, np.zeros(SCALES, bool))})
            tables = count_tables(draft, source, crops)
    buffer = io.BytesIO()
    write(buffer, card, members, {**arrays, **pack_tables(tables, hardly_used(tables))})
    files.write_file(str(path), buffer.getvalue())


def integer_cost(codec: Codec, crops: Tensor) -> float:
    """By how many percent rounding the entropy networks raises the rate of ``crops``, mean over the
    quality levels.
    """
    rates, distortion = [], Distortion({"mse": 1.0}, codec.options.levels)
    for quantised in (False, True):
        codec.entropy.set_quantised(quantised)
        rows = validation.validate(
            codec, distortion, crops, Stage("validation", steps=1), torch.device("cpu")
        )
        rates.append(np.array([row["bpp"] for row in rows]))
    return float(100 * (rates[1] / rates[0] - 1).mean())


def keep_streams(codec: Codec, model: Model, card: dict, path: Path) -> None:
    """Writes ``codec``, whose transforms, or synthesis, alone were trained, as a model that shares
    its streams with ``model``, both ways, and remembers what that was trained by. Raises
    RecipeError.
    """
    if codec.synthesis.options.noise:
        raise RecipeError("a model's own synthesis has no noise: export it as a decoder")
    trained_by = model.card.get("streams_recipe", model.card.get("recipe"))
    made, encodes_as_before = graphs(codec), trains_only(card["recipe"], "decoder")
    new = [*synthesis_names(len(codec.synthesis.bands)), *["analysis"] * (not encodes_as_before)]
    with zipfile.ZipFile(model.path) as archive:
        members = {
            name: made[name] if name in new else archive.read(f"{name}.onnx") for name in made
        }
        held = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
        arrays = {
            name: np.load(io.BytesIO(archive.read(f"{name}.npy")), allow_pickle=False)
            for name in held
        }
    if not encodes_as_before:
        arrays["encoder_gain"] = quality_arrays(codec)["encoder_gain"]
    buffer = io.BytesIO()
    card = {**model_keys(codec), **card, "streams_recipe": trained_by}
    write(buffer, card, members, arrays)
    files.write_file(str(path), buffer.getvalue())


def with_encoder(recipe: dict, assignments: Sequence[str]) -> dict:
    """A checkpoint's recipe with all keys of its `encoder`, as ``assignments`` change them.

    Raises RecipeError.
    """
    for assignment in assignments:
        if not assignment.strip().startswith("encoder."):
            raise RecipeError(
                f"--set {assignment}: a trained run can only be given another encoder, "
                "as encoder.masking=0.5"
            )
    options = from_mapping(recipes.changed(recipe, assignments)).encoder
    return {**recipe, "encoder": dataclasses.asdict(options)}


def export_run(
    run: Path,
    folders: Sequence[Path],
    path: Path,
    name: str,
    crops: int,
    assignments: Sequence[str] = (),
) -> dict:
    """Exports the averaged weights of the training run in folder ``run``; returns the card that
    model.json holds.

    Coding tables are counted on the photographs of ``folders``, or shards, as training takes them;
    what integers cost is measured on those that were held out. A run of transforms, or a decoder,
    alone keeps the tables, and the streams, of the model it started from. assignments: other values
    for keys of the recipe's `encoder`.

    Raises RecipeError: such a key is none, or its value is out of range.
    """
    codec, state = setup.restore_average(Path(run) / CHECKPOINT)
    recipe = with_encoder(state["recipe"], assignments)
    card = {"name": name, "steps": state["step"], "recipe": recipe, **recipe["encoder"]}
    if trains_only(state["recipe"], *KEEPING):
        keep_streams(codec, decoded_model(state["recipe"]), card, path)
        return card
    data = open_data(folders, before=state.get("data", {}))
    crops_held = validation.validation_crops(data.validation)
    if len(crops_held):
        card["integer_cost_percent"] = round(integer_cost(codec, crops_held), 3)
    export_model(codec, card, data.training, path, crops)
    return card
