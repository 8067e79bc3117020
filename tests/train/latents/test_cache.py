"""Cached latents are what files decode to; crops of them decode to what whole photographs do."""

import dataclasses
import json

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

import metamer
from metamer.codec import grid
from metamer.codec.errors import ModelError, RecipeError
from metamer.codec.network.model import Model
from metamer.codec.network.passes import FRACTION
from metamer.train import checkpoints, colour_axes, start
from metamer.train.data import Photographs, Plan, find
from metamer.train.latents import cache
from metamer.train.latents.batches import CachedBatches
from metamer.train.networks.levels import quality_indices
from metamer.train.recipe.checks import from_mapping
from metamer.train.recipe.options import CacheOptions
from metamer.train.run import log
from metamer.train.run.training import train
from metamer.train.step.draws import draw_levels, step_seed
from tests.conftest import TINY_RECIPE

OPTIONS = CacheOptions(qualities=5, every=2, margin=2)
STAGE = {"name": "decoder", "parts": "decoder", "steps": 6, "batch": 4, "crop": 96}


def ladder(model: str, **fields) -> dict:
    """A recipe of another decoder on cached latents."""
    tiny = yaml.safe_load(TINY_RECIPE)
    decoder = {"stride": 16, "width": 16, "blocks": 1}
    return {
        **tiny,
        "start": model,
        "network": {**tiny["network"], "decoder": decoder},
        "cached_latents": dataclasses.asdict(OPTIONS),
        "stages": [{**STAGE, "warmup_steps": 2}],
        "save_every": 3,
        "log_every": 1,
        "validate_every": 15,
        **fields,
    }


@pytest.fixture(scope="module")
def pictures(photographs) -> Photographs:
    return Photographs(find(photographs)[0])


@pytest.fixture(scope="module")
def folder(tmp_path_factory, pictures, tiny_model):
    path = tmp_path_factory.mktemp("latents") / "latents"
    cache.fill(path, pictures, Model(tiny_model), OPTIONS)
    return path


def test_they_are_what_files_decode_to(folder, pictures, tiny_model):
    entries, model = list(cache.entries(folder)), Model(tiny_model)
    assert len(entries) == len(pictures)
    indices = quality_indices(OPTIONS.qualities)
    for number, entry in enumerate(entries):
        assert entry.qualities == ((0, 2, 4) if number % 2 == 0 else (1, 3))
        pixels = pictures[number].permute(1, 2, 0).numpy()
        for quality, bpp in zip(entry.qualities, entry.bpp, strict=True):
            stream = metamer.encode(
                Image.fromarray(pixels),
                100 * indices[quality] / 255,
                model=tiny_model,
                lossless=False,
            )
            expected = metamer.decode_latents(stream, model=tiny_model)
            np.testing.assert_array_equal(
                entry.latents(quality, slice(None), slice(None)).numpy(), expected
            )
            bits = 8 * len(stream) / (pixels.shape[0] * pixels.shape[1])
            assert bpp < bits and bpp == pytest.approx(bits, rel=0.1, abs=0.01)
        np.testing.assert_array_equal(
            entry.image(slice(16, 48), slice(0, 32)).permute(1, 2, 0), pixels[16:48, :32]
        )
        torch.testing.assert_close(entry.affine, pictures.affine(number))
    assert model.latents == expected.shape[2]


@pytest.mark.parametrize("limit", ["TILED_ABOVE", "vp8l.MAX_SIDE"])
def test_large_photographs_are_tiled_as_files_are(limit, otters, tiny_model, monkeypatch):
    monkeypatch.setattr(f"metamer.codec.encoder.encoding.{limit}", 100)
    monkeypatch.setattr(grid.split_tiles, "__defaults__", (8,))
    picture, model = otters.crop((0, 0, 300, 200)), Model(tiny_model)
    stream = metamer.encode(picture, 100 * 128 / 255, model=tiny_model, lossless=False)
    assert metamer.info(stream).tiles > 1
    latents, _ = cache.coded(picture, 128, model)
    np.testing.assert_array_equal(latents, metamer.decode_latents(stream, model=tiny_model))


