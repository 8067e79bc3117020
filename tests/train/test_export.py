"""What is shipped is what was trained: torch and the runtime agree, exactly where it matters."""

import dataclasses
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from PIL import Image

import metamer
from metamer.codec import transforms
from metamer.codec.errors import ModelError, RecipeError
from metamer.codec.network import decoders, latents
from metamer.codec.network.files.arrays import LIMITS
from metamer.codec.network.files.model_file import graph_names
from metamer.codec.network.model import Model, load_model
from metamer.codec.network.passes import FRACTION
from metamer.codec.picture import pixels
from metamer.entropy.coder import Meter
from metamer.train import checkpoints, command, start
from metamer.train.export import card as exported_card
from metamer.train.export import decoders as exported_decoders
from metamer.train.export import graphs as exported_graphs
from metamer.train.export import models as exported_models
from metamer.train.export import tables as exported_tables
from metamer.train.recipe.checks import from_mapping
from metamer.train.recipe.options import Stage
from metamer.train.run import setup, training
from tests.conftest import run_metamer


def trained(tiny_run):
    network = setup.restore_average(tiny_run / "checkpoint.pt")[0].eval()
    network.entropy.set_quantised()
    return network


def test_integer_graphs_equal_torch_to_the_last_unit(tiny_run, tiny_model, rng):
    network, model = trained(tiny_run), Model(tiny_model)
    hyper = rng.integers(-63, 64, (1, 8, 3, 5)).astype(np.float32)
    np.testing.assert_array_equal(
        model.run("features", hyper=hyper)[0],
        network.entropy.hyper_synthesis(torch.from_numpy(hyper)).detach().numpy(),
    )
    for pass_number, (name, context) in enumerate(
        zip(graph_names(2)[1:], network.entropy.contexts, strict=True)
    ):
        channels = context.squeeze.weight.shape[1]
        for height, width in ((9, 7), (9, 6), (4, 7), (4, 6), (5, 1), (1, 4)):
            units = rng.integers(-511, 512, (1, height, width, channels)).astype(np.float32)
            units[..., :8] = rng.integers(0, 1024, (1, height, width, 8))
            units[..., 8:12] = rng.integers(0, 65, (1, height, width, 4))
            outputs = model.run(name, context=units)
            expected = context(torch.from_numpy(units).permute(0, 3, 1, 2))
            coded_now = np.add.outer(np.arange(height), np.arange(width)) % 2 == pass_number % 2
            for output, expected_output in zip(outputs, expected, strict=True):
                assert output.dtype == np.int16
                np.testing.assert_array_equal(
                    output, expected_output[0].permute(1, 2, 0).detach().numpy()[coded_now]
                )


def test_steps_are_never_too_small_for_32_bits(tiny_run):
    """However small training makes them, what is exported is within a model's limits, and is what
    training coded with.
    """
    network = trained(tiny_run)
    with torch.no_grad():
        network.entropy.log_step[:, 0] -= 12
    arrays = exported_tables.quality_arrays(network)
    assert arrays["mean_factor"].max() == LIMITS["mean_factor"] == arrays["mean_factor"][:, 0].min()
    np.testing.assert_allclose(
        arrays["step"][0], network.entropy.log_steps()[0].exp().detach(), rtol=1e-6
    )
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    stage = Stage(name="decoder", steps=1, parts="decoder")
    latent = network(image, torch.tensor([0.0]), stage).latent[:, 0] * network.entropy.deviation[0]
    step = arrays["step"][0, 0] / FRACTION
    np.testing.assert_allclose(latent.detach() / step, (latent.detach() / step).round(), atol=0.01)


