"""Hostile model and decoder files out of small good ones, made in memory: no trained network is
needed.

The model has 5 latents in two groups and every member that a model file has; its graphs hold most
operators that exported ones do. `mutate` damages a member's bytes as they are, says something else
in a graph, a card, an array, or the zip around them.
"""

import contextlib
import io
import json
import random
import struct
import zipfile
import zlib
from collections.abc import Callable
from functools import lru_cache

import numpy as np

from metamer.codec.network.graphs.operators.table import OPERATORS
from metamer.codec.options import QUALITIES
from tests.attacks.crafting import (
    FLOAT,
    INT64,
    field,
    model,
    node,
    npy,
    numbers,
    port,
    scalar,
    tensor,
)
from tests.fuzz.mutation import damage

GROUPS, HYPER, LEVELS, FEATURES = (2, 3), 2, 2, 2
LATENTS = sum(GROUPS)
VALUES = (
    0,
    1,
    -1,
    2,
    3,
    7,
    64,
    255,
    1023,
    65536,
    1 << 31,
    -(1 << 31),
    1 << 40,
    1 << 62,
    -(1 << 63),
    (1 << 63) - 1,
)
FLOATS = (0.0, -0.0, 1.0, -1.0, 1e-45, 3e38, float("inf"), float("-inf"), float("nan"), 1e300)
CARD = (
    None,
    True,
    "",
    "a\x1b",
    "be69bfa2",
    [],
    {},
    [[]],
    [1],
    [2, 3],
    ["a"],
    {"a": 1},
    [2, 3, 4],
    *VALUES,
    *FLOATS,
)
OTHERS = (
    "If",
    "Loop",
    "Scan",
    "Resize",
    "Tile",
    "ConstantOfShape",
    "LSTM",
    "Einsum",
    "NonZero",
    "TopK",
    "ai.onnx",
)


def _weights(name: str, *shape: int) -> bytes:
    return tensor(
        name, (np.arange(np.prod(shape)).reshape(shape) % 3 - 1).astype(np.float32), FLOAT
    )


def _context(index: int) -> bytes:
    """One of the integer networks, as format 2 has it but for its positions: the first half of
    them, or the others.
    """
    group, parity = divmod(index, 2)
    decoded = sum(GROUPS[:group]) + parity * GROUPS[group]
    channels, targets = FEATURES + LEVELS + decoded, GROUPS[group]
    count = [
        node("Shape", ["context"], ["side"], start=1, end=3),
        node("Gather", ["side", "first"], ["h"], axis=0),
        node("Gather", ["side", "second"], ["w"], axis=0),
        node("Mul", ["h", "w"], ["all"]),
        node("Add", ["all", "odd"], ["more"]),
        node("Div", ["more", "two"], ["n"]),
        node("Range", ["none", "n", "one"], ["which"]),
        node("Mod", ["which", "all"], ["rows"], fmod=0),
    ]
    nodes = [
        *count,
        node("Reshape", ["context", "flat"], ["view"], allowzero=1),
        node("Gather", ["view", "rows"], ["some"], axis=0),
        node("Gemm", ["some", "weight"], ["linear"], transB=1, alpha=1.0),
        node("Floor", ["linear"], ["floor"]),
        node("Clip", ["floor", "low", "high"], ["mean32"]),
        node("Cast", ["mean32"], ["mean"], to=5),
        node("Abs", ["mean32"], ["scale32"]),
        node("Cast", ["scale32"], ["scale"], to=5),
    ]
    tensors = [
        _weights("weight", targets, channels),
        numbers("flat", -1, channels),
        scalar("low", -99),
        scalar("high", 99),
    ]
    tensors += [
        scalar(name, value, INT64)
        for name, value in (
            ("first", 0),
            ("second", 1),
            ("odd", 1 - parity),
            ("two", 2),
            ("none", 0),
            ("one", 1),
        )
    ]
    outputs = [port(name, ("n", targets), 5) for name in ("mean", "scale")]
    return model(nodes, [port("context", (1, "h", "w", channels))], outputs, tensors)


