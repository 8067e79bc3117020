"""A run that trained the synthesis alone → a decoder file for the streams of its model."""

import io
from collections.abc import Sequence
from pathlib import Path

from metamer.codec.network import decoders
from metamer.codec.network.model import Model
from metamer.codec.system import files
from metamer.train.checkpoints import CHECKPOINT
from metamer.train.export.card import band_keys, decoded_model, write
from metamer.train.export.graphs import (
    contiguous,
    shrink,
    slider_graphs,
    synthesis_graphs,
    without_own_weights,
)
from metamer.train.networks.codec import Codec
from metamer.train.networks.entropy_model.logistic import SCALE_HIGH, SCALE_LOW
from metamer.train.run import setup


def export_decoder(
    codec: Codec, model: Model, card: dict, path: Path, realism: bool, texture: Sequence[float] = ()
) -> dict:
    """Writes the synthesis of ``codec`` (averaged weights) to ``path``, a decoder file for
    ``model``; returns its card.

    codec: trained from ``model`` with all but the synthesis as it was. card: what model.json should
    say besides the format's own keys. realism: choose between the model's own weights and the
    trained ones when decoding. texture: how much of `codec.network.texture` it was trained with.
    Raises ModelError, FileError.
    """
    banded = band_keys(codec)
    format_keys = {
        "format": decoders.FORMAT if realism else 3 if banded else 2 if texture else 1,
        "decodes": model.id.hex(),
        "realism": realism,
        "receptive_field": codec.synthesis.receptive_field,
        **banded,
    }
    card = {**format_keys, **card}
    if texture:
        card |= {"texture": list(texture), "scales": [SCALE_LOW, SCALE_HIGH]}
    codec = contiguous(codec)
    graphs = slider_graphs(codec, model) if realism else synthesis_graphs(codec)
    stored = {name: shrink(graph, whole=False) for name, graph in graphs.items()}
    if realism:
        stored = {name: without_own_weights(stored[name], model.graph(name)) for name in stored}
    buffer = io.BytesIO()
    write(buffer, card, stored, {})
    files.write_file(str(path), buffer.getvalue())
    return card


def export_decoder_run(run: Path, path: Path, name: str, realism: bool | None = None) -> dict:
    """Exports the training run in folder ``run``, of a decoder alone; returns the card that
    model.json holds.

    realism: as in `export_decoder`; by default for runs with a critic, which alone invent texture
    worth choosing, if both syntheses are of the same sizes.
    """
    codec, state = setup.restore_average(Path(run) / CHECKPOINT)
    recipe = state["recipe"]
    card = {"name": name, "steps": state["step"], "recipe": recipe}
    if realism is None:
        realism = bool(recipe["critic"]) and codec.options.decoder is None
    texture = recipe["stages"][-1].get("texture_noise", ())
    return export_decoder(codec, decoded_model(recipe), card, path, realism, texture)
