"""Decoders of other sizes decode in the browser as in Python."""

import numpy as np
import pytest

import metamer
from metamer.codec.network import decoders
from metamer.train.export.decoders import export_decoder_run
from metamer.train.export.web.files import export_for_browsers
from tests.train.test_ladder import FAST, FINE, run_of
from tests.web.conftest import program
from tests.web.node import Node


@pytest.fixture(scope="module")
def exported(tmp_path_factory, tiny_model):
    """The tiny model with a smaller and a larger decoder, as if they were shipped; their folder."""
    folder = tmp_path_factory.mktemp("ladder")
    for name, sizes in (("fast", FAST), ("fine", FINE)):
        run = run_of(folder / name, tiny_model, sizes, 0.1)
        export_decoder_run(run, folder / f"{name}.decoder", name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoders, "WEIGHTS", folder)
        export_for_browsers(tiny_model, folder / "models")
    return folder


@pytest.mark.parametrize("name", ["fast", "fine"])
def test_they_decode_as_in_python(exported, tiny_model, otters, tmp_path, name):
    data = metamer.encode(otters.crop((200, 60, 421, 230)), 60, model=tiny_model)
    decoder = exported / f"{name}.decoder"
    expected = np.asarray(metamer.decode(data, model=tiny_model, decoder=decoder), int)
    node = Node(program("node"), exported / "models", tmp_path / "out")
    try:
        size = node.ask("decode", data, decoder=name)
        pixels = np.frombuffer(node.bytes("decode", data, decoder=name), np.uint8)
    finally:
        node.close()
    by_javascript = pixels.reshape(size["height"], size["width"], 4)[..., :3].astype(int)
    assert np.abs(by_javascript - expected).max() <= 2
    assert np.abs(by_javascript - expected).mean() < 0.1  # weights are rounded to ten bits
    by_model = np.asarray(metamer.decode(data, model=tiny_model), int)
    assert np.abs(by_model - expected).mean() > 1
