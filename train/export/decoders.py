"""A run that trained the synthesis alone → a decoder file for the streams of its model."""

import io
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
from metamer.train.run import setup


def export_decoder(codec: Codec, model: Model, card: dict, path: Path, realism: bool) -> dict:
    """Writes the synthesis of ``codec`` (averaged weights) to ``path``, a decoder file for
    ``model``; returns its card.

    codec: trained from ``model`` with all but the synthesis as it was. card: what model.json should
    say besides the format's own keys. realism: choose between the model's own weights and the
    trained ones when decoding. Raises ModelError, FileError.
    """
    format_keys = {
        "format": decoders.FORMAT,
        "decodes": model.id.hex(),
        "realism": realism,
        "noise": codec.synthesis.options.noise,
        "receptive_field": codec.synthesis.receptive_field,
        **band_keys(codec),
    }
    card = {**format_keys, **card}
    codec = contiguous(codec)
    graphs = slider_graphs(codec, model) if realism else synthesis_graphs(codec)
    stored = {name: shrink(graph, whole=False) for name, graph in graphs.items()}
    if realism:
        stored = {name: without_own_weights(stored[name], model.graph(name)) for name in stored}
    buffer = io.BytesIO()
    write(buffer, card, stored, {})
    files.write_file(str(path), buffer.getvalue())
    return card


def export_decoder_run(run: Path, path: Path, name: str, realism: bool = False) -> dict:
    """Exports the training run in folder ``run``, of a decoder alone; returns the card that
    model.json holds. realism: as in `export_decoder`.
    """
    codec, state = setup.restore_average(Path(run) / CHECKPOINT)
    recipe = state["recipe"]
    card = {"name": name, "steps": state["step"], "recipe": recipe}
    return export_decoder(codec, decoded_model(recipe), card, path, realism)