def test_transforms_equal_torch_up_to_half_precision_weights(tiny_run, tiny_model, otters):
    network, model = trained(tiny_run), Model(tiny_model)
    planes = pixels.to_planes(otters.crop((100, 100, 196, 164)))
    weights = model.arrays["level_weights"][128:129]
    latent, _ = model.run("analysis", image=planes, weights=weights)
    expected = (
        network.analysis(torch.from_numpy(planes), torch.from_numpy(weights))
        .permute(0, 2, 3, 1)
        .detach()
        .numpy()
    )
    np.testing.assert_allclose(latent, expected, atol=5e-3)
    image = model.run("synthesis", latent=latent, weights=weights)[0]
    expected = (
        network.synthesis(torch.from_numpy(latent).permute(0, 3, 1, 2), torch.from_numpy(weights))
        .detach()
        .numpy()
    )
    assert np.abs(image - expected).max() < 1 / 255


@pytest.fixture(scope="module")
def logistic(tiny_run, tmp_path_factory) -> tuple:
    """The trained network, and its model with every table coded as training has it."""
    network = trained(tiny_run)
    path = tmp_path_factory.mktemp("logistic") / "logistic.metamer"
    tables = exported_tables.pack_tables(exported_tables.logistic_tables(), np.zeros(64, bool))
    card = {"format": 2, "name": "logistic", "groups": list(network.options.groups)}
    exported_card.write(
        path,
        card,
        exported_graphs.graphs(network),
        {**exported_tables.quality_arrays(network), **tables},
    )
    return network, Model(path)


@pytest.mark.parametrize("quality", [0, 77, 170, 255])
def test_runtime_codes_what_training_saw(logistic, otters, quality):
    """With plain rounding: the trained network's latents, at the trained network's rate."""
    network, model = logistic
    picture = otters.crop((200, 60, 456, 316))
    latent, hyper = transforms.analyse(pixels.to_planes(picture), quality, model)
    meter = Meter(model.tables)
    decoded = latents.dequantise(
        model,
        quality,
        latents.write_latents(model, quality, latent, hyper, meter, rdoq_lambda=np.float32(1e9)),
    )
    with torch.no_grad():
        level = torch.tensor([quality / 255 * 3])
        coded = network.entropy(
            torch.from_numpy(latent).permute(2, 0, 1)[None], level, "straight_through"
        )
    assert meter.bits == pytest.approx((coded.bits + coded.hyper_bits).item(), rel=0.01)
    steps = (
        np.abs(decoded - coded.latent.permute(0, 2, 3, 1).numpy()) / model.arrays["step"][quality]
    )
    assert (steps > 0.5).mean() < 5e-3  # a mean at the edge of a sixteenth may tip a rounding


def test_round_trip_of_a_fresh_model(tiny_model, otters):
    picture = otters.crop((200, 60, 343, 160))
    data = metamer.encode(picture, 80, model=tiny_model)
    decoded = metamer.decode(data, model=tiny_model)
    error = np.square(np.asarray(decoded, float) - np.asarray(picture, float)).mean()
    assert decoded.size == picture.size and -10 * np.log10(error / 255**2) > 25


def test_a_tile_of_one_position_has_no_second_pass(tiny_model):
    """The last tile of 65x65 positions."""
    picture = Image.effect_noise((1025, 1025), 40).convert("RGB")
    data = metamer.encode(picture, 20, model=tiny_model, tile=True, lossless=False)
    tiled, corner = (
        metamer.decode(data, model=tiny_model, region=region)
        for region in (None, (1000, 1000, 25, 25))
    )
    np.testing.assert_allclose(
        np.asarray(tiled, int)[1000:, 1000:], np.asarray(corner, int), atol=1
    )


def test_encoder_and_decoder_see_the_same_latents(tiny_model, otters):
    network, picture = Model(tiny_model), otters.crop((10, 20, 110, 90))
    for quality in (0, 100, 255):
        latent, hyper = transforms.analyse(pixels.to_planes(picture), quality, network)
        sink = exported_tables.Counter([9999] * len(network.tables))
        written = latents.write_latents(
            network, quality, latent, hyper, sink, network.rdoq_lambda[quality]
        )
        stream = metamer.encode(picture, quality / 2.55, model=tiny_model)
        np.testing.assert_array_equal(metamer.decode_latents(stream, model=tiny_model), written)