def _features() -> bytes:
    nodes = [
        node("Pad", ["hyper", "margin"], ["padded"], mode=b"edge"),
        node(
            "Conv",
            ["padded", "weight"],
            ["wide"],
            kernel_shape=(3, 3),
            pads=(0, 0, 0, 0),
            strides=(1, 1),
            group=1,
        ),
        node("DepthToSpace", ["wide"], ["large"], blocksize=4, mode=b"CRD"),
        node("Relu", ["large"], ["features"]),
    ]
    tensors = [
        numbers("margin", 0, 0, 1, 1, 0, 0, 1, 1),
        _weights("weight", 16 * FEATURES, HYPER, 3, 3),
    ]
    return model(
        nodes,
        [port("hyper", (1, HYPER, "h", "w"))],
        [port("features", (1, FEATURES, "H", "W"))],
        tensors,
    )


def _analysis() -> bytes:
    nodes = [
        node(
            "Conv",
            ["image", "weight"],
            ["planes"],
            kernel_shape=(16, 16),
            strides=(16, 16),
            pads=(0, 0, 0, 0),
        ),
        node("Transpose", ["planes"], ["latent"], perm=(0, 2, 3, 1)),
        node("Conv", ["image", "coarse"], ["hyper"], kernel_shape=(1, 1), strides=(64, 64)),
    ]
    tensors = [_weights("weight", LATENTS, 3, 16, 16), _weights("coarse", HYPER, 3, 1, 1)]
    outputs = [port("latent", (1, "h", "w", LATENTS)), port("hyper", (1, HYPER, "a", "b"))]
    return model(
        nodes, [port("image", (1, 3, "H", "W")), port("weights", (1, LEVELS))], outputs, tensors
    )


def _synthesis(slider: bool = False) -> bytes:
    mixed = (
        [node("Mul", ["weight", "realism"], ["mixed"])]
        if slider
        else [node("Identity", ["weight"], ["mixed"])]
    )
    nodes = [
        *mixed,
        node("Shape", ["latent"], ["side"], start=1, end=2),
        node("Squeeze", ["side"], ["height"]),
        node("Unsqueeze", ["height", "axis"], ["again"]),
        node("Concat", ["again", "again"], ["twice"], axis=0),
        node("Transpose", ["latent"], ["planes"], perm=(0, 3, 1, 2)),
        node("Split", ["planes"], ["a", "b"], axis=1, num_outputs=2),
        node("Concat", ["b", "a"], ["both"], axis=1),
        node("Conv", ["both", "mixed"], ["wide"], group=1),
        node("Slice", ["wide", "from", "to", "which"], ["part"]),
        node("Expand", ["small", "one"], ["bias"]),
        node("Add", ["part", "bias"], ["sum"]),
        node("Sigmoid", ["sum"], ["bounded"]),
        node("DepthToSpace", ["bounded"], ["image"], blocksize=16, mode=b"CRD"),
    ]
    tensors = [
        _weights("weight", 768, LATENTS, 1, 1),
        numbers("axis", 0),
        numbers("from", 0),
        numbers("to", 768),
        numbers("which", 1),
        numbers("one", 1, 1, 1, 1),
        scalar("small", 0.5),
    ]
    if slider:  # as `codec.network.decoders` looks for it: type, name, bytes
        tensors.append(field(2, FLOAT) + field(8, "realism") + field(9, struct.pack("<f", 1)))
    inputs = [port("latent", (1, "h", "w", LATENTS)), port("weights", (1, LEVELS))]
    return model(nodes, inputs, [port("image", (1, 3, "H", "W"))], tensors)


