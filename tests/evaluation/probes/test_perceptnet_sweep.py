"""Sweeps: every layer of every point is scored once, the optimum is found where it is, the figures
are drawn.
"""

import json

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image

from metamer.codec.errors import FileError
from metamer.evaluation.images import read_image, to_tensor
from metamer.evaluation.probes.perceptnet_sweep import scores, sweep
from metamer.evaluation.probes.perceptnet_sweep.points import TrainedPoint
from metamer.evaluation.ratings import agreement
from metamer.perception import create
from metamer.perception.distances.perceptnet import LAYERS, Decoder, Encoder
from metamer.perception.errors import WeightsError
from tests.conftest import inside

SIDE = 168


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    monkeypatch.setattr(scores, "SAMPLES", 40)


@pytest.fixture(scope="module")
def tid(tmp_path_factory, otters):
    """A folder in TID2013's layout: two references, noise and blur-like mosaics at three levels."""
    folder = tmp_path_factory.mktemp("tid")
    rng = np.random.default_rng(1)
    for name in ("reference_images", "distorted_images"):
        (folder / name).mkdir()
    lines = []
    for number in (1, 2):
        picture = otters.crop((200 * number, 100, 200 * number + SIDE, 100 + SIDE))
        picture.save(folder / "reference_images" / f"I0{number}.png")
        for level in range(1, 4):
            noisy = np.asarray(picture) + rng.normal(0, 9 * level, (SIDE, SIDE, 3))
            coarse = picture.resize((SIDE // (level + 1),) * 2).resize((SIDE, SIDE))
            for kind, image in (
                (1, Image.fromarray(noisy.clip(0, 255).astype(np.uint8))),
                (8, coarse),
            ):
                name = f"i0{number}_{kind:02d}_{level}.png"
                image.save(folder / "distorted_images" / name)
                lines.append(f"{7 - level - kind / 10:.2f} {name}")
    (folder / "mos_with_names.txt").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def points(tmp_path_factory):
    """A grid of random networks."""
    folder = tmp_path_factory.mktemp("points")
    paths = {}
    for number, (name, objective, strength, start) in enumerate(
        [
            ("reconstruction", "reconstruction", 0.0, "original"),
            ("noise-0.1", "denoising", 0.1, "original"),
            ("noise-0.4", "denoising", 0.4, "original"),
            ("sparsity-0.1", "sparsity", 0.1, "original"),
            ("parametric", "reconstruction", 0.0, "parametric"),
        ]
    ):
        torch.manual_seed(number)
        shape = ((3, 3, 4, 8), (1, 3, 3))
        networks = (("encoder", Encoder(*shape)), ("decoder", Decoder(*shape)))
        for stage in (stage for _, network in networks for stage in network.values()):
            stage.deviation.uniform_(0.5, 2)
        tensors = {
            f"{part}.{name}": value
            for part, network in networks
            for name, value in network.state_dict().items()
        }
        metadata = {
            "objective": objective,
            "strength": str(strength),
            "initialisation": start,
            "seed": "0",
        }
        paths[name] = folder / f"{name}.safetensors"
        safetensors.torch.save_file(tensors, paths[name], metadata)
    return paths


def agreement_of_distance(weights, tid, layer, readout) -> float:
    """What the registry's distance of that layer, image by image, correlates at."""
    lines = [line.split() for line in (tid / "mos_with_names.txt").read_text().splitlines()]
    distance = create(
        "perceptnet", weights=str(weights), layer=layer, standard=readout == "standard"
    )
    values = [
        distance(
            to_tensor(read_image(tid / "reference_images" / f"I{name[1:3]}.png")),
            to_tensor(read_image(tid / "distorted_images" / name)),
        ).item()
        for _, name in lines
    ]
    return agreement.spearman(-np.array(values), np.array([float(mark) for mark, _ in lines]))


def test_a_sweep_is_scored_layer_by_layer_and_drawn(points, tid, tmp_path, monkeypatch):
    table = sweep.score_sweep(points, tid, tmp_path)
    numbers = json.loads((tmp_path / sweep.NUMBERS).read_text())
    assert numbers["ratings"].endswith("12 images") and list(numbers["points"]) == list(points)
    assert list(numbers["references"]) == ["mse", "ms-ssim"]
    for row in numbers["points"].values():
        layers = [*LAYERS, *(f"decoder {name}" for name in reversed(LAYERS))]
        assert list(row["layers"]) == [
            f"{layer}, {readout}" for layer in layers for readout in ("standard", "raw")
        ]
        assert all(
            -1 <= low <= high <= 1 and -1 <= value <= 1
            for value, low, high in row["layers"].values()
        )
    assert (
        numbers["points"]["noise-0.4"]["objective"] == "denoising"
        and numbers["points"]["noise-0.4"]["strength"] == 0.4
    )

    for layer, readout in (("v1", "standard"), ("v1", "raw"), ("contrast", "standard")):
        value = numbers["points"]["noise-0.1"]["layers"][f"{layer}, {readout}"][0]
        expected = agreement_of_distance(points["noise-0.1"], tid, layer, readout)
        assert value == pytest.approx(expected, abs=1e-9)

    curve = numbers["optima"]["denoising, raw"]
    ends = {
        strength: numbers["points"][name]["layers"]["v1, raw"][0]
        for strength, name in ((0.0, "reconstruction"), (0.1, "noise-0.1"), (0.4, "noise-0.4"))
    }
    assert ends[curve["strength"]] == max(ends.values())
    assert curve["over_plain"][0] == pytest.approx(max(ends.values()) - ends[0.0])
    assert curve["over_strongest"][0] == pytest.approx(max(ends.values()) - ends[0.4])
    assert not any("deblurring" in name for name in numbers["optima"])  # nothing was deblurred

    assert (
        all(name in table for name in (*points, "mse", "ms-ssim"))
        and table == (tmp_path / sweep.TABLE).read_text()[:-1]
    )
    for name in (sweep.LAYERS_FIGURE, sweep.PARAMETERS_FIGURE):
        assert Image.open(tmp_path / name).width > 500

    # would fail if anything were measured again
    monkeypatch.setattr(TrainedPoint, "space", None)
    assert sweep.score_sweep(points, tid, tmp_path) == table


def test_other_weights_of_the_same_name_are_measured_anew(points, tid, tmp_path):
    table = sweep.score_sweep({"point": points["noise-0.1"]}, tid, tmp_path)
    assert sweep.score_sweep({"point": points["noise-0.4"]}, tid, tmp_path) != table
    assert sweep.score_sweep({"point": points["noise-0.1"]}, tid, tmp_path) == table


def test_decoders_can_be_left_to_plain_reconstruction(points, tid, tmp_path):
    subset = {name: points[name] for name in ("reconstruction", "noise-0.1")}
    sweep.score_sweep(subset, tid, tmp_path, decoders=False)
    quick = json.loads((tmp_path / sweep.NUMBERS).read_text())["points"]
    assert len(quick["reconstruction"]["layers"]) == 28 and len(quick["noise-0.1"]["layers"]) == 14
    sweep.score_sweep(subset, tid, tmp_path)
    record = json.loads((tmp_path / sweep.NUMBERS).read_text())["points"]
    assert (
        len(record["noise-0.1"]["layers"]) == 28
        and record["reconstruction"] == quick["reconstruction"]
    )


def test_the_decoder_ends_in_the_reconstruction(points):
    point = TrainedPoint(points["reconstruction"])
    image = torch.rand(1, 3, 33, 40)
    place = dict(zip(point.layers, point.space(image), strict=True))
    assert place["decoder adaptation"].shape == image.shape
    assert torch.equal(place["v1"], point.encoder(image)["v1"])
    same = point.between(list(place.values()), list(place.values()))
    assert set(same) == set(point.labels) and set(same.values()) == {0.0}


def test_an_interior_optimum_is_distinguished_from_a_slope(rng):
    opinion = rng.normal(size=400)
    people = scores.RatedPairs([], opinion, np.repeat(np.arange(20), 20))
    curve = {
        strength: opinion + noise * rng.normal(size=400)
        for strength, noise in ((0.0, 1.0), (0.1, 0.3), (0.4, 1.2))
    }
    optimum = scores.best_strength(people, [curve])
    assert optimum["strength"] == 0.1 and optimum["seeds"] == 1 and optimum["scatter"] is None
    for end in ("over_plain", "over_strongest"):
        gain, low, high = optimum[end]
        assert 0 < low < gain < high
    del curve[0.4]
    assert scores.best_strength(people, [curve])["over_strongest"] == (0, 0, 0)


def test_what_trainings_scatter_is_found_beside_what_seeds_and_strengths_have_in_common(rng):
    seeds, strengths = rng.normal(size=(60, 1)), rng.normal(size=(1, 50))
    noise = 0.03 * rng.normal(size=(60, 50))
    assert scores.scatter_of_trainings(seeds + strengths + noise) == pytest.approx(0.03, rel=0.05)


def test_intervals_of_differences_cover_trainings(rng):
    # two ways of training that are alike but for chance, of three seeds each: an interval over
    # references alone tells them apart most of the time
    opinion = rng.normal(size=600)
    people = scores.RatedPairs([], opinion, np.repeat(np.arange(30), 20))
    wrong = {"references": 0, "both": 0}
    for _ in range(20):
        curves = [
            {at: opinion + rng.uniform(0.3, 1.5) * rng.normal(size=600) for at in (0.0, 0.1, 0.4)}
            for _ in range(3)
        ]
        optimum = scores.best_strength(people, curves)
        best = [curve[optimum["strength"]] for curve in curves]
        plain = [curve[0.0] for curve in curves]
        wrong["references"] += people.gain(best, plain)[1] > 0
        wrong["both"] += optimum["over_plain"][1] > 0
    assert wrong["both"] <= 1 and wrong["references"] >= 10


def test_seeds_make_one_curve(points, tid, tmp_path):
    reseeded = {}
    for name in ("reconstruction", "noise-0.1"):
        tensors = safetensors.torch.load_file(points[name])
        with safetensors.safe_open(points[name], "pt") as file:
            metadata = file.metadata()
        reseeded[f"{name}-seed1"] = tmp_path / f"{name}-seed1.safetensors"
        noisy = {key: value * (1 + 0.1 * torch.rand_like(value)) for key, value in tensors.items()}
        safetensors.torch.save_file(noisy, reseeded[f"{name}-seed1"], {**metadata, "seed": "1"})
    subset = {name: points[name] for name in ("reconstruction", "noise-0.1")} | reseeded
    table = sweep.score_sweep(subset, tid, tmp_path, decoders=False)
    record = json.loads((tmp_path / sweep.NUMBERS).read_text())
    assert list(record["optima"]) == ["denoising, standard", "denoising, raw"]
    optimum = record["optima"]["denoising, raw"]
    ends = {
        at: np.mean(
            [record["points"][name + seed]["layers"]["v1, raw"][0] for seed in ("", "-seed1")]
        )
        for at, name in ((0.0, "reconstruction"), (0.1, "noise-0.1"))
    }
    assert optimum["seeds"] == 2 and ends[optimum["strength"]] == max(ends.values())
    assert optimum["over_plain"][0] == pytest.approx(max(ends.values()) - ends[0.0])
    assert f"2 seeds, which scatter by {optimum['scatter']:.3f}" in table


def test_the_command_trains_scores_and_does_nothing_twice(photographs, tid, tmp_path):
    (tmp_path / "sweep.yaml").write_text(
        "base: {steps: 2, batch: 2, crop: 32, warmup_steps: 1, precision: 32-true}\nnoise: [0.1]\n"
    )
    arguments = (
        "sweep",
        tmp_path / "sweep.yaml",
        "--data",
        photographs,
        "--ratings",
        tid,
        "--encoders-only",
        "--out",
        tmp_path / "out",
    )
    completed = inside(*arguments)
    assert completed.returncode == 0 and "noise-0.1" in completed.stdout.decode(), (
        completed.stderr.decode()
    )
    weights = tmp_path / "out" / "noise-0.1" / "model.safetensors"
    written = weights.stat().st_mtime_ns
    assert inside(*arguments).stdout == completed.stdout and weights.stat().st_mtime_ns == written


def test_what_is_no_sweep_point_is_refused(tmp_path):
    with pytest.raises(FileError, match="cannot be read"):
        TrainedPoint(tmp_path / "nothing.safetensors")
    safetensors.torch.save_file(Encoder().state_dict(), tmp_path / "encoder.safetensors")
    with pytest.raises(WeightsError, match="does not hold"):
        TrainedPoint(tmp_path / "encoder.safetensors")