def test_exporting_twice_gives_the_same_file_and_no_code(
    tiny_run, tiny_model, photographs, tmp_path
):
    (tmp_path / "again.draft").write_text("of another")
    exported_models.export_run(tiny_run, [photographs], tmp_path / "again.metamer", "tiny", 8)
    assert (tmp_path / "again.metamer").read_bytes() == Path(tiny_model).read_bytes()
    assert (tmp_path / "again.draft").read_text() == "of another"
    with zipfile.ZipFile(tiny_model) as archive:
        names = archive.namelist()
        assert {Path(name).suffix for name in names} == {".json", ".onnx", ".npy"}
        for name in names:
            if name.endswith(".onnx"):
                graph = onnx.load_from_string(archive.read(name))
                onnx.checker.check_model(graph)
                assert {node.domain for node in graph.graph.node} <= {"", "ai.onnx"}
    card = Model(tiny_model).card
    assert (
        card["name"] == "tiny"
        and card["steps"] == 60
        and card["recipe"]["stages"]
        and abs(card["integer_cost_percent"]) < 5
    )


def test_a_run_may_be_given_another_encoder(tiny_run, tiny_model, photographs, tmp_path):
    """By whose rounding tables are counted; nothing else of a trained run can be said anew."""
    recipe = checkpoints.load(tiny_run / checkpoints.CHECKPOINT)["recipe"]
    assert Model(tiny_model).card["rdoq_lambda"] == [22.0]
    path = tmp_path / "other.metamer"
    changes = ["encoder.rdoq_lambda=[9, 60]", "encoder.masking=0.5"]
    exported_models.export_run(tiny_run, [photographs], path, "other", 8, changes)
    card = Model(path).card
    assert (card["rdoq_lambda"], card["rdoq_group_weights"], card["masking"]) == ([9, 60], [], 0.5)
    assert card["recipe"]["encoder"]["masking"] == 0.5
    assert Model(path).id != Model(tiny_model).id
    for assignment, reason in (
        ("stages.0.steps=3", "can only be given another encoder"),
        ("encoder.masking=3", "encoder.masking: must be"),
        ("encoder.rdoq_lambda=[]", "encoder.rdoq_lambda"),
        ("encoder.blur=1", "blur"),
    ):
        with pytest.raises(RecipeError, match=reason):
            exported_models.with_encoder(recipe, [assignment])


def test_hardly_used_tables_are_left_empty():
    tables = exported_tables.logistic_tables()
    empty = exported_tables.hardly_used(tables)
    assert empty[0] and not empty[20:].any() and (np.diff(empty.astype(int)) <= 0).all()
    packed = exported_tables.pack_tables(tables, empty)
    assert (packed["reach"][empty] == -1).all() and (packed["reach"][~empty] >= 3).all()


def test_tables_cover_heavy_tails():
    for table in exported_tables.logistic_tables():
        assert table.sum() == np.float64(1) or abs(table.sum() - 1) < 2e-6
        assert table[-1] >= 1e-7


def test_pictures_of_any_mode(tiny_model, otters):
    grey = metamer.decode(
        metamer.encode(otters.crop((0, 0, 64, 64)).convert("L"), 90, model=tiny_model),
        model=tiny_model,
    )
    assert grey.mode == "L" and grey.size == (64, 64)
    share = load_model(tiny_model).grey_variant.coded_channels.mean()
    assert 0.3 < share <= 1  # the largest of 32 basis vectors are of luma
    flat = metamer.encode(np.full((20, 30, 3), 77, np.uint8), 90, model=tiny_model, lossless=False)
    assert metamer.decode(flat, model=tiny_model).size == (30, 20)
    assert isinstance(grey, Image.Image)