def model_members() -> dict[str, bytes]:
    shape = (QUALITIES, LATENTS)
    arrays = {
        "frequencies": np.array([1 << 21] * 8 + [1 << 23] * 2, np.uint32),
        "reach": np.array([3, 0, -1], np.int32),
        "hyper_index": np.zeros((QUALITIES, HYPER), np.uint8),
        "scale_offset": np.zeros(shape, np.int16),
        "mean_factor": np.full(shape, 4000, np.int32),
        "known_factor": np.full(shape, 4000, np.int32),
        "planes": np.full((QUALITIES, LEVELS), 32, np.uint8),
        "step": np.full(shape, 0.1, np.float32),
        "encoder_gain": np.full(shape, 10, np.float32),
        "level_weights": np.full((QUALITIES, LEVELS), 0.5, np.float32),
        "grey": np.array([1, 0, 1, 0, 1], np.uint8),
    }
    card = {
        "format": 2,
        "name": "small",
        "groups": GROUPS,
        "receptive_field": 1,
        "rdoq_lambda": [9, 20],
        "rdoq_group_weights": [1.5, 1],
        "masking": 0.5,
    }
    graphs = {
        "analysis": _analysis(),
        "synthesis": _synthesis(),
        "features": _features(),
        **{f"context{index}": _context(index) for index in range(2 * len(GROUPS))},
    }
    return {
        "model.json": json.dumps(card).encode(),
        **{f"{name}.onnx": graph for name, graph in graphs.items()},
        **{f"{name}.npy": npy(array) for name, array in arrays.items()},
    }


def decoder_members(decodes: str, slider: bool) -> dict[str, bytes]:
    card = {
        "format": 5,
        "name": "small",
        "decodes": decodes,
        "realism": slider,
        "receptive_field": 1,
    }
    card |= {"noise": 0}
    return {"model.json": json.dumps(card).encode(), "synthesis.onnx": _synthesis(slider)}


def zipped(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def mutate(members: dict[str, bytes], rng: random.Random) -> bytes:
    """A file made of good ``members``."""
    members = dict(members)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        name = rng.choice(
            [member for member in members for _ in range(3 if member.endswith(".onnx") else 1)]
            or ["model.json"]
        )
        data = members.get(name, b"")
        if rng.random() < 0.15:
            members[name] = damage(data, rng)
        elif rng.random() < 0.1:
            _members(members, name, rng)
        elif name.endswith(".onnx"):
            members[name] = mutate_graph(data, rng)
        elif name.endswith(".npy"):
            members[name] = _array(data, rng)
        else:
            members[name] = _card(data, rng)
    archive = zipped(
        members, rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    )
    return _zip(archive, rng) if rng.random() < 0.15 else archive


def _members(members: dict[str, bytes], name: str, rng: random.Random) -> None:
    source = rng.choice(list(members) or [name])
    match rng.randrange(3):
        case 0:
            members.pop(name, None)
        case 1:
            members[name] = members.get(source, b"")
        case 2:
            members[rng.choice(("../evil", "/etc/evil", "a" * 999, "model.json\0", "x.py"))] = (
                rng.randbytes(9)
            )


def _card(data: bytes, rng: random.Random) -> bytes:
    try:
        card = json.loads(data)
        key = rng.choice([*card, "recipe", "extra"])
        if rng.random() < 0.2:
            card.pop(key, None)
        else:
            card[key] = rng.choice(CARD)
        return json.dumps(card).encode()
    except (ValueError, TypeError, AttributeError, RecursionError):
        return rng.choice((b"[" * 5000, b"{}", b'{"format":1e999}', b"\xff"))


def _array(data: bytes, rng: random.Random) -> bytes:
    match rng.randrange(4):
        case 0:  # values
            place = 128 + 4 * rng.randrange(max(1, len(data) // 4))
            value = (
                struct.pack("<f", rng.choice(FLOATS[:-1]))
                if rng.random() < 0.5
                else rng.randbytes(4)
            )
            return data[:place] + value + data[place + 4 :]
        case 1:
            sides = rng.choice((b"0", b"1", b"-256", b"99999999", b"257"))
            old, new = rng.choice(
                (
                    (b"256", sides),
                    (b"False", b"True "),
                    (b"<f4", b"|O8"),
                    (b", 5", b", 0"),
                    (b"<i4", b"<f4"),
                    (b"|u1", b"|b1"),
                    (b"(", b"(("),
                    (b"shape", b"shap "),
                )
            )
            return data.replace(old, new, 1)
        case 2:
            return data[: rng.randrange(len(data) + 1)] + rng.randbytes(rng.randrange(9))
        case _:
            wide = np.zeros(
                (QUALITIES, rng.choice((0, 1, 4, 6, 300))),
                rng.choice((np.uint8, np.int32, np.float32, np.int16)),
            )
            return npy(wide)


def _zip(data: bytes, rng: random.Random) -> bytes:
    """Lengths, methods, places and flags of the zip around."""
    marks = [place for mark in (b"PK\1\2", b"PK\3\4", b"PK\5\6") for place in _found(data, mark)]
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 3))):
        place = rng.choice(marks) + rng.randrange(4, 46)
        if place < len(changed):
            changed[place] = rng.choice((0, 1, 8, 12, 14, 0x7F, 0xFF, rng.randrange(256)))
    return bytes(changed)


