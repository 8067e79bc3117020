"""Models with a synthesis for each band of qualities decode in the browser as in Python, and fetch
no more than one of them.
"""

import json

import numpy as np
import pytest

import metamer
from metamer.codec.network import decoders
from metamer.codec.network.model import Model
from metamer.train.export.decoders import export_decoder
from metamer.train.export.web.files import export_for_browsers
from tests.codec.network.test_bands import BANDS, banded, banded_codec  # noqa: F401
from tests.web.conftest import program
from tests.web.node import Node


@pytest.fixture(scope="module")
def exported(tmp_path_factory, tiny_model, banded):  # noqa: F811
    """The banded model, with a slider of as many bands as if it were shipped; their folder."""
    folder, codec = tmp_path_factory.mktemp("bands"), banded_codec(tiny_model)
    for weight in codec.synthesis.parameters():
        weight.data *= 1.1
    export_decoder(codec, Model(banded), {"name": "realism"}, folder / "realism.decoder", True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoders, "WEIGHTS", folder)
        export_for_browsers(str(banded), folder / "models")
    return folder


@pytest.mark.parametrize("realism", [None, 0.5, 1.0])
@pytest.mark.parametrize("quality", [10, 50, 90])
def test_they_decode_as_in_python(exported, banded, otters, tmp_path, quality, realism):  # noqa: F811
    data = metamer.encode(otters.crop((200, 60, 421, 230)), quality, model=str(banded))
    decoder = str(banded) if realism is None else exported / "realism.decoder"
    expected = metamer.decode(data, model=str(banded), decoder=decoder, realism=realism)
    asked = {} if realism is None else {"realism": realism}
    node = Node(program("node"), exported / "models", tmp_path / "out")
    try:
        size = node.ask("decode", data, **asked)
        pixels = np.frombuffer(node.bytes("decode", data, **asked), np.uint8)
    finally:
        node.close()
    by_javascript = pixels.reshape(size["height"], size["width"], 4)[..., :3].astype(int)
    difference = np.abs(by_javascript - np.asarray(expected, int))
    assert difference.max() <= 2 and difference.mean() < 0.1  # weights are rounded to ten bits


def test_the_model_s_file_leaves_the_syntheses_to_files_of_their_own(exported):
    index = json.loads((exported / "models" / "index.json").read_text())
    (entry,) = index["models"].values()
    assert len(set(entry["syntheses"])) == len(set(entry["decoders"]["realism"]["files"])) == BANDS
    for file in (*entry["syntheses"], *entry["decoders"]["realism"]["files"]):
        assert (exported / "models" / file).stat().st_size > 1000