def decoder_run(folder, source, model, parts="decoder"):
    """The folder of a run that began from ``source`` and changed the synthesis of ``model`` a
    little.
    """
    network = start.from_model(Model(model))
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for weight in network.synthesis.parameters():
            weight += 0.05 * weight.abs().mean() * torch.randn(weight.shape, generator=generator)
    values = {
        "network": dataclasses.asdict(network.options),
        "start": str(source),
        "stages": [{"name": "decoder", "parts": parts, "steps": 7}],
    }
    state = {
        "step": 7,
        "average": network.state_dict(),
        "recipe": dataclasses.asdict(from_mapping(values)),
    }
    folder.mkdir()
    checkpoints.save(folder / checkpoints.CHECKPOINT, state)
    return folder


def test_a_decoder_run_exports_a_decoder_file(tiny_model, tmp_path, otters):
    """Without photographs; with realism to choose if told so."""
    stream = metamer.encode(otters.crop((0, 0, 80, 64)), 60, model=tiny_model)
    for slider in (False, True):
        run = decoder_run(tmp_path / f"run{slider}", tiny_model, tiny_model)
        completed = run_metamer("export", run, "--name", "sharp", *["--slider"] * slider)
        assert completed.returncode == 0, completed.stderr.decode()
        assert (
            Model(tiny_model).id.hex() in completed.stdout.decode()
            and (b"realism 0 to 1" in completed.stdout) == slider
        )
        path = run / "synthesis.decoder"
        decoder = decoders.read_decoder(path)
        assert (decoder.name, decoder.decodes, decoder.slider) == (
            "sharp",
            Model(tiny_model).id,
            slider,
        )
        exported_decoders.export_decoder_run(run, tmp_path / "again", "sharp", slider)
        assert (tmp_path / "again").read_bytes() == path.read_bytes()
        assert metamer.decode(stream, model=tiny_model, decoder=path) != metamer.decode(
            stream, model=tiny_model
        )
        with zipfile.ZipFile(path) as archive:
            assert archive.namelist() == ["model.json", "synthesis.onnx"]
        complete = decoders.complete_graph(
            decoder, "synthesis", Model(tiny_model).graph("synthesis")
        )
        onnx.checker.check_model(onnx.load_from_string(complete))


def test_both_ends_of_a_slider_are_as_they_were(tiny_model, tmp_path):
    """What was trained in its file, the model's own weights in the model's alone."""
    model, run = Model(tiny_model), decoder_run(tmp_path / "run", tiny_model, tiny_model)
    trained = setup.restore_average(run / checkpoints.CHECKPOINT)[0].synthesis.bands[0]
    exported_decoders.export_decoder_run(run, tmp_path / "slider.decoder", "slider", True)
    file = decoders.read_decoder(tmp_path / "slider.decoder")
    with zipfile.ZipFile(file.path) as archive:
        held = onnx.load_from_string(archive.read("synthesis.onnx")).graph.initializer
    assert not any(constant.name.startswith("own.") for constant in held)
    complete = decoders.complete_graph(file, "synthesis", model.graph("synthesis"))
    graph = onnx.load_from_string(complete).graph
    stored = {
        constant.name.removesuffix("_stored"): onnx.numpy_helper.to_array(constant)
        for constant in graph.initializer
    }
    constants = start.constants(model, "synthesis")
    assert not {"realism"} & {port.name for port in graph.input} and stored["realism"] == 1
    for name, weight in trained.named_parameters():
        np.testing.assert_array_equal(
            stored[f"own.{name}"].astype(np.float32), constants[f"synthesis.{name}"].numpy()
        )
        expected = weight.detach().numpy()
        np.testing.assert_array_equal(
            stored[f"trained.{name}"], expected.astype(stored[f"trained.{name}"].dtype)
        )


