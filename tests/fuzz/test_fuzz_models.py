"""A short run over model and decoder files, and whether it would notice."""

import random

import pytest

from metamer.codec.network.files import archive
from metamer.codec.network.graphs import cost, onnx_wire
from tests.fuzz import model_mutation as mutation
from tests.fuzz import model_target
from tests.fuzz.model_target import Target, feed


def run(inputs: int, share: float, seed: int) -> Target:
    target, rng = Target(share), random.Random(seed)
    for _ in range(inputs):
        feed(target, rng)
    target.close()
    return target


def test_nothing_but_refusals():
    target = run(600, 1.0, 7)
    assert not target.failures, "\n".join(trace for _, trace in target.failures.values())
    required = (
        "refused",
        "graphs read",
        "graphs accepted",
        "cards and arrays accepted",
        "models accepted",
        "decoders accepted",
        "through the networks",
        "encoded",
        "decoded",
        "sessions",
        "graphs run",
    )
    assert min(target.reached[name] for name in required) > 0, target.reached


@pytest.mark.parametrize(
    "owner, name, fault, failure",
    [
        (archive, "_depth", lambda data: data["depth"], "TypeError"),
        (cost, "small_content", lambda array: array.content, "AttributeError"),
        (onnx_wire, "read_text", lambda data: str(data, "ascii"), "UnicodeDecodeError"),
        (model_target, "SECONDS", -1.0, "TimeoutError"),
    ],
)
def test_faults_are_found(monkeypatch, owner, name, fault, failure):
    target, rng = Target(0), random.Random(3)
    monkeypatch.setattr(owner, name, fault)
    for _ in range(300):
        feed(target, rng)
    target.close()
    assert any(place.startswith(failure) for place in target.failures), target.failures


def test_graphs_that_nobody_changed_are_written_as_they_were_read():
    rng = random.Random(1)
    for name, data in mutation.model_members().items():
        if name.endswith(".onnx"):
            assert mutation._changed(data, lambda fields, rng: None, rng) == data
