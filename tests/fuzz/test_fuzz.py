"""Short runs of the fuzzer, without guidance, and whether it would notice."""

import random
import warnings

import pytest

from metamer.codec.errors import StreamError
from metamer.codec.format import container
from metamer.codec.format.container import LAST, Section
from metamer.codec.picture import alpha
from metamer.codec.picture import load as pictures
from metamer.codec.picture import save as outputs
from metamer.codec.picture.colour import conversion
from metamer.codec.picture.metadata import exif, packing, tiff, xmp
from metamer.codec.stream import coded_picture, salvage
from tests.fuzz import harness, inputs, mutation
from tests.fuzz import outputs as said
from tests.fuzz.target import Target

SEEDS = mutation.seeds()


def run(inputs: int, share: float, seed: int) -> Target:
    target, rng = Target(share), random.Random(seed)
    for _ in range(inputs):
        target(*mutation.mutate(rng.choice(SEEDS), rng))
    return target


def test_nothing_but_refusals():
    target = run(1000, 0.1, 1)
    assert not target.failures, "\n".join(trace for _, trace in target.failures.values())
    required = (
        "accepted",
        "salvageable",
        "damaged, checksums as they were",
        "networks",
        "networks, colours turned",
        "decoding refused",
        "salvaged",
        "words read",
        "alpha decoded",
        "alpha refused",
        "metadata unpacked",
        "metadata refused",
    )
    assert min(target.reached[name] for name in required) > 0


def careless(data: bytes, place: int) -> tuple[Section, bool, int]:
    """`container.read_section` without its checksum."""
    kind, start, end = container.read_start(data, place)
    if end > len(data):
        raise StreamError("is truncated")
    return Section(kind & ~LAST, data[start:end]), bool(kind & LAST), end


@pytest.mark.parametrize(
    "owner, name, fault, failure",
    [
        (container, "read_section", careless, "SilentError"),
        (salvage, "report_disorder", lambda *_: [], "SilentError"),
        (packing, "unpack_metadata", lambda body: bytes(packing.LIMIT + 1), "SilentError"),
        (coded_picture, "parse_tiles", lambda *_: next(iter(())), "StopIteration"),
        (harness, "SECONDS", -1.0, "TimeoutError"),
    ],
)
def test_faults_are_found(monkeypatch, owner, name, fault, failure):
    monkeypatch.setattr(owner, name, fault)
    assert any(place.startswith(failure) for place in run(600, 0, 3).failures)


def test_every_form_is_among_the_seeds():
    headers = [container.read_header(data) for data in SEEDS]
    assert {(header.tiled, header.turned) for header in headers} == {
        (False, False),
        (False, True),
        (True, False),
        (True, True),
    }
    for data in SEEDS:
        coded_picture.parse_tiles(*container.unpack(data))


def test_drafts_are_written_as_they_were_read():
    for data in SEEDS:
        assert mutation.read(data).written() == data


def attack(target, count: int, seed: int):
    """A run of one of the other targets; Python's filters of warnings are as before."""
    with warnings.catch_warnings():
        check, rng, seeds = target.Target(), random.Random(seed), target.seeds()
        for _ in range(count):
            check(*target.mutate(rng.choice(seeds), rng))
    return check


def test_metadata_of_files_harm_no_output():
    check = attack(said, 600, 5)
    assert not check.failures, "\n".join(trace for _, trace in check.failures.values())
    required = [f"{suffix[1:]} written" for suffix in said.FORMATS]
    required += [
        "EXIF carried",
        "XMP carried",
        "profiles carried",
        "directories in a TIFF",
        "colours converted",
    ]
    assert min(check.reached[name] for name in required) > 0


def test_picture_files_are_loaded_or_refused():
    check = attack(inputs, 500, 5)
    assert not check.failures, "\n".join(trace for _, trace in check.failures.values())
    required = ("taken", "refused", "with transparency", "with EXIF", "with a profile", "grey")
    assert min(check.reached[name] for name in required) > 0


@pytest.mark.parametrize(
    "target, owner, name, fault, failure",
    [
        (said, exif, "upright", lambda data: data, "SilentError"),
        (said, xmp, "upright_xmp", lambda xmp: xmp, "SilentError"),
        (said, conversion, "profile_suits", lambda profile, mode: True, "SilentError"),
        (said, tiff, "XMP", 0x101, ""),  # a length that is text
        (said, outputs, "_to_srgb", lambda picture, profile: picture.transpose(0), "SilentError"),
        (inputs, exif, "upright", lambda data: data, "SilentError"),
        (inputs, pictures, "PILLOW_ERRORS", (), ""),
        (
            inputs,
            alpha,
            "fill_transparent",
            lambda image, plane: image.convert("HSV"),
            "SilentError",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_faults_of_the_other_targets_are_found(monkeypatch, target, owner, name, fault, failure):
    monkeypatch.setattr(owner, name, fault)
    failures = attack(target, 700, 3).failures
    assert failures and any(place.startswith(failure) for place in failures)


@pytest.mark.parametrize("target", [said, inputs])
def test_seeds_are_good(target):
    check = target.Target()
    with warnings.catch_warnings():
        for data in target.seeds():
            check(data)
    assert not check.failures and len(target.seeds()) >= 20


def test_the_input_at_work_outlives_the_process(tmp_path):
    check = said.Target()
    check.keep(tmp_path / "at_work")
    check(said.seeds()[0])
    at_work = (tmp_path / "at_work").read_bytes()
    assert at_work[4 : 4 + int.from_bytes(at_work[:4], "little")] == said.seeds()[0]
