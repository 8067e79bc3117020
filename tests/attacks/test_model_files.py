"""Model and decoder files whose zip, card or arrays lie."""

import hashlib
import io
import json
import os
import pickle
import resource
import struct
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from PIL import Image

import metamer
from metamer.codec.errors import ModelError
from metamer.codec.network import decoders
from metamer.codec.network.files import archive
from metamer.codec.network.model import Model, find_model, load_model
from tests.attacks import crafting
from tests.attacks.crafting import array, model_file
from tests.conftest import run_metamer

PICTURE = Image.radial_gradient("L").convert("RGB").resize((48, 32))


def refused(path, reason: str) -> None:
    """In one line, as a model, and by the command."""
    with pytest.raises(ModelError, match=reason) as error:
        Model(path)
    assert "\n" not in str(error.value) and str(error.value).isprintable()


@pytest.mark.parametrize(
    "card, reason",
    [
        (b"[" * 100_000, "too deep"),
        (b'{"a":' * 100_000, "too deep"),
        (b"[1, 2]", "no JSON object"),
        (b"\xff\xfe", "no JSON"),
        (b'{"format": 2, "name": "x", "groups": [NaN]}', "holds NaN"),
        (b'{"format": 1e999}', "holds 1e999"),
        (b'{"format": ' + b"9" * 9999 + b"}", "no JSON"),
        (b"{}", "missing"),
        (b"", "no JSON"),
        ({"receptive_field": 1e400}, "Infinity"),
        ({"receptive_field": "3"}, "receptive_field is out of range"),
        ({"receptive_field": 3.5}, "receptive_field"),
        ({"receptive_field": True}, "receptive_field"),
        ({"receptive_field": -(1 << 70)}, "receptive_field"),
        ({"groups": ["a"]}, "groups"),
        ({"groups": [24, 88, -272]}, "groups"),
        ({"groups": []}, "groups"),
        ({"groups": [1 << 60]}, "groups"),
        ({"groups": [1] * 4000}, "groups"),
        ({"groups": {"24": 1}}, "groups"),
        ({"groups": [24.0, 88, 272]}, "groups"),
        ({"groups": None}, "groups"),
        ({"groups": [24, 88, 271]}, "does not match"),
        ({"format": "2"}, "format"),
        ({"format": True}, "format"),
        ({"format": -1}, "format"),
        ({"format": None}, "format"),
        ({"name": 5}, "name"),
        ({"name": ""}, "name"),
        ({"name": "a\x1b[2J"}, "name"),
        ({"name": "x" * 10_000}, "name"),
        ({"masking": "0"}, "masking"),
        ({"masking": [0]}, "masking"),
        ({"masking": 1e300}, "masking"),
        ({"rdoq_lambda": 22}, "rdoq_lambda"),
        ({"rdoq_lambda": ["a"]}, "rdoq_lambda"),
        ({"rdoq_lambda": [1e300]}, "rdoq_lambda"),
        ({"rdoq_lambda": {}}, "rdoq_lambda"),
        ({"rdoq_group_weights": [1, 1, None]}, "rdoq_group_weights"),
        ({"rdoq_group_weights": [[1], [1], [1]]}, "rdoq_group_weights"),
    ],
)
def test_cards(card, reason, tmp_path):
    refused(model_file(tmp_path / "evil.metamer", card), reason)


class Harm:
    """A pickle that leaves a file where it is unpacked."""

    def __init__(self, path: str):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


def test_pickles_are_not_unpacked(tmp_path):
    mark = tmp_path / "harm"
    objects = np.array([Harm(str(mark))], object)
    for data in (crafting.npy(objects), pickle.dumps(Harm(str(mark)))):
        refused(model_file(tmp_path / "evil.metamer", step=data), "array step is no .npy file")
    assert not mark.exists()


def header(text: bytes, values: bytes = b"") -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + values


def zipped() -> bytes:
    """What `numpy.load` takes for several arrays."""
    buffer = io.BytesIO()
    np.savez(buffer, step=array("step"))
    return buffer.getvalue()


STEP = b"{'descr': '<f4', 'fortran_order': False, 'shape': (256, 384), }\n"