def test_a_decoder_run_may_become_a_model(tiny_model, tmp_path, otters):
    """With the decoder's synthesis for its own, and all else as in the model that it began from."""
    run = decoder_run(tmp_path / "run", tiny_model, tiny_model)
    for options in (["-o", run / "own.decoder"], ["--model", "--name", "whole"]):
        completed = run_metamer("export", run, *options)
        assert completed.returncode == 0, completed.stderr.decode()
    whole, tiny = run / "model.metamer", Model(tiny_model)
    assert Model(whole).id == tiny.id
    assert Model(whole).card["streams_recipe"] == tiny.card["recipe"]
    picture = otters.crop((0, 0, 80, 64))
    stream = metamer.encode(picture, 60, model=tiny_model)
    assert metamer.encode(picture, 60, model=str(whole)) == stream
    assert metamer.decode(stream, model=str(whole)) == metamer.decode(
        stream, model=tiny_model, decoder=run / "own.decoder"
    )


def test_a_decoder_run_finds_its_model_through_other_decoder_runs(tiny_run, tiny_model, tmp_path):
    first_run = decoder_run(tmp_path / "first", tiny_model, tiny_model)
    second_run = decoder_run(tmp_path / "second", first_run / checkpoints.CHECKPOINT, tiny_model)
    assert (
        exported_decoders.export_decoder_run(second_run, tmp_path / "second.decoder", "second")[
            "decodes"
        ]
        == Model(tiny_model).id.hex()
    )
    stray = decoder_run(tmp_path / "stray", tiny_run / checkpoints.CHECKPOINT, tiny_model)
    with pytest.raises(RecipeError, match="is no model"):
        exported_decoders.export_decoder_run(stray, tmp_path / "stray.decoder", "stray")
    assert not (tmp_path / "stray.decoder").exists()


def test_what_a_run_exports(tiny_run, tiny_model, tmp_path):
    assert command.kind(tiny_run) == "codec"
    for parts, kind in (("decoder", "decoder"), ("transforms", "codec")):
        assert (
            command.kind(decoder_run(tmp_path / parts, tiny_model, tiny_model, parts=parts)) == kind
        )
    completed = run_metamer(
        "export", tiny_run, "--data", tmp_path, "--slider", "-o", tmp_path / "model.metamer"
    )
    assert completed.returncode == 2 and b"decoder alone" in completed.stderr
    assert run_metamer("export", tiny_run, "-o", tmp_path / "model.metamer").returncode == 2
    assert not (tmp_path / "model.metamer").exists()


def test_a_slider_needs_two_networks_that_are_built_alike(tiny_run, tmp_path):
    with pytest.raises(ModelError, match="not built as"):
        exported_decoders.export_decoder(
            trained(tiny_run), load_model("base"), {"name": "x"}, tmp_path / "x.decoder", True
        )
    assert not (tmp_path / "x.decoder").exists()


def test_training_only_transforms_keeps_the_models_streams(
    tiny_model, photographs, tmp_path, otters
):
    """Encoder and decoder trained further: either model decodes what the other encoded, and they
    are not the same.
    """
    values = {
        "start": tiny_model,
        "network": load_model(tiny_model).card["recipe"]["network"],
        "precision": "32-true",
        "weight_average_decay": 0.5,
        "stages": [
            {
                "name": "both",
                "parts": "transforms",
                "steps": 3,
                "batch": 2,
                "crop": 96,
                "integer_networks": True,
            }
        ],
    }
    training.train(from_mapping(values), [photographs], tmp_path / "run")
    exported_models.export_run(
        tmp_path / "run",
        [photographs],
        tmp_path / "both.metamer",
        "both",
        8,
        ["encoder.masking=0.5"],
    )
    grafted, picture = load_model(str(tmp_path / "both.metamer")), otters.crop((0, 0, 96, 80))
    assert grafted.id == load_model(tiny_model).id and grafted.masking == 0.5
    data, tiny_data = (
        metamer.encode(picture, 60, model=name) for name in (str(grafted.path), tiny_model)
    )
    assert data != tiny_data
    for stream in (data, tiny_data):
        by_grafted, by_tiny = (
            np.asarray(metamer.decode(stream, model=name), float)
            for name in (str(grafted.path), tiny_model)
        )
        assert 0 < np.abs(by_grafted - by_tiny).mean() < 4