def _found(data: bytes, mark: bytes) -> list[int]:
    places, place = [], data.find(mark)
    while place >= 0:
        places.append(place)
        place = data.find(mark, place + 1)
    return places


# A message as a list of fields: (number, wire type, value), a value bytes or an integer. What is
# inside of one stays bytes until something of it is changed, for most of a graph stays as it is.


Fields = list[tuple[int, int, bytes | int]]
Change = Callable[[Fields, random.Random], None]
NODE, TENSOR, INPUT, OUTPUT = 1, 5, 11, 12  # fields of a graph
GRAPH, NAME, DATA, OPERATOR, ATTRIBUTE = 7, 8, 9, 4, 5  # of a model, a constant, and a node


@lru_cache(maxsize=64)
def _parsed(data: bytes) -> tuple[tuple[int, int, bytes | int], ...]:
    """Raises IndexError, ValueError for what is no message."""
    fields: Fields = []
    place = 0
    while place < len(data):
        tag, place = _varint(data, place)
        if tag & 7 == 0:
            value, place = _varint(data, place)
            fields.append((tag >> 3, 0, value))
            continue
        length = 4
        if tag & 7 == 2:
            length, place = _varint(data, place)
        elif tag & 7 != 5:
            raise ValueError(tag)
        fields.append((tag >> 3, tag & 7, data[place : place + length]))
        place += length
    return tuple(fields)


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[place] & 0x7F) << shift
        place += 1
        if data[place - 1] < 0x80:
            return value, place
        shift += 7


def _changed(data: bytes, change: Change, rng: random.Random) -> bytes:
    """A message after ``change``; damaged where it is none."""
    try:
        fields = list(_parsed(data))
    except (IndexError, ValueError):
        return damage(data, rng)
    change(fields, rng)
    return b"".join(
        field(number, 0.0)[:-4] + bytes(value)[:4].ljust(4, b"\0")
        if kind == 5 and isinstance(value, bytes)
        else field(number, value)
        for number, kind, value in fields
    )


def _inside(fields: Fields, numbers: tuple[int, ...], change: Change, rng: random.Random) -> None:
    """``change`` of one of the messages that the fields ``numbers`` hold."""
    places = [
        place
        for place, (number, _, value) in enumerate(fields)
        if number in numbers and isinstance(value, bytes)
    ]
    if places:
        place = rng.choice(places)
        number, kind, value = fields[place]
        assert isinstance(value, bytes)
        fields[place] = (number, kind, _changed(value, change, rng))


def mutate_graph(data: bytes, rng: random.Random) -> bytes:
    """One to three things said otherwise."""
    draw = rng.random()
    if draw < 0.15:
        return damage(data, rng)
    if draw < 0.25:
        return _changed(data, _anything, rng)

    def graph(fields: Fields, rng: random.Random) -> None:
        _inside(fields, (GRAPH,), rng.choice(_OPERATIONS), rng)

    for _ in range(rng.choice((1, 1, 2, 3))):
        data = _changed(data, graph, rng)
    return data


def _anything(fields: Fields, rng: random.Random) -> None:
    """A field lost, repeated, added, or of another value."""
    if not fields:
        fields.append((rng.randrange(1, 30), 0, rng.choice(VALUES)))
        return
    place = rng.randrange(len(fields))
    number, kind, value = fields[place]
    match rng.randrange(5):
        case 0:
            del fields[place]
        case 1:
            fields.insert(place, fields[rng.randrange(len(fields))])
        case 2:
            fields.append(
                (
                    rng.choice((3, 4, 6, 7, 9, 10, 13, 14, 15, 20, 21, 22, 25)),
                    2,
                    rng.randbytes(rng.randrange(6)),
                )
            )
        case 3:
            fields[place] = (rng.choice((number, number + 1, 13, 14)), 0, rng.choice(VALUES))
        case _:
            replacement = rng.choice(VALUES) if isinstance(value, int) else damage(value, rng)
            if isinstance(value, bytes) and rng.random() < 0.7:
                replacement = _changed(value, _anything, rng)
            fields[place] = (number, kind, replacement)


