"""Judging distances by opinions: many at once, continued, drawn, and the right way up."""

import json
import os

import numpy as np
import pytest
from PIL import Image

from metamer.codec.errors import FileError, ImageError
from metamer.evaluation.measure.panel import Panel
from metamer.evaluation.ratings import datasets, judging
from metamer.evaluation.ratings import verdicts as reports
from metamer.perception import create
from metamer.perception.distances.features import LayerSweep
from metamer.perception.errors import MetricError
from tests.conftest import inside


@pytest.fixture(scope="module")
def tid(tmp_path_factory, otters):
    """A folder in TID2013's layout: two references, two kinds, four levels of ever more noise,
    opinions that fall with it.
    """
    folder = tmp_path_factory.mktemp("tid")
    rng = np.random.default_rng(1)
    for name in ("reference_images", "distorted_images"):
        (folder / name).mkdir()
    lines = []
    for number in (1, 2):
        reference = np.asarray(otters.crop((200 * number, 100, 200 * number + 168, 268)))
        Image.fromarray(reference).save(folder / "reference_images" / f"I0{number}.png")
        for kind in (1, 8):
            for level in range(1, 5):
                noisy = reference + rng.normal(0, 4 * level * (1 + 0.1 * kind), reference.shape)
                name = f"i0{number}_{kind:02d}_{level}"
                Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(
                    folder / "distorted_images" / f"{name}.png"
                )
                lines.append(f"{7 - level * (1 + 0.1 * kind) / 2:.4f} {name}.png")
    (folder / "mos_with_names.txt").write_text("\n".join(lines) + "\n")
    return folder


def test_distances_and_layers_are_judged_in_one_pass(tid, tmp_path):
    panel = Panel(
        [create("mse"), create("psnr"), create("lpips-squeeze")],
        [LayerSweep("squeezenet", ("all", "H-10"))],
    )
    assert panel.distances[2].network is panel.sweeps[0].network  # runs once for both
    verdicts = judging.judge_opinions(datasets.load_opinions("tid2013", tid), panel, tmp_path)
    by_metric = {verdict.metric: verdict for verdict in verdicts}
    assert len(by_metric) == 3 + 9 * 2 and all(verdict.count == 16 for verdict in verdicts)
    for name in ("mse", "psnr"):
        value, low, high = by_metric[name].statistics["spearman"]
        assert 0.98 < low <= value <= high <= 1 and by_metric[name].statistics["pearson"][0] > 0.95
    # either way up
    assert by_metric["mse"].statistics["spearman"] == by_metric["psnr"].statistics["spearman"]
    order = [verdict.statistics["spearman"][0] for verdict in verdicts]
    assert order == sorted(order, reverse=True)

    text = reports.write_verdicts(verdicts, "a small set", tmp_path, ["squeeze"])
    assert text.splitlines()[0].startswith("a small set: 16 judgements") and "lpips-squeeze" in text
    assert len(json.loads((tmp_path / "verdicts.json").read_text())) == 21
    for name in ("agreement.png", "layers_squeezenet.png"):
        assert Image.open(tmp_path / name).width > 500


def test_values_are_those_of_single_distances_and_are_kept(tid, tmp_path):
    panel = Panel([create("lpips-squeeze")])
    items = datasets.load_opinions("tid2013", tid).items[:3]
    pairs = [(item.reference, item.image) for item in items]
    rows = judging.measure_pairs(pairs, panel, tmp_path)
    from metamer.evaluation.images import read_image, to_tensor

    for (reference, image), row in zip(pairs, rows, strict=True):
        value = create("lpips-squeeze")(
            to_tensor(read_image(reference)), to_tensor(read_image(image))
        ).item()
        assert row["lpips-squeeze"] == pytest.approx(value, abs=1e-6)
    path = tmp_path / judging.VALUES_FILE
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:2]) + lines[2][:20])  # as an interrupted run leaves it
    panel.compare = None  # would fail if called for what is known
    assert judging.measure_pairs(pairs[:2], panel, tmp_path) == rows[:2]
    remeasured = judging.measure_pairs(
        pairs, Panel([create("lpips-squeeze"), create("mse")]), tmp_path
    )
    assert [set(row) for row in remeasured] == [{"lpips-squeeze", "mse"}] * 3
    assert remeasured[2]["lpips-squeeze"] == rows[2]["lpips-squeeze"]


def test_kinds_can_be_chosen(tid, tmp_path):
    opinions = datasets.load_opinions("tid2013", tid)
    kinds = sorted({item.kind for item in opinions.items})
    verdicts = judging.judge_opinions(opinions, Panel([create("mse")]), tmp_path, kinds[:1])
    assert verdicts[0].count == 8
    with pytest.raises(MetricError, match="did you mean"):
        judging.judge_opinions(opinions, Panel([create("mse")]), tmp_path, [kinds[0][:-2]])