def test_a_pass_goes_on_where_it_was_stopped(folder, pictures, tiny_model, tmp_path, monkeypatch):
    encoded, stopped = 0, tmp_path / "latents"
    coded = cache.coded

    def stopping(*arguments):
        nonlocal encoded
        encoded += 1
        if encoded == 4:  # in the midst of a photograph
            raise KeyboardInterrupt
        return coded(*arguments)

    monkeypatch.setattr(cache, "coded", stopping)
    with pytest.raises(KeyboardInterrupt):
        cache.fill(stopped, pictures, Model(tiny_model), OPTIONS)
    assert sorted(path.name for path in stopped.iterdir()) == ["000000.safetensors", "index.json"]
    before = (stopped / "000000.safetensors").stat().st_mtime_ns
    cache.fill(stopped, pictures, Model(tiny_model), OPTIONS)
    assert (stopped / "000000.safetensors").stat().st_mtime_ns == before
    for path in folder.iterdir():
        assert path.read_bytes() == (stopped / path.name).read_bytes()


def test_a_cache_of_something_else_is_not_changed(folder, pictures, tiny_model):
    other_options = dataclasses.replace(OPTIONS, every=1)
    with pytest.raises(RecipeError, match="another model, of other photographs or at other"):
        cache.fill(folder, pictures, Model(tiny_model), other_options)
    assert json.loads((folder / "index.json").read_text())["every"] == 2


def test_damaged_files_are_named(tmp_path):
    (tmp_path / "000000.safetensors").write_bytes(b"nothing of the kind")
    with pytest.raises(RecipeError, match=r"000000\.safetensors: is not of a cache"):
        list(cache.entries(tmp_path))


def test_latents_that_need_more_bits_are_refused(pictures, tiny_model, monkeypatch):
    wide = np.full((1, 1, 32), 40_000)
    monkeypatch.setattr(cache.encoding, "write_picture", lambda *_: wide)
    with pytest.raises(ModelError, match="16 bits"):
        cache.coded(Image.new("RGB", (16, 16)), 128, Model(tiny_model))


@pytest.fixture
def batches(folder, tiny_model):
    return CachedBatches(folder, from_mapping(ladder(tiny_model)))


def draw_batches(batches: CachedBatches, steps: range, share=slice(0, 4)):
    stage = batches.recipe.stages[0]
    plan = Plan(stage.crop, batches.recipe.seed, stage.batch, steps, share)
    return list(batches.batches(stage, plan, torch.device("cpu")))


def same_batch(batch, other_batch) -> bool:
    return all(torch.equal(*pair) for pair in zip(batch[:2], other_batch[:2], strict=True)) and (
        torch.equal(batch[2].sixteenths, other_batch[2].sixteenths)
        and batch[2].corners == other_batch[2].corners
    )


def test_batches_depend_only_on_seed_and_step(batches, folder, tiny_model):
    all_batches, later = draw_batches(batches, range(6)), draw_batches(batches, range(4, 6))
    assert same_batch(all_batches[4], later[0]) and same_batch(all_batches[5], later[1])
    assert not same_batch(all_batches[0], all_batches[1])
    half = draw_batches(batches, range(1), slice(2, 4))[0]
    assert torch.equal(half[0], all_batches[0][0][2:])
    other_seed = CachedBatches(folder, from_mapping(ladder(tiny_model, seed=1)))
    assert not same_batch(draw_batches(other_seed, range(1))[0], all_batches[0])


def test_levels_are_those_of_the_latents(batches, tiny_model, pictures):
    """At high levels steps are small, so that latents in whole steps are large."""
    setting, stage = batches.recipe, batches.recipe.stages[0]
    indices = torch.tensor(quality_indices(OPTIONS.qualities))
    sizes: dict[float, list[float]] = {}
    for step, (_, _, cached) in enumerate(draw_batches(batches, range(40))):
        generator = torch.Generator().manual_seed(step_seed(setting, step))
        level = draw_levels(setting, stage, generator)
        assert torch.isin((level * 255 / 3).round(), indices).all()
        for level_of_crop, latent in zip(level.tolist(), cached.sixteenths, strict=True):
            sizes.setdefault(round(level_of_crop, 4), []).append(latent.float().abs().mean().item())
    means = [np.mean(sizes[level]) for level in sorted(sizes)]
    assert len(means) == 5 and means == sorted(means) and means[-1] > 2 * means[0]


