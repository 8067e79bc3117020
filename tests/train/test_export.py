"""What is shipped is what was trained: torch and the runtime agree, exactly where it matters."""

import numpy as np
import onnx
import torch
from PIL import Image

import codec
from codec import coding, latents, pixels
from codec.model import Model, graph_names
from train import export, loop
from train.entropy_model import level_weights
from train.integer_networks import set_quantised


def trained(tiny_run):
    network = loop.restore_average(tiny_run / "checkpoint.pt")[0].eval()
    set_quantised(network)
    return network


def test_integer_graphs_equal_torch_to_the_last_unit(tiny_run, tiny_model, rng):
    network, model = trained(tiny_run), Model(tiny_model)
    hyper = rng.integers(-63, 64, (1, 8, 3, 5)).astype(np.float32)
    np.testing.assert_array_equal(
        model.run("features", hyper=hyper)[0], network.entropy.hyper_synthesis(torch.from_numpy(hyper)).detach().numpy()
    )
    for name, context in zip(graph_names(2)[1:], network.entropy.contexts, strict=True):
        channels = context.squeeze.weight.shape[1]
        units = rng.integers(-511, 512, (1, 9, 7, channels)).astype(np.float32)
        units[..., :8] = rng.integers(0, 1024, (1, 9, 7, 8))
        units[..., 8:12] = rng.integers(0, 65, (1, 9, 7, 4))
        found = model.run(name, context=units)
        wanted = context(torch.from_numpy(units).permute(0, 3, 1, 2))
        for mine, theirs in zip(found, wanted, strict=True):
            assert mine.dtype == np.int16
            np.testing.assert_array_equal(mine, theirs.permute(0, 2, 3, 1).detach().numpy())


def test_transforms_equal_torch_up_to_half_precision_weights(tiny_run, tiny_model, otters):
    network, model = trained(tiny_run), Model(tiny_model)
    planes = pixels.to_planes(otters.crop((100, 100, 196, 164)))
    weights = model.arrays["level_weights"][128:129]
    latent, _ = model.run("analysis", image=planes, weights=weights)
    wanted = network.analysis(torch.from_numpy(planes), torch.from_numpy(weights)).permute(0, 2, 3, 1).detach().numpy()
    np.testing.assert_allclose(latent, wanted, atol=5e-3)
    image = model.run("synthesis", latent=latent, weights=weights)[0]
    wanted = network.synthesis(torch.from_numpy(latent).permute(0, 3, 1, 2), torch.from_numpy(weights)).detach().numpy()
    assert np.abs(image - wanted).max() < 1 / 255


def test_runtime_rate_is_the_trained_rate(tiny_run, tiny_model, otters):
    """The file costs what the training loss said such an image costs, within what tables and rounding change."""
    network = trained(tiny_run)
    picture = otters.crop((200, 60, 456, 316))
    level = torch.tensor([2.0])
    with torch.no_grad():
        _, coded = network(torch.from_numpy(pixels.to_planes(picture)), level, "straight_through", 0.3)
    trained_bits = (coded.bits + coded.hyper_bits).item()
    quality = 2.0 / (network.options.levels - 1) * 100
    assert 0.75 * trained_bits < codec.cross_entropy(picture, quality, model=tiny_model) < 1.1 * trained_bits


def test_round_trip_of_a_fresh_model(tiny_model, otters):
    picture = otters.crop((200, 60, 343, 160))
    data = codec.encode(picture, 80, model=tiny_model)
    decoded = codec.decode(data, model=tiny_model)
    error = np.square(np.asarray(decoded, float) - np.asarray(picture, float)).mean()
    assert decoded.size == picture.size and -10 * np.log10(error / 255**2) > 25


def test_encoder_and_decoder_see_the_same_latents(tiny_model, otters):
    network, picture = Model(tiny_model), otters.crop((10, 20, 110, 90))
    for quality in (0, 100, 255):
        latent, hyper = coding.analyse(picture, quality, network)
        mine = latents.encode(network, quality, latent, hyper, export.Counter([9999] * len(network.tables)), coding.TRADEOFF)
        stream = codec.encode(picture, quality / 2.55, model=tiny_model)
        np.testing.assert_array_equal(codec.decode_latents(stream, model=tiny_model), mine)


def test_exported_file_is_small_reproducible_and_free_of_code(tiny_run, tiny_model, photographs):
    codec_, card = trained(tiny_run), {"name": "again"}
    first, second = export.graphs(codec_), export.graphs(codec_)
    assert first == second
    for data in first.values():
        graph = onnx.load_from_string(data)
        onnx.checker.check_model(graph)
        assert {node.domain for node in graph.graph.node} <= {"", "ai.onnx"}
    arrays = export.quality_arrays(codec_)
    assert np.isfinite(arrays["step"]).all() and (arrays["step"] > 0).all()
    np.testing.assert_allclose(arrays["level_weights"], level_weights(torch.linspace(0, 3, 256), 4))
    assert card["name"] == "again"


def test_tables_cover_heavy_tails():
    for table in export.logistic_tables():
        assert table.sum() == np.float64(1) or abs(table.sum() - 1) < 2e-6
        assert table[-1] >= 1e-7


def test_pictures_of_any_mode(tiny_model, otters):
    grey = codec.decode(codec.encode(otters.crop((0, 0, 64, 64)).convert("L"), 90, model=tiny_model), model=tiny_model)
    assert grey.mode == "RGB" and grey.size == (64, 64)
    flat = codec.encode(np.full((20, 30, 3), 77, np.uint8), 90, model=tiny_model)
    assert codec.decode(flat, model=tiny_model).size == (30, 20)
    assert isinstance(grey, Image.Image)