def test_the_command_judges(tid, tmp_path):
    completed = inside(
        "metrics", "judge", "tid2013", tid, "-m", "mse", "-m", "gmsd", "--out", tmp_path / "out"
    )
    assert completed.returncode == 0, completed.stderr.decode()
    assert b"mse" in completed.stdout and (tmp_path / "out" / "agreement.png").exists()


@pytest.fixture(scope="module")
def bapps(tmp_path_factory, otters):
    """BAPPS' layout with two kinds of four: observers prefer, or see no difference in, the less
    noisy patch.
    """
    folder = tmp_path_factory.mktemp("bapps")
    rng = np.random.default_rng(2)
    patch = np.asarray(otters.crop((300, 150, 364, 214)))

    def save(path, sigma):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(
            (patch + rng.normal(0, sigma, patch.shape)).clip(0, 255).astype(np.uint8)
        ).save(path)

    for kind in ("traditional", "cnn"):
        for index in range(4):
            name, first_is_closer = f"{index:06d}", index % 2
            home = folder / "2afc" / "val" / kind
            save(home / "ref" / f"{name}.png", 0)
            save(home / "p0" / f"{name}.png", 4 if first_is_closer else 20)
            save(home / "p1" / f"{name}.png", 20 if first_is_closer else 4)
            (home / "judge").mkdir(exist_ok=True)
            np.save(
                home / "judge" / f"{name}.npy",
                np.array([0.2 if first_is_closer else 0.8], np.float32),
            )
            home = folder / "jnd" / "val" / kind
            save(home / "p0" / f"{name}.png", 0)
            save(home / "p1" / f"{name}.png", 1 + 8 * index)
            (home / "same").mkdir(exist_ok=True)
            np.save(
                home / "same" / f"{name}.npy", np.array([1.0 if index < 2 else 0.0], np.float32)
            )
    return folder


def test_choices_and_thresholds(bapps, tmp_path):
    panel = Panel([create("psnr"), create("cielab")])
    for verdict in judging.judge_choices(datasets.load_triplets(bapps), panel, tmp_path / "2afc"):
        assert verdict.count == 8 and verdict.statistics["2afc"][0] == pytest.approx(0.8)
    for verdict in judging.judge_pairs(datasets.load_pairs(bapps), panel, tmp_path / "jnd"):
        assert verdict.count == 8 and verdict.statistics["jnd-map"][0] == pytest.approx(1)
    with pytest.raises(MetricError, match="did you mean 'traditional distortions'"):
        judging.judge_pairs(datasets.load_pairs(bapps), panel, tmp_path / "jnd", ["traditional"])


@pytest.mark.parametrize("dataset", ["tid2013", "bapps-2afc", "bapps-jnd"])
@pytest.mark.parametrize(
    "options",
    [
        ("-m", "all"),
        ("--layers", "squeezenet"),
        ("-m", "features:network=squeeze,layer=fire3", "-m", "mse"),
    ],
    ids=["all", "layers", "one layer"],
)
def test_every_set_can_be_judged_every_way(dataset, options, tid, bapps, tmp_path):
    folder, kind = (
        (tid, "additive Gaussian noise")
        if dataset == "tid2013"
        else (bapps, "traditional distortions")
    )
    # all: those that need nothing fetched
    bare = {**os.environ, "METAMER_CACHE": str(tmp_path), "METAMER_WEIGHTS": ""}
    completed = inside(
        "metrics", "judge", dataset, folder, *options, "--kind", kind, "--out", tmp_path, env=bare
    )
    assert completed.returncode == 0 and dataset.encode() in completed.stdout, (
        completed.stderr.decode()
    )
    assert b"Traceback" not in completed.stderr and (tmp_path / "verdicts.json").exists()
    assert (
        tmp_path / ("layers_squeezenet.png" if "--layers" in options else "agreement.png")
    ).exists()


def test_pictures_of_other_sizes_and_damaged_values_are_reported(tid, tmp_path):
    items = datasets.load_opinions("tid2013", tid).items
    small = tmp_path / "small.png"
    Image.open(items[0].image).crop((0, 0, 100, 168)).save(small)
    with pytest.raises(ImageError, match=r"small.png has 100x168 pixels, its reference 168x168"):
        judging.measure_pairs([(items[0].reference, small)], Panel([create("mse")]), tmp_path)
    (tmp_path / judging.VALUES_FILE).write_text('{"key": "a", "mse": 1}\n{bad}\n')
    with pytest.raises(FileError, match="line 2 is damaged"):
        judging.measure_pairs(
            [(items[0].reference, items[0].image)], Panel([create("mse")]), tmp_path
        )