@pytest.mark.parametrize(
    "name, data, reason",
    [
        ("step", zipped(), "no .npy"),
        ("step", b"", "no .npy"),
        ("step", b"\x93NUMPY\x01\x00\xff\xff", "no .npy"),
        ("step", header(STEP), "not as long as"),
        ("step", header(STEP, bytes(4 * 256 * 384 + 1)), "not as long as it says"),
        (
            "step",
            header(
                b"{'descr': '<f4', 'fortran_order': False, 'shape': (999999999, 999999999), }\n"
            ),
            "not as long as",
        ),
        (
            "step",
            header(b"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999, 1), }\n"),
            "no .npy",
        ),
        (
            "step",
            header(b"{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 384), }\n"),
            "no .npy",
        ),
        (
            "step",
            header(b"{'descr': '|O', 'fortran_order': False, 'shape': (256, 384), }\n"),
            "no .npy",
        ),
        (
            "step",
            header(b"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (256, 384), }\n"),
            "no .npy",
        ),
        ("step", header(b"(" * 60_000), "no .npy"),
        ("step", header(b"__import__('os').abort()\n"), "no .npy"),
        ("step", np.full((256, 384), np.nan, np.float32), "infinity or what is not a number"),
        ("step", np.full((256, 384), np.inf, np.float32), "infinity or what is not a number"),
        ("step", np.zeros((256, 384), np.float32), "array step leaves"),
        ("step", np.full((256, 384), -1, np.float32), "step leaves"),
        ("encoder_gain", np.full((256, 384), 1e30, np.float32), "encoder_gain leaves"),
        ("level_weights", np.full((256, crafting.LEVELS), -1, np.float32), "level_weights leaves"),
        ("level_weights", np.zeros((256, 0), np.float32), "wrong type or shape"),
        ("planes", np.zeros((256, 0), np.uint8), "wrong type"),
        ("hyper_index", np.zeros((256, 0), np.uint8), "wrong type"),
        ("mean_factor", np.zeros((256, 0), np.int32), "wrong type"),
        ("hyper_index", np.zeros((256, 5000), np.uint8), "wrong type"),
        ("planes", np.zeros((256, 8), np.uint8), "differ in shape"),
        ("step", np.ones((256, 384), ">f4"), "no .npy"),
        ("step", np.ones((256, 384), np.complex64), "no .npy"),
        ("frequencies", np.zeros(0, np.uint32), "wrong type"),
        ("reach", np.zeros(0, np.int32), "wrong type"),
        ("frequencies", np.ones(1 << 21, np.uint32), "frequencies has the wrong"),
        ("reach", np.full(64, 1 << 30, np.int32), "do not match"),
        ("reach", np.full(64, -5, np.int32), "do not match"),
        ("grey", np.full(384, 7, np.uint8), "grey"),
        ("grey", np.zeros((384, 1), np.uint8), "grey"),
        ("grey", zipped(), "no .npy"),
    ],
)
def test_arrays(name, data, reason, tmp_path):
    refused(model_file(tmp_path / "evil.metamer", **{name: data}), reason)


def with_claimed_size(path, name: str, size: int):
    """The file with another length for the member ``name`` in both of its headers."""

    def change(data: bytearray) -> None:
        for mark, place in ((b"PK\1\2", 46), (b"PK\3\4", 30)):
            at = data.find(mark)
            while data[at + place : at + place + len(name)] != name.encode():
                at = data.find(mark, at + 1)
            offset = at + (24 if mark == b"PK\1\2" else 22)
            data[offset : offset + 4] = struct.pack("<I", size)

    return crafting.patched(path, change)


def test_bombs(tmp_path):
    """A megabyte of zip that unpacks to a gigabyte takes no memory, whatever length it claims."""
    contents = dict(crafting.members("base.metamer"))
    huge = tmp_path / "huge.metamer"
    with zipfile.ZipFile(huge, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, data in contents.items():
            if name == "analysis.onnx":
                with archive.open(name, "w") as member:
                    for _ in range(80):
                        member.write(bytes(1 << 20))
            else:
                archive.writestr(name, data)
    refused(huge, "analysis.onnx unpacks to 83886080 bytes; at most 67108864")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused(with_claimed_size(huge, "analysis.onnx", 1000), "not as long as it says|Bad CRC")
    for name in ("analysis.onnx", "context0.onnx", "features.onnx"):
        huge = with_claimed_size(huge, name, 60 << 20)
    refused(huge, "unpacks to 1[0-9]{8} bytes; at most 134217728")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40 << 10  # kB


def test_zip_files_that_lie(tmp_path):
    good = crafting.members("base.metamer")
    path = tmp_path / "evil.metamer"
    for compression in (zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2):  # which unpack without a limit
        refused(crafting.write(path, good, compression), "packed in a way")
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "w") as archive:
        for name, data in [*good.items(), ("step.npy", good["step.npy"])]:
            archive.writestr(name, data)
    refused(path, "two members of the same name")
    many = {f"{index}": b"" for index in range(3000)}
    refused(crafting.write(path, good | many), "too many members")
    for change, reason in (
        (lambda data: data.extend(b"x"), "no zip file"),
        (lambda data: data.clear(), "no zip file"),
        (lambda data: data.__delitem__(slice(-9, None)), "no zip file"),
        (lambda data: data.__setitem__(slice(-42, -38), b"PK\6\7"), "no zip file"),
        (
            lambda data: data.__setitem__(slice(-6, -2), b"\xff\xff\xff\x7f"),
            "is not a Metamer model",
        ),
        (lambda data: data.__setitem__(slice(0, 4), b"PK\0\0"), "is not a Metamer model"),
    ):
        refused(crafting.patched(crafting.write(path, good), change), reason)
    encrypted = crafting.patched(
        crafting.write(path, good), lambda data: data.__setitem__(data.find(b"PK\1\2") + 8, 1)
    )
    refused(encrypted, "packed in a way|encrypted")
    missing = {name: data for name, data in good.items() if name != "step.npy"}
    refused(crafting.write(path, missing), "step.npy' is missing")
    refused(crafting.write(path, good | {"model.json": b"{}"}), "missing")