@pytest.mark.parametrize("stride, blocks", [(16, 1), (8, 3)])
def test_crops_decode_to_what_whole_photographs_do(folder, tiny_model, stride, blocks):
    """With a margin as wide as the receptive field, at edges too; and what is counted is where it should be."""
    values = ladder(tiny_model)
    values["network"]["decoder"] = {"stride": stride, "width": 16, "blocks": blocks}
    recipe = from_mapping(values)
    network = start.load(tiny_model, recipe.network).eval()
    torch.nn.init.normal_(network.synthesis.bands[0].head.weight, std=0.05)
    assert network.synthesis.receptive_field == OPTIONS.margin
    batches = CachedBatches(folder, recipe)
    edges, stage = set(), recipe.stages[0]
    for step, (image, affine, cached) in enumerate(draw_batches(batches, range(12))):
        generator = torch.Generator().manual_seed(step_seed(recipe, step))
        level = draw_levels(recipe, stage, generator)
        with torch.no_grad():
            made_of_it = network(image / 255, level, stage, affine=affine, cached=cached)
        decoded = made_of_it.image
        assert torch.equal(made_of_it.bits, cached.bpp * 96**2)
        edges |= {corner for pair in cached.corners for corner in pair}
        for number, (crop, crop_level) in enumerate(zip(image, level.tolist(), strict=True)):
            entry, (rows, columns) = place(batches.entries, crop)
            quality = round(crop_level * 4 / 3)
            whole_photograph = CachedOf(entry, quality, crop_level, network)
            torch.testing.assert_close(
                decoded[number], whole_photograph.decoded()[:, rows, columns], rtol=0, atol=2e-4
            )
            step_of = made_of_it.latent[number] * network.entropy.deviation[:, None, None]
            inner = [slice(side.start // 16, side.stop // 16) for side in (rows, columns)]
            torch.testing.assert_close(step_of, whole_photograph.latent[0][:, *inner])
    assert edges == {0, 1, 2, 3, 4}  # at the first edge, near it, inside, …


class CachedOf:
    """A whole photograph of a cache, decoded by a network."""

    def __init__(self, entry, quality, level, network):
        self.entry, self.network = entry, network
        weights = (1 - (torch.arange(4) - level).abs()).clamp_min(0)[None]
        step = (weights @ network.entropy.log_steps()).exp()[..., None, None] / FRACTION
        latents = entry.latents(quality, slice(None), slice(None))
        self.latent, self.weights = latents.permute(2, 0, 1)[None] * step, weights

    @torch.no_grad()
    def decoded(self):
        image = self.network.synthesis(self.latent, self.weights)
        return colour_axes.restore(image, self.entry.affine[None])[0]


def place(entries, crop):
    """Which photograph a crop is of, and where."""
    for entry in entries:
        photograph = entry.image(slice(None), slice(None))
        for top in range(0, photograph.shape[1] - 95, 16):
            for left in range(0, photograph.shape[2] - 95, 16):
                if torch.equal(photograph[:, top : top + 96, left : left + 96], crop):
                    return entry, (slice(top, top + 96), slice(left, left + 96))
    raise AssertionError("a crop of none of the photographs")


def test_photographs_too_small_for_a_stage(folder, tiny_model):
    values = ladder(tiny_model, stages=[{**STAGE, "crop": 256}])
    with pytest.raises(RecipeError, match=r"no photograph of 320 pixels a side, which stage dec"):
        draw_batches(CachedBatches(folder, from_mapping(values)), range(1))


def test_a_run_resumes_to_the_last_bit_and_trains_only_the_decoder(
    tiny_model, photographs, tmp_path, monkeypatch
):
    values = ladder(tiny_model, stages=[{**STAGE, "steps": 15, "warmup_steps": 2}])
    train(from_mapping(values), [photographs], tmp_path / "whole")
    rows = [
        json.loads(line) for line in (tmp_path / "whole" / "log.jsonl").read_text().splitlines()
    ]
    steps = [row for row in rows if "loss" in row]
    assert all(row["bpp"] > 0 for row in steps)
    assert [level["level"] for level in rows[-1]["validation"]] == [0, 1, 2, 3]
    original_step = log.Log.step

    def stop(self, step, *arguments, **options):
        if step == 11:
            raise KeyboardInterrupt
        return original_step(self, step, *arguments, **options)

    monkeypatch.setattr(log.Log, "step", stop)
    with pytest.raises(KeyboardInterrupt):
        train(from_mapping(values), [photographs], tmp_path / "part")
    monkeypatch.setattr(log.Log, "step", original_step)
    train(from_mapping(values), [photographs], tmp_path / "part", resume=True)
    uninterrupted, resumed = (
        checkpoints.load(tmp_path / name / checkpoints.CHECKPOINT) for name in ("whole", "part")
    )
    before = start.load(tiny_model, from_mapping(values).network).state_dict()
    for name, weight in uninterrupted["model"].items():
        assert torch.equal(weight, resumed["model"][name]), name
        trained = not torch.equal(weight, before[name]) if name in before else True
        assert trained == (name.startswith("synthesis.") and "companding" not in name), name
