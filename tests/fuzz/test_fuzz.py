"""A short run of the fuzzer, without guidance, and whether it would notice."""

import random

import pytest

from codec import container, decoding, metadata, salvage
from codec.container import LAST, Section
from codec.errors import StreamError
from tests.fuzz import harness, mutation
from tests.fuzz.target import Target

SEEDS = mutation.seeds()


def run(inputs: int, share: float, seed: int) -> Target:
    target, rng = Target(share), random.Random(seed)
    for _ in range(inputs):
        target(*mutation.mutate(rng.choice(SEEDS), rng))
    return target


def test_nothing_but_refusals():
    target = run(500, 0.1, 7)
    assert not target.failures, "\n".join(trace for _, trace in target.failures.values())
    some = ("accepted", "salvageable", "damaged, checksums as they were", "networks", "networks, colours turned",
            "decoding refused", "salvaged", "words read", "alpha decoded", "alpha refused", "metadata unpacked",
            "metadata refused")
    assert min(target.reached[name] for name in some) > 0


def careless(data: bytes, place: int) -> tuple[Section, bool, int]:
    """`container.read_section` without its checksum."""
    kind, start, end = container.read_start(data, place)
    if end > len(data):
        raise StreamError("is truncated")
    return Section(kind & ~LAST, data[start:end]), bool(kind & LAST), end


@pytest.mark.parametrize("where, name, fault, failure", [
    (container, "read_section", careless, "SilentError"),
    (salvage, "disorder", lambda *_: [], "SilentError"),
    (metadata, "unpack", lambda body: bytes(metadata.LIMIT + 1), "SilentError"),
    (decoding, "coded", lambda *_: next(iter(())), "StopIteration"),
    (harness, "SECONDS", -1.0, "TimeoutError"),
])
def test_faults_are_found(monkeypatch, where, name, fault, failure):
    monkeypatch.setattr(where, name, fault)
    assert any(place.startswith(failure) for place in run(600, 0, 3).failures)


def test_every_form_is_among_the_seeds():
    headers = [container.read_header(data) for data in SEEDS]
    assert {(header.tiled, header.turned) for header in headers} == {(False, False), (False, True), (True, False), (True, True)}
    for data in SEEDS:
        decoding.coded(*container.unpack(data))


def test_drafts_are_written_as_they_were_read():
    for data in SEEDS:
        assert mutation.read(data).written() == data