def test_what_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        refused(path, "not a regular file")
        with pytest.raises(ModelError, match="not a regular file"):
            decoders.read_decoder(path)
    if os.path.exists("/dev/zero"):
        with pytest.raises(archive.ArchiveError):
            archive.read_members("/dev/zero", ["model.json"])


@pytest.mark.parametrize(
    "card, reason",
    [
        ({"receptive_field": 1e400}, "Infinity"),
        ({"receptive_field": 65}, "receptive_field"),
        ({"receptive_field": "3"}, "receptive_field"),
        ({"format": "1"}, "format"),
        ({"realism": "no"}, "realism"),
        ({"name": "\x07"}, "name"),
        ({"decodes": 7}, "decodes"),
        ({"decodes": "be69bfa2" * 9}, "decodes"),
        ({"decodes": "be 69 bf a2"}, "decodes"),
        ({"noise": "abc"}, "noise"),
        ({"noise": [4]}, "noise"),
        ({"noise": -1}, "noise"),
        ({"noise": 10**9}, "noise"),
        ({"noise": 0.5}, "noise"),
    ],
)
def test_decoder_cards(card, reason, tmp_path):
    with pytest.raises(ModelError, match=reason) as error:
        decoders.read_decoder(
            crafting.decoder_file(tmp_path / "evil.decoder", crafting.plain(), **card)
        )
    assert "\n" not in str(error.value)


def test_no_file_takes_a_shipped_models_place(tmp_path):
    """Base's tables and integer networks with another synthesis have base's id: what draws pictures
    is not part of it.
    """
    evil = str(model_file(tmp_path / "evil.metamer", {"name": "base"}, synthesis=crafting.plain()))
    stream = metamer.encode(PICTURE, 30)
    assert Model(evil).id == stream[4:8] == load_model("base").id
    assert find_model(stream[4:8], (evil,)).path == load_model("base").path
    assert metamer.decode(stream, model=evil) == metamer.decode(stream)
    assert metamer.decode(stream, decoder=evil) != metamer.decode(stream)  # who wants it says so
    own_stream = metamer.encode(PICTURE, 30, model=evil)
    assert metamer.decode(own_stream, decoder=evil).size == PICTURE.size and metamer.decode(
        own_stream
    ) == metamer.decode(own_stream, model=evil)


def test_ids_are_made_of_what_decides_latents(tmp_path):
    """A card cannot claim one: a file with base's card and other tables has another id, and base's
    streams stay base's.
    """
    changed = array("mean_factor")
    changed[0, 0] += 1
    altered = model_file(
        tmp_path / "other.metamer", {"id": load_model("base").id.hex()}, mean_factor=changed
    )
    assert Model(altered).id != load_model("base").id
    stream = metamer.encode(PICTURE, 30)
    assert metamer.decode(stream, model=str(altered)) == metamer.decode(stream)
    digest = hashlib.sha256(b"24,88,272")
    arrays = (
        "frequencies",
        "reach",
        "hyper_index",
        "scale_offset",
        "mean_factor",
        "known_factor",
        "planes",
    )
    for name, data in sorted(crafting.members("base.metamer").items()):
        if name.startswith(("context", "features")) or name.removesuffix(".npy") in arrays:
            digest.update(name.encode() + len(data).to_bytes(8, "little") + data)
    assert digest.digest()[:4] == load_model("base").id


