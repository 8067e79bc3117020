"""A model file says enough to train on: what comes back codes, decodes and exports as what was
shipped.
"""

import dataclasses
import json
import zipfile

import numpy as np
import pytest
import torch

import metamer
from metamer.codec import transforms
from metamer.codec.errors import ModelError, RecipeError
from metamer.codec.format import container
from metamer.codec.network import colour_axes, latents
from metamer.codec.network.files.model_file import graph_names
from metamer.codec.network.model import Model
from metamer.codec.network.model import load_model as shipped
from metamer.codec.options import quality_index
from metamer.codec.picture import pixels
from metamer.codec.stream.coded_picture import parse_tiles
from metamer.entropy.coder import Meter
from metamer.train import checkpoints, start
from metamer.train.export.tables import quality_arrays
from metamer.train.networks.codec import NetworkOptions
from metamer.train.networks.entropy_model.integer_networks import IntegerConv2d
from metamer.train.networks.levels import level_weights
from metamer.train.recipe.checks import from_mapping
from metamer.train.recipe.files import begun
from metamer.train.recipe.options import Stage
from metamer.train.run import setup


@pytest.fixture(scope="module")
def base():
    recipe = begun({"start": "base", "stages": [{"name": "none", "steps": 1}]})
    network = start.load("base", recipe.network).eval()
    network.entropy.set_quantised()
    return network


def close(arrays, model):
    """Every array that depends on quality against the file's; differences are of the file's own
    rounding.
    """
    same = {name: np.abs(arrays[name].astype(float) - model.arrays[name]) for name in arrays}
    for name in ("planes", "level_weights"):
        assert same[name].max() == 0
    for name in ("scale_offset", "hyper_index"):
        assert same[name].max() <= 1, name
    for name in ("step", "encoder_gain"):
        assert (same[name] / model.arrays[name]).max() < 2e-6, name
    # deviations were rounded to that share of themselves
    finest = 0.5 / model.arrays["mean_factor"][-1]
    for name in ("mean_factor", "known_factor"):
        assert (same[name] <= 1 + 1.01 * finest * model.arrays[name]).all(), name


def integer_layers(network, model):
    """(name, the integers of a restored layer, those in the file), for each."""
    parts = [
        ("", network.entropy.hyper_synthesis),
        *(("network.", context) for context in network.entropy.contexts),
    ]
    for graph, (prefix, part) in zip(graph_names(len(network.options.groups)), parts, strict=True):
        stored = start.constants(model, graph)
        for name, layer in part.named_modules():
            if isinstance(layer, IntegerConv2d):
                weight, bias, shift = layer.integers()
                key = f"{prefix}{name}"
                expected = start.integers(stored, key, weight.shape[-1])
                yield (
                    f"{graph} {key}",
                    (weight.detach(), bias.detach(), torch.exp2(-shift)),
                    expected,
                )


def channels_that_differ(network, model) -> dict[str, int]:
    """Layers → output channels that do not compute the very same. They may differ by the rounding
    to one bit less.

    Integers and their shift are compared by what they stand for: twice the integers with one more
    shift are the same.
    """
    differ = {}
    for name, (weight, bias, scale), (weight_then, bias_then, scale_then) in integer_layers(
        network, model
    ):
        error = (
            torch.cat(
                [
                    (
                        weight * scale[:, None, None, None]
                        - weight_then * scale_then[:, None, None, None]
                    ).flatten(1),
                    (bias * scale - bias_then * scale_then)[:, None],
                ],
                1,
            )
            .abs()
            .amax(1)
        )
        assert (error <= 0.5 * scale).all() and (scale <= 2 * scale_then).all(), name
        differ[name] = int((error > 0).sum())
    return differ


def test_integers_of_the_shipped_model_come_back(base):
    """Of all 33 layers' 4,480 channels, but one whose sum of weights lies at a power of two and
    loses a bit.
    """
    differ = channels_that_differ(base, shipped("base"))
    assert len(differ) == 3 + 6 * 5
    assert sum(differ.values()) <= 1, differ


def test_tables_of_the_shipped_model_come_back(base):
    close(quality_arrays(base), shipped("base"))


