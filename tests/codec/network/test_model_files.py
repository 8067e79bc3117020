"""Model files that open, but are not what they say."""

import io
import json
import zipfile

import numpy as np
import pytest

from metamer.codec.errors import ModelError
from metamer.codec.network.model import WEIGHTS, Model, load_model, model_ids

WHOLE = WEIGHTS / "base.metamer"


def array(name: str) -> np.ndarray:
    with zipfile.ZipFile(WHOLE) as archive:
        return np.load(io.BytesIO(archive.read(f"{name}.npy")))


def with_changes(path, card: dict, arrays: dict[str, np.ndarray], without: str = ""):
    """Base's file with other values in its card, other arrays, and without a member."""
    with zipfile.ZipFile(WHOLE) as archive, zipfile.ZipFile(path, "w") as new:
        for name in archive.namelist():
            data = archive.read(name)
            if name == "model.json":
                data = json.dumps(json.loads(data) | card).encode()
            elif name.removesuffix(".npy") in arrays:
                buffer = io.BytesIO()
                np.save(buffer, arrays[name.removesuffix(".npy")])
                data = buffer.getvalue()
            if name != without:
                new.writestr(name, data)
    return path


@pytest.mark.parametrize(
    "name, change, reason",
    [
        ("step", lambda a: a.astype(np.float64), "array step has the wrong type or shape"),
        ("reach", lambda a: a[None], "array reach has the wrong type or shape"),
        ("planes", lambda a: a[:-1], "array planes has the wrong type or shape"),
        ("step", lambda a: a[:, :-1], "array step does not match the 384 latent channels"),
        ("grey", lambda a: a[:-1], "array grey has the wrong type or shape"),
        ("grey", lambda a: a + 1, "array grey has the wrong type or shape"),
        ("mean_factor", lambda a: a - a.max() - 1, "array mean_factor leaves 0…262144"),
        ("known_factor", lambda a: a + (1 << 17), "array known_factor leaves 0…131072"),
        (
            "frequencies",
            lambda a: a + 1,
            "every table must hold positive frequencies that sum to 16777216",
        ),
        ("frequencies", lambda a: a[:-1], "frequencies do not match the reach of each table"),
        ("hyper_index", lambda a: a | 255, "array hyper_index names a table that does not exist"),
    ],
)
def test_arrays(name, change, reason, tmp_path):
    with pytest.raises(ModelError, match=f"model.metamer: {reason}"):
        Model(with_changes(tmp_path / "model.metamer", {}, {name: change(array(name))}))


@pytest.mark.parametrize(
    "card, reason",
    [
        ({"format": 9}, "model format 9 is newer than this program reads"),
        ({"format": 1}, "model format 1 is older than this program reads"),
        ({"rdoq_lambda": [-1]}, "out of range"),
        ({"rdoq_lambda": []}, "out of range"),
        ({"rdoq_lambda": [22] * 99}, "out of range"),
        ({"rdoq_group_weights": [1, 1]}, "out of range"),
        ({"rdoq_group_weights": [1, 0, 1]}, "out of range"),
        ({"rdoq_group_weights": [1, float("inf"), 1]}, "its card holds Infinity"),
        ({"masking": -1}, "out of range"),
        ({"receptive_field": 0}, "out of range"),
        ({"receptive_field": 65}, "out of range"),
        ({"groups": "three"}, "is not a Metamer model"),
    ],
)
def test_cards(card, reason, tmp_path):
    with pytest.raises(ModelError, match=reason):
        Model(with_changes(tmp_path / "model.metamer", card, {}))


def test_cards_of_before_are_read_by_the_names_of_today(tmp_path):
    weights, values = [2.0, 1.0, 0.5], {"receptive_field": 5, "rdoq_lambda": [9.0, 20.0]}
    old = with_changes(
        tmp_path / "old.metamer", {"halo": 5, "tradeoff": [9.0, 20.0], "worth": weights}, {}
    )
    new = with_changes(
        tmp_path / "new.metamer", {**values, "rdoq_group_weights": weights, "worth": [1, 1, 1]}, {}
    )
    read, wanted = Model(old), Model(new)
    assert read.card == wanted.card and read.card.items() >= values.items()
    assert read.card["rdoq_group_weights"] == weights and "worth" not in read.card
    assert read.receptive_field == wanted.receptive_field == 5
    assert (read.rdoq_lambda == wanted.rdoq_lambda).all()
    shipped = load_model("base")
    assert read.id == wanted.id == shipped.id
    assert (read.rdoq_lambda != shipped.rdoq_lambda).any()
    assert shipped.card["rdoq_group_weights"] == [1.5, 1.0, 0.7]


def test_absent_files_and_graphs(tmp_path):
    with pytest.raises(ModelError, match="no such model file"):
        Model(tmp_path / "absent.metamer")
    model = Model(with_changes(tmp_path / "model.metamer", {}, {}, without="analysis.onnx"))
    assert model.id == load_model("base").id  # streams do not depend on it
    with pytest.raises(ModelError, match="holds no graph analysis"):
        model.session("analysis")


def test_a_model_whose_file_is_replaced_is_loaded_anew(tmp_path):
    path = with_changes(tmp_path / "model.metamer", {"name": "first"}, {})
    before, ids = load_model(str(path)), model_ids(str(path))
    assert load_model(str(path)) is before and ids == (before.id, before.grey_variant.id)
    factor = array("known_factor")
    with_changes(path, {"name": "second"}, {"known_factor": factor - (factor > 1)})
    after = load_model(str(path))
    assert after.name == "second" and after.id != before.id
    assert model_ids(str(path))[0] == after.id


def test_a_relative_path_is_of_the_current_folder(tmp_path, monkeypatch):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        with_changes(tmp_path / name / "model.metamer", {"name": name}, {})
        monkeypatch.chdir(tmp_path / name)
        assert load_model("model.metamer").name == name


def test_graphs_that_are_given_what_they_cannot_run_on():
    model = load_model("base")
    with pytest.raises(ModelError, match="graph features takes hyper, not latent"):
        model.run("features", latent=np.zeros((1, 1, 1, 1), np.float32))
    with pytest.raises(ModelError, match="graph features cannot be run"):
        model.run("features", hyper=np.zeros((1, 3, 1, 1), np.float32))