def test_graphs_that_break_the_passes(tmp_path):
    """Integer networks that give other shapes, other types, or no whole numbers."""
    for index, (nodes, tensors, reason) in enumerate(
        (
            ([crafting.node("Identity", ["hyper"], ["features"])], [], "graph features"),
            (
                [crafting.node("Mul", ["spread", "half"], ["features"])],
                [crafting.scalar("half", 0.3)],
                "whole numbers",
            ),
            (
                [crafting.node("Mul", ["spread", "half"], ["features"])],
                [crafting.scalar("half", 1e9)],
                "whole numbers",
            ),
        )
    ):
        grow = (
            []
            if index == 0
            else [
                crafting.node("Concat", ["hyper"] * 16, ["much"], axis=1),
                crafting.node("Add", ["much", "one"], ["more"]),
                crafting.node("DepthToSpace", ["more"], ["spread"], blocksize=4, mode=b"CRD"),
            ]
        )
        graph = crafting.model(
            [*grow, *nodes],
            [crafting.port("hyper", (1, 64, "h", "w"))],
            [crafting.port("features", (1, 64, "H", "W"))],
            [*tensors, crafting.scalar("one", 1)],
        )
        evil = str(model_file(tmp_path / f"evil{index}.metamer", features=graph))
        with pytest.raises(ModelError, match=reason):
            metamer.encode(PICTURE, 30, model=evil)
    nodes = [
        crafting.node("Reshape", ["context", "flat"], ["mean"]),
        crafting.node("Relu", ["mean"], ["scale"]),
    ]
    outputs = [crafting.port(name, ("n", 1)) for name in ("mean", "scale")]
    context = crafting.model(
        nodes,
        [crafting.port("context", (1, "h", "w", 64 + crafting.LEVELS))],
        outputs,
        [crafting.numbers("flat", -1, 1)],
    )
    with pytest.raises(ModelError, match="graph context0 gives an array"):
        metamer.encode(
            PICTURE, 30, model=str(model_file(tmp_path / "evil.metamer", context0=context))
        )


def test_the_command_reports_it_in_a_line(tmp_path):
    PICTURE.save(tmp_path / "picture.png")
    (tmp_path / "picture.mtm").write_bytes(metamer.encode(PICTURE, 30))
    loop = crafting.decoder_file(
        tmp_path / "loop.decoder", crafting.plain([crafting.node("Loop", ["latent"], ["x"])])
    )
    nan = model_file(tmp_path / "nan.metamer", step=np.full((256, 384), np.nan, np.float32))
    for arguments in (
        ("encode", tmp_path / "picture.png", "-o", tmp_path / "new.mtm", "--model", nan),
        ("decode", tmp_path / "picture.mtm", "-o", tmp_path / "new.png", "--decoder", loop),
    ):
        completed = run_metamer(*arguments)
        stderr = completed.stderr.decode()
        assert (
            completed.returncode == 1 and stderr.count("\n") == 1 and "Traceback" not in stderr
        ), stderr
    assert not (tmp_path / "new.mtm").exists() and not (tmp_path / "new.png").exists()


def test_the_runtime_does_without_onnx():
    script = """
import sys
sys.modules["onnx"] = None  # importing it raises ImportError
import metamer
from PIL import Image
metamer.decode(metamer.encode(Image.new("RGB", (40, 40))))
"""
    completed = subprocess.run([sys.executable, "-c", script], capture_output=True)
    assert completed.returncode == 0, completed.stderr.decode()


def test_effort_believes_no_card(tmp_path):
    for recipe in (
        [],
        {"distortion": "mse"},
        {"distortion": {"mse": "much"}},
        {"distortion": {"mse": -1}},
        {"distortion": {}},
    ):
        evil = model_file(tmp_path / f"evil{len(json.dumps(recipe))}.metamer", {"recipe": recipe})
        with pytest.raises(ModelError, match="does not say what it was trained on"):
            metamer.encode(PICTURE, 30, model=str(evil), effort=1)


def test_what_no_coder_holds(tmp_path):
    """Latents of 10³⁸ quantiser steps: once an overflow in a cast, and a file that does not
    decode.
    """
    weight = crafting.tensor("weight", np.full((384, 3, 16, 16), 1e30, np.float32), crafting.FLOAT)
    coarse = crafting.tensor("coarse", np.zeros((64, 3, 1, 1), np.float32), crafting.FLOAT)
    nodes = [
        crafting.node("Conv", ["image", "weight"], ["planes"], strides=(16, 16)),
        crafting.node("Transpose", ["planes"], ["latent"], perm=(0, 2, 3, 1)),
        crafting.node("Conv", ["image", "coarse"], ["hyper"], strides=(64, 64)),
    ]
    inputs = [
        crafting.port("image", (1, 3, "H", "W")),
        crafting.port("weights", (1, crafting.LEVELS)),
    ]
    outputs = [
        crafting.port("latent", (1, "h", "w", 384)),
        crafting.port("hyper", (1, 64, "a", "b")),
    ]
    graph = crafting.model(nodes, inputs, outputs, [weight, coarse])
    with pytest.raises(ModelError, match="too far from what it codes"):
        metamer.encode(
            PICTURE, 30, model=str(model_file(tmp_path / "evil.metamer", analysis=graph))
        )
