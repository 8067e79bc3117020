"""Other decoders for a model's streams, and how much realism they decode with."""

import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import metamer
from metamer import cli
from metamer.codec.errors import MetamerError, ModelError
from metamer.codec.network import decoders
from metamer.codec.network.graphs.session import Session
from metamer.codec.network.model import Model, load_model, shipped_models
from metamer.train import start
from metamer.train.export.decoders import export_decoder
from tests.conftest import ROOT, run_metamer
from tests.metamer.test_cli import error_line


@pytest.fixture(scope="module")
def crop(otters) -> Image.Image:
    return otters.crop((200, 60, 343, 160))


def altered_decoders(model: Model, folder: Path) -> dict[str, Path]:
    """Two decoder files with the same change of the model's synthesis: `plain`, and `realism`,
    which goes there gradually.
    """
    changed, generator = start.from_model(model), torch.Generator().manual_seed(7)
    with torch.no_grad():
        for weight in changed.synthesis.parameters():
            weight += 0.05 * weight.abs().mean() * torch.randn(weight.shape, generator=generator)
    paths = {name: folder / f"{name}.decoder" for name in ("plain", "realism")}
    for name, path in paths.items():
        export_decoder(changed, model, {"name": name}, path, realism=name == "realism")
    return paths


@pytest.fixture(scope="module")
def of_base(tmp_path_factory) -> dict[str, Path]:
    return altered_decoders(load_model("base"), tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def of_tiny(tmp_path_factory, tiny_model) -> dict[str, Path]:
    return altered_decoders(Model(tiny_model), tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def installed(tmp_path, monkeypatch, of_base, of_tiny) -> Path:
    """As if base's decoders were shipped, and the tiny model's plain one under the name `tiny`."""
    monkeypatch.setattr(decoders, "WEIGHTS", tmp_path / "weights")
    decoders.WEIGHTS.mkdir()
    for path in of_base.values():
        shutil.copy(path, decoders.WEIGHTS / path.name)
    replaced(of_tiny["plain"], decoders.WEIGHTS / "tiny.decoder", name="tiny")
    return decoders.WEIGHTS


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def replaced(path: Path, target: Path, graph: bytes | None = None, **card) -> Path:
    """A copy of the decoder file ``path`` with another graph, or a card that says otherwise."""
    stored = members(path)
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("model.json", json.dumps({**json.loads(stored["model.json"]), **card}))
        for name in stored.keys() - {"model.json"}:
            archive.writestr(name, stored[name] if graph is None else graph)
    return target


def levels(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture).astype(int)


@pytest.mark.parametrize("quality", [5, 60])
def test_realism_0_is_the_models_own_decoder(crop, of_base, quality):
    data = metamer.encode(crop, quality)
    expected = metamer.decode(data)
    assert metamer.decode(data, realism=0) == expected
    assert metamer.decode(data, decoder=of_base["realism"], realism=0) == expected


def test_the_slider_begins_where_the_models_own_decoder_is(crop, of_base):
    """Through the graph with both sets of weights, not through the model's own."""
    data = metamer.encode(crop)
    change = levels(metamer.decode(data, decoder=of_base["realism"], realism=1e-6)) - levels(
        metamer.decode(data)
    )
    assert abs(change).max() <= 1 and abs(change).mean() < 0.01


def test_the_slider_ends_at_the_trained_weights(crop, of_base, of_tiny, tiny_model):
    for model, of_model in (("base", of_base), (tiny_model, of_tiny)):
        data = metamer.encode(crop, model=model)
        plain = metamer.decode(data, model=model, decoder=of_model["plain"])
        ends = metamer.decode(data, model=model, decoder=of_model["realism"], realism=1)
        assert abs(levels(ends) - levels(plain)).max() <= 1
        assert (
            metamer.decode(data, model=model, decoder=str(of_model["realism"]))
            == ends
            != metamer.decode(data, model=model)
        )


@settings(max_examples=25)
@given(realism=st.floats(0, 1), other_realism=st.floats(0, 1))
def test_realism_in_between_varies_continuously(crop, of_tiny, tiny_model, realism, other_realism):
    """No pixel moves faster than a small multiple of the fastest mean pace, and rounding."""
    data = metamer.encode(crop, model=tiny_model)

    def at(realism):
        return levels(
            metamer.decode(data, model=tiny_model, decoder=of_tiny["realism"], realism=realism)
        )

    span = abs(at(1) - at(0)).max()
    assert (
        span > 3
        and abs(at(realism) - at(other_realism)).max()
        <= 2 * span * abs(realism - other_realism) + 1
    )


def test_the_middle_is_neither_end(crop, of_base):
    data = metamer.encode(crop)
    none, half, full = (
        levels(metamer.decode(data, decoder=of_base["realism"], realism=realism))
        for realism in (0, 0.5, 1)
    )
    span = abs(full - none).mean()
    assert (
        0.3 * span < abs(half - none).mean() < 0.7 * span
        and 0.3 * span < abs(full - half).mean() < 0.7 * span
    )


def test_onnx_runtime_folds_the_interpolation(of_base, tmp_path):
    """What runs is the plain graph, operator for operator, so decoding is as fast."""
    operators = {}
    for name, path in of_base.items():
        options = onnxruntime.SessionOptions()
        options.optimized_model_filepath, options.log_severity_level = str(tmp_path / name), 3
        graph = decoders.complete_graph(
            decoders.read_decoder(path), "synthesis0", load_model("base").graph("synthesis0")
        )
        onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        operators[name] = sorted(node.op_type for node in onnx.load(tmp_path / name).graph.node)
    assert operators["realism"] == operators["plain"]


def test_the_models_own_weights_are_not_in_the_file(crop, of_tiny, tiny_model, tmp_path):
    """And a file that holds them, as those of formats before 4 do, decodes to the same pixels."""
    data, model = metamer.encode(crop, model=tiny_model), Model(tiny_model)
    path, own = of_tiny["realism"], model.graph("synthesis")
    stored = members(path)["synthesis.onnx"]
    complete = decoders.complete_graph(decoders.read_decoder(path), "synthesis", own)
    there, then = (
        {constant.name: constant for constant in onnx.load_from_string(graph).graph.initializer}
        for graph in (stored, complete)
    )
    assert not any(name.startswith("own.") for name in there)
    added = {name: then[name] for name in then.keys() - there.keys()}
    twins = {
        constant.name: onnx.numpy_helper.to_array(constant)
        for constant in onnx.load_from_string(own).graph.initializer
    }
    assert len(added) > 9
    for name, constant in added.items():
        twin = twins[f"synthesis.{name.removeprefix('own.')}"]
        np.testing.assert_array_equal(onnx.numpy_helper.to_array(constant), twin)
    whole = replaced(path, tmp_path / "whole.decoder", complete, format=3)
    for realism in (0.3, 1):
        one, other = (
            metamer.decode(data, model=tiny_model, decoder=file, realism=realism)
            for file in (path, whole)
        )
        assert one == other


def test_a_model_whose_weights_a_decoder_cannot_take(crop, of_tiny, tiny_model, tmp_path):
    """They are of other names, or of other shapes."""
    data, path = metamer.encode(crop, model=tiny_model), of_tiny["realism"]
    stored = members(path)["synthesis.onnx"]
    assert stored.count(b"own.stem.bias")
    renamed = stored.replace(b"own.stem.bias", b"own.stem.bibs")
    with pytest.raises(ModelError, match=r"the model has no weights 'synthesis\.stem\.bibs"):
        metamer.decode(
            data,
            model=tiny_model,
            decoder=replaced(path, tmp_path / "renamed.decoder", renamed),
            realism=0.5,
        )
    own = onnx.load_from_string(Model(tiny_model).graph("synthesis"))
    bias = next(one for one in own.graph.initializer if "stem.bias" in one.name)
    value = onnx.numpy_helper.to_array(bias)
    bias.CopyFrom(onnx.numpy_helper.from_array(np.resize(value, value.size + 1), bias.name))
    decoder = decoders.read_decoder(path)
    complete = decoders.complete_graph(decoder, "synthesis", own.SerializeToString(), 0.5)
    with pytest.raises(ModelError):
        Session(complete, "graph", 1).run(
            latent=np.zeros((1, 4, 6, 32), np.float32), weights=np.zeros((1, 4), np.float32)
        )


def test_latents_do_not_depend_on_the_decoder(crop, of_base):
    """A decoder says whose streams it decodes by the digest of what latents depend on."""
    assert (
        decoders.read_decoder(of_base["plain"]).decodes
        == load_model("base").id
        == metamer.encode(crop)[4:8]
    )


def test_decoders_are_found_by_name(crop, installed, of_base):
    data = metamer.encode(crop)
    assert metamer.decode(data, decoder="plain") == metamer.decode(data, decoder=of_base["plain"])
    assert metamer.decode(data, realism=0.6) == metamer.decode(
        data, decoder=of_base["realism"], realism=0.6
    )
    assert metamer.decode(data) == metamer.decode(data, realism=0)


def test_unknown_names_are_reported_with_the_known_ones(crop, installed, tiny_model):
    data = metamer.encode(crop)
    with pytest.raises(
        ModelError,
        match=r"'realsm' \(did you mean 'realism'\?\); shipped for model 'base': plain, realism;",
    ):
        metamer.decode(data, decoder="realsm")
    with pytest.raises(ModelError, match="no decoder 'tiny'"):  # it decodes another model
        metamer.decode(data, decoder="tiny")
    with pytest.raises(ModelError, match="no decoder 'realism'; shipped for model 'tiny': tiny;"):
        metamer.decode(metamer.encode(crop, model=tiny_model), model=tiny_model, realism=0.5)


@pytest.mark.parametrize("realism", [-0.01, 1.01, float("nan"), float("inf")])
def test_realism_is_between_0_and_1(realism):
    with pytest.raises(ValueError, match="between 0 and 1") as error:
        metamer.decode(b"", realism=realism)
    assert not isinstance(error.value, MetamerError)


def test_info_names_the_decoders(crop, installed, tiny_model, tmp_path):
    data = metamer.encode(crop)
    assert metamer.info(data).decoders == ("plain", "realism")
    assert metamer.info(metamer.encode(crop, model=tiny_model)).decoders == ("tiny",)
    (tmp_path / "crop.mtm").write_bytes(data)
    run = CliRunner().invoke
    assert (
        run(cli.main, ["info", str(tmp_path / "crop.mtm")])
        .output.rstrip()
        .endswith("decoders plain realism")
    )
    assert json.loads(run(cli.main, ["info", "--json", str(tmp_path / "crop.mtm")]).output)[
        "decoders"
    ] == ["plain", "realism"]
    for path in installed.iterdir():
        path.unlink()
    assert metamer.info(data).decoders == ()
    assert run(cli.main, ["info", str(tmp_path / "crop.mtm")]).output.rstrip().endswith("format 1")


def test_the_command_decodes_with_them(crop, of_base, tmp_path):
    stream = tmp_path / "crop.mtm"
    stream.write_bytes(metamer.encode(crop))
    for options in (
        {"decoder": of_base["plain"]},
        {"decoder": of_base["realism"], "realism": 0.4},
        {"realism": 0},
    ):
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        completed = run_metamer("decode", stream, "-o", tmp_path / "back.png", "-f", *words)
        assert completed.returncode == 0, completed.stderr.decode()
        assert Image.open(tmp_path / "back.png").convert("RGB") == metamer.decode(stream, **options)
    help_text = " ".join(run_metamer("decode", "--help").stdout.decode().split())
    assert (
        "Default: the model's own" in help_text
        and "Default: 1 with a --decoder that knows realism, else 0" in help_text
    )


def test_the_commands_errors_are_one_line_and_no_file(crop, of_base, of_tiny, tmp_path):
    stream, truncated = tmp_path / "crop.mtm", tmp_path / "cut.decoder"
    stream.write_bytes(metamer.encode(crop))
    truncated.write_bytes(of_base["plain"].read_bytes()[:9000])
    for words, reason in (
        (["--decoder", of_tiny["plain"]], f"not of {load_model('base').id.hex()}"),
        (["--decoder", "nosuch"], "no decoder 'nosuch'"),
        (["--decoder", truncated], "not a Metamer decoder"),
        (["--decoder", stream], "not a Metamer decoder"),
        (["--decoder", tmp_path], "not a Metamer decoder"),
        (["--decoder", of_base["plain"], "--realism", 0.5], "one realism only"),
    ):
        assert reason in error_line(
            run_metamer("decode", stream, "-o", tmp_path / "back.png", *words)
        )
    for value in ("nan", "-0.1", "1.1", "much"):
        assert (
            run_metamer(
                "decode", stream, "-o", tmp_path / "back.png", "--realism", value
            ).returncode
            == 2
        )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["crop.mtm", "cut.decoder"]


@settings(max_examples=150)
@given(place=st.integers(0, 2**30), value=st.integers(0, 255), truncate=st.booleans())
def test_damage_is_reported_or_changes_nothing(crop, of_tiny, tiny_model, place, value, truncate):
    """A byte replaced anywhere, or the file cut there; some bytes of a zip file mean nothing."""
    data, decoder_bytes = (
        metamer.encode(crop.crop((0, 0, 32, 32)), model=tiny_model),
        of_tiny["plain"].read_bytes(),
    )
    place %= len(decoder_bytes)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "damaged.decoder"
        path.write_bytes(
            decoder_bytes[:place]
            + (b"" if truncate else bytes([value]) + decoder_bytes[place + 1 :])
        )
        try:
            decoded = metamer.decode(data, model=tiny_model, decoder=path)
        except ModelError:
            return
    assert not truncate and decoded == metamer.decode(
        data, model=tiny_model, decoder=of_tiny["plain"]
    )


def test_files_that_are_not_what_they_claim(crop, of_tiny, tiny_model, tmp_path):
    data, plain = metamer.encode(crop, model=tiny_model), of_tiny["plain"]
    value = onnx.helper.make_tensor_value_info
    inputs = [value("latent", 1, [1, "h", "w", 32]), value("weights", 1, [1, 4])]
    nodes = [onnx.helper.make_node("Identity", ["latent"], ["image"])]
    wrong = onnx.helper.make_graph(nodes, "wrong", inputs, [value("image", 1, [1, "h", "w", 32])])
    opset = [onnx.helper.make_opsetid("", 20)]
    shape = onnx.helper.make_model(wrong, opset_imports=opset, ir_version=10).SerializeToString()
    for graph, card, reason in (
        (b"nothing", {}, "cannot be loaded"),
        (Model(tiny_model).graph("features"), {}, "takes hyper, not latent, weights"),
        (shape, {}, "gives an array of"),
        (None, {"realism": True}, "no constant named realism"),
        (None, {"format": 9}, "format 9 is newer"),
        (None, {"format": 2}, "format 2 is older"),
        (None, {"decodes": "none"}, "not a Metamer decoder"),
    ):
        with pytest.raises(ModelError, match=reason):
            metamer.decode(
                data,
                model=tiny_model,
                decoder=replaced(plain, tmp_path / "wrong.decoder", graph, **card),
            )


def test_a_file_that_replaces_another_is_read_anew(crop, of_tiny, tiny_model, tmp_path):
    data, path = metamer.encode(crop, model=tiny_model), tmp_path / "mine.decoder"
    shutil.copy(of_tiny["plain"], path)
    assert metamer.decode(data, model=tiny_model, decoder=path) != metamer.decode(
        data, model=tiny_model
    )
    replaced(path, path, Model(tiny_model).graph("synthesis"))
    assert metamer.decode(data, model=tiny_model, decoder=path) == metamer.decode(
        data, model=tiny_model
    )


def test_decodes_without_torch(crop, of_base, tmp_path):
    (tmp_path / "crop.mtm").write_bytes(metamer.encode(crop))
    script = f"""
import sys
for name in ("torch", "onnx", "yaml", "scipy"):
    sys.modules[name] = None  # importing it raises ImportError
import metamer
assert metamer.decode({str(tmp_path / "crop.mtm")!r}, decoder={str(of_base["realism"])!r}, realism=0.5).size == {crop.size}
"""
    completed = subprocess.run([sys.executable, "-c", script], capture_output=True, cwd=ROOT)
    assert completed.returncode == 0, completed.stderr.decode()


def test_shipped_decoders_are_small_and_carry_a_card(crop):
    stem_by_id = {load_model(path.stem).id: path.stem for path in shipped_models()}
    for decoder in decoders.shipped_decoders():
        assert decoder.path.stat().st_size <= 6_000_000 and decoder.path.with_suffix(".md").exists()
        data = metamer.encode(crop, model=stem_by_id[decoder.decodes])
        assert metamer.decode(data, decoder=decoder.name).size == crop.size