@pytest.mark.parametrize("quality", [0, 100, 255])
def test_the_shipped_model_codes_as_before(base, otters, quality):
    """With plain rounding and a whole number of blocks: the runtime's latents, at the runtime's
    rate.
    """
    model, picture = shipped("base"), otters.crop((60, 20, 60 + 192, 20 + 128))
    meter = Meter(model.tables)
    latent, hyper = transforms.analyse(pixels.to_planes(picture), quality, model)
    expected = latents.dequantise(
        model,
        quality,
        latents.write_latents(model, quality, latent, hyper, meter, rdoq_lambda=np.float32(1e9)),
    )
    with torch.no_grad():
        level = torch.tensor([quality / 255 * (base.options.levels - 1)])
        planes = torch.from_numpy(pixels.to_planes(picture))
        rounded = Stage("rounded", 1, proxy="straight_through")
        coded = base(planes, level, rounded, affine=torch.eye(3, 4)[None], file_bits=True)
        latent = coded.latent * base.entropy.deviation[:, None, None]
    error = np.abs(expected - latent.permute(0, 2, 3, 1).numpy()) / model.arrays["step"][quality]
    print(
        f"{(error > 0.5).mean():.2e} of the latents differ; "
        f"{coded.file_bits.item() / meter.bits - 1:+.4f} of the rate"
    )
    # half precision tips a rounding now and then
    assert (error > 0.5).mean() < 3e-3 and error.max() < 1.5
    assert coded.file_bits.item() == pytest.approx(meter.bits, rel=0.02)


@pytest.mark.parametrize("quality", [10, 60, 100])
def test_the_shipped_model_decodes_as_before(base, otters, quality):
    stream = metamer.encode(otters.crop((60, 20, 60 + 192, 20 + 128)), quality)
    index = quality_index(quality)
    latent = latents.dequantise(shipped("base"), index, metamer.decode_latents(stream))
    levels = base.options.levels
    with torch.no_grad():
        image = base.synthesis(
            torch.from_numpy(latent).permute(0, 3, 1, 2),
            level_weights(torch.tensor([index / 255 * (levels - 1)]), levels),
        )
    header, sections = container.unpack(stream)
    restored = colour_axes.restore_colours(
        image.numpy(), parse_tiles(header, sections).turn.affine()
    )[0]
    error = np.abs(
        restored.transpose(1, 2, 0).clip(0, 1) * 255 - np.asarray(metamer.decode(stream))
    )
    assert error.max() < 0.5 + 1e-2  # a level's half: rounding to 8 bits


def test_an_exported_run_comes_back(tiny_run, tiny_model):
    """Transforms to the 11 bits of half precision, what chooses tables as exported."""
    trained, model = setup.restore_average(tiny_run / checkpoints.CHECKPOINT)[0], Model(tiny_model)
    restored = start.load(tiny_model, trained.options)
    close(quality_arrays(restored), model)
    assert sum(channels_that_differ(restored, model).values()) <= 3
    for part in ("analysis", "synthesis", "entropy.hyper_analysis"):
        pairs = zip(
            restored.get_submodule(part).named_parameters(),
            trained.get_submodule(part).parameters(),
            strict=True,
        )
        for (name, weight), exported_weight in pairs:
            torch.testing.assert_close(
                weight, exported_weight, rtol=2**-11, atol=2**-24, msg=f"{part}.{name}"
            )
    torch.testing.assert_close(
        restored.entropy.deviation, trained.entropy.deviation, rtol=1e-3, atol=0
    )
    for weight, exported_weight in zip(
        restored.synthesis.buffers(), trained.synthesis.buffers(), strict=True
    ):
        torch.testing.assert_close(weight, exported_weight, rtol=2**-11, atol=2**-24)


def test_a_checkpoint_starts_with_its_average(tiny_run):
    saved = checkpoints.load(tiny_run / checkpoints.CHECKPOINT)
    loaded = start.load(
        str(tiny_run / checkpoints.CHECKPOINT), from_mapping(saved["recipe"]).network
    )
    assert all(
        torch.equal(value, saved["average"][name]) for name, value in loaded.state_dict().items()
    )