def _operator(graph: Fields, rng: random.Random) -> None:
    name = rng.choice([*OPERATORS, *OTHERS]).encode()

    def rename(node: Fields, rng: random.Random) -> None:
        node[:] = [
            (number, kind, name if number == OPERATOR else value) for number, kind, value in node
        ]

    _inside(graph, (NODE,), rename, rng)


def _wiring(graph: Fields, rng: random.Random) -> None:
    """Inputs and outputs of a node, by names that others of the same graph have."""
    chosen_fields = rng.sample(graph, min(4, len(graph)))
    nodes = [
        value for number, _, value in chosen_fields if number == NODE and isinstance(value, bytes)
    ]
    names = [b"latent", b"weights", b"weight", b"image"]
    for attached in nodes:
        with contextlib.suppress(IndexError, ValueError):
            names += [
                value
                for number, _, value in _parsed(attached)
                if number in (1, 2) and isinstance(value, bytes)
            ]

    def rewire(node: Fields, rng: random.Random) -> None:
        places = [place for place, (number, _, _) in enumerate(node) if number in (1, 2)]
        if places:
            place = rng.choice(places)
            node[place] = (*node[place][:2], rng.choice(names))
            if rng.random() < 0.2:
                node.insert(0, (1, 2, rng.choice(names)))

    _inside(graph, (NODE,), rewire, rng)


def _attributes(graph: Fields, rng: random.Random) -> None:
    def revalue(attribute: Fields, rng: random.Random) -> None:
        if rng.random() < 0.2:
            _anything(attribute, rng)
        attribute[:] = [
            (number, kind, rng.choice(VALUES) if number in (3, 8) and rng.random() < 0.5 else value)
            for number, kind, value in attribute
        ]

    _inside(graph, (NODE,), lambda node, rng: _inside(node, (ATTRIBUTE,), revalue, rng), rng)


def _tensor(graph: Fields, rng: random.Random) -> None:
    """A constant's values, which shapes depend on, its type, or where it is."""

    def revalue(constant: Fields, rng: random.Random) -> None:
        match rng.randrange(4):
            case 0 | 1:
                for place, (number, kind, value) in enumerate(constant):
                    if number == DATA and isinstance(value, bytes) and len(value) >= 8:
                        at = 8 * rng.randrange(len(value) // 8)
                        wide = struct.pack("<q", rng.choice(VALUES))
                        if len(value) > 64:
                            wide = struct.pack("<2f", 1.0, rng.choice(FLOATS[:-1]))
                        constant[place] = (number, kind, value[:at] + wide + value[at + 8 :])
            case 2:
                constant += [(13, 2, field(1, "location") + field(2, "/etc/passwd")), (14, 0, 1)]
            case _:
                _anything(constant, rng)

    _inside(graph, (TENSOR,), revalue, rng)


def _port(graph: Fields, rng: random.Random) -> None:
    _inside(graph, (INPUT, OUTPUT), _anything, rng)


def _more(graph: Fields, rng: random.Random) -> None:
    """Nodes that make something larger of what is there, many times."""
    source = rng.choice(("latent", "context", "hyper", "image", "weight"))
    for index in range(rng.choice((1, 5, 50))):
        options = {"axis": rng.choice((0, 1, 2, 3))} if rng.random() < 0.7 else {}
        extra = node(
            rng.choice(("Concat", "MatMul", "Add")), [source, source], [f"grown{index}"], **options
        )
        graph.insert(index, (NODE, 2, extra))
        source = f"grown{index}"


_OPERATIONS: tuple[Change, ...] = (
    _operator,
    _wiring,
    _wiring,
    _attributes,
    _attributes,
    _tensor,
    _tensor,
    _port,
    _more,
    _anything,
)


def drawn(data: bytes) -> float:
    """0 … 1, of the bytes alone."""
    return (zlib.crc32(data) >> 8) / (1 << 24)
