"""`metamer export --web`."""

import dataclasses
import gzip
import json

import numpy as np
import pytest

from metamer.codec.errors import FileError, ModelError
from metamer.codec.network import decoders, model
from metamer.train.export.web import files, tensors
from metamer.train.export.web.files import export_for_browsers
from tests.conftest import inside


def test_what_is_written(models):
    index = json.loads((models / "index.json").read_text())
    base = model.load_model("base")
    entry = index["models"][base.id.hex()]
    assert entry["name"] == "base" and index["grey"][base.grey_variant.id.hex()] == base.id.hex()
    realism_of = {
        decoder.name: decoder.slider
        for decoder in decoders.shipped_decoders()
        if decoder.decodes == base.id
    }
    assert {name: decoder["realism"] for name, decoder in entry["decoders"].items()} == realism_of
    files = [
        entry["model"],
        entry["encoder"],
        *entry["syntheses"],
        *(file for decoder in entry["decoders"].values() for file in decoder["files"]),
    ]
    assert all((models / file).exists() for file in files)
    assert {path.name for path in model.shipped_models()} == {
        f"{model_entry['name']}.metamer" for model_entry in index["models"].values()
    }


def test_models_are_small(models):
    """At most 3.5 MB to fetch for a picture."""
    for entry in json.loads((models / "index.json").read_text())["models"].values():
        size = (models / entry["model"]).stat().st_size
        size += max(((models / file).stat().st_size for file in entry["syntheses"]), default=0)
        assert size < 3_500_000


def test_arrays_come_back():
    """Planes of bytes and differences are undone by the reverse."""
    written, rng = tensors.Tensors(), np.random.default_rng(1)
    arrays = [rng.integers(-30000, 30000, (5, 3), dtype=np.int16), rng.random((4, 2), np.float32)]
    for index, array in enumerate(arrays):
        written.add(str(index), array, differences=index + 1)
    data = gzip.decompress(written.bytes({"kind": "test"}))
    length = int.from_bytes(data[:4], "little")
    header, place = json.loads(data[4 : 4 + length]), 4 + length
    assert header["kind"] == "test" and header["format"] == tensors.FORMAT
    for entry, array in zip(header["tensors"], arrays, strict=True):
        planes = np.frombuffer(data, np.uint8, array.nbytes, place).reshape(array.itemsize, -1).T
        words = np.ascontiguousarray(planes).view(f"<u{array.itemsize}").reshape(array.shape)
        for _ in range(entry["differences"]):
            words = np.cumsum(words, 0, dtype=words.dtype)
        assert np.array_equal(words.view(array.dtype), array)
        place += array.nbytes
    assert place == len(data)


def test_the_same_bytes_again(models, tmp_path):
    folder = tmp_path / "again"
    completed = inside("export", "base", "--web", "-o", folder)
    assert completed.returncode == 0 and b"base-" in completed.stdout
    for path in folder.iterdir():
        if path.name != "index.json":
            assert path.read_bytes() == (models / path.name).read_bytes()


def test_a_model_of_ones_own(tiny_model, tmp_path):
    sizes = export_for_browsers(tiny_model, tmp_path / "models")
    tiny = model.load_model(tiny_model)
    assert sorted(name.rpartition(".")[2] for name in sizes) == ["encoder", "model"]
    assert all(name.startswith(f"tiny-{tiny.id.hex()}-") for name in sizes)


def test_one_line_where_it_cannot_be(tmp_path):
    with pytest.raises(ModelError):
        export_for_browsers("no-such-model", tmp_path)
    with pytest.raises(FileError):
        export_for_browsers("base", tmp_path / "not" / "there")
    (tmp_path / "index.json").write_text("[]")
    with pytest.raises(ModelError, match="index"):
        export_for_browsers("base", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["index.json"]
    assert inside("export", "no-such-model", "--web", "-o", tmp_path).returncode == 1


def test_noise_is_not_for_browsers():
    decoder = next(decoder for decoder in decoders.shipped_decoders() if decoder.slider)
    with pytest.raises(ModelError, match="noise"):
        files.decoder_files(dataclasses.replace(decoder, noise=4))