@pytest.mark.parametrize(
    "change", [{"width": 24}, {"groups": [8, 8, 16]}, {"lambda_high": 0.2}, {"levels": 5}]
)
def test_other_networks_than_the_recipes(tiny_run, tiny_model, change):
    checkpoint = tiny_run / checkpoints.CHECKPOINT
    options = dataclasses.replace(
        from_mapping(checkpoints.load(checkpoint)["recipe"]).network, **change
    )
    with pytest.raises(RecipeError, match=f"start: .*{tiny_model}.*network"):
        start.load(tiny_model, options)
    if "lambda_high" not in change:
        with pytest.raises(RecipeError, match=f"start: .*{checkpoint}.*network"):
            start.load(str(checkpoint), options)


def test_a_recipe_takes_the_network_of_the_model_it_starts_from(tiny_run, tiny_model):
    saved = from_mapping(checkpoints.load(tiny_run / checkpoints.CHECKPOINT)["recipe"]).network
    stages = [{"name": "decoder", "steps": 1, "parts": "decoder"}]
    values = {"start": str(tiny_model), "stages": stages}
    assert begun(values).network == saved
    decoder = {"blocks": 1}
    options = begun({**values, "network": {"decoder": decoder, "levels": 7}}).network
    assert options.levels == 7 and options.decoder.blocks == 1
    assert options.groups == saved.groups
    missing = begun({**values, "start": "nowhere.metamer"})
    assert missing.network == from_mapping({"stages": stages, "start": "other"}).network
    # not of what a checkpoint holds, which may be older than a setting
    assert from_mapping(values).network != saved


def with_member_changed(source, path, member: str, change) -> str:
    """A copy of the model file ``source`` with one member changed, or without it where ``change``
    gives None.
    """
    with zipfile.ZipFile(source) as before, zipfile.ZipFile(path, "w") as after:
        for name in before.namelist():
            data = before.read(name) if name != member else change(before.read(name))
            if data is not None:
                after.writestr(name, data)
    return str(path)


def card(**network):
    """As `changed` wants it: a card that says other networks."""

    def change(data: bytes) -> bytes:
        values = json.loads(data)
        values["recipe"]["network"].update(network)
        return json.dumps(values).encode()

    return change


@pytest.mark.parametrize(
    "member, change",
    [
        ("model.json", lambda data: data.replace(b'"recipe"', b'"receipt"')),
        ("model.json", card(widht=3)),
        ("model.json", card(width=24)),
        ("model.json", card(synthesis_blocks=2)),
        ("model.json", card(levels=7)),
        ("model.json", card(groups=[32])),
        ("synthesis.onnx", lambda data: data[: len(data) // 2]),
        ("context1.onnx", lambda data: None),
    ],
    ids=[
        "no recipe",
        "unknown option",
        "width",
        "blocks",
        "levels",
        "groups",
        "half a graph",
        "no graph",
    ],
)
def test_model_files_that_cannot_be_trained_on(tiny_model, tmp_path, member, change):
    path = with_member_changed(tiny_model, tmp_path / "odd.metamer", member, change)
    with pytest.raises(ModelError, match=r"odd\.metamer"):
        start.from_model(Model(path))


@pytest.mark.parametrize(
    "name",
    [
        "absent.metamer",
        "noise.metamer",
        "noise.pt",
        "absent.pt",
        "list.pt",
        "other.pt",
        "folder",
    ],
)
def test_nonsense_to_start_from(tmp_path, name):
    for suffix in ("metamer", "pt"):
        (tmp_path / f"noise.{suffix}").write_bytes(b"not a model, nor a checkpoint" * 9)
    torch.save([1, 2], tmp_path / "list.pt")
    torch.save({"average": {"weight": torch.zeros(3)}}, tmp_path / "other.pt")
    (tmp_path / "folder").mkdir()
    with pytest.raises(ModelError if name.endswith("metamer") else RecipeError, match=name):
        start.load(str(tmp_path / name), NetworkOptions(groups=[2], width=4))
