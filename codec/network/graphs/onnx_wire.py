"""An ONNX graph as it is serialised, read with nothing but this page: what may stand in a model
file and nothing else.

ONNX Runtime reads much more than our exporter writes: tensors in other files, control flow,
functions, operators of other domains. This reader knows the fields that train/export/ writes, by
number (onnx.proto, IR version 10, and the encoding of protocol buffers,
https://protobuf.dev/programming-guides/encoding), and refuses every other field, a field of another
wire type, and a second one where there may be one, so that no two readers can understand a graph
differently.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from metamer.codec.network.graphs.protobuf import (
    FIXED32,
    LENGTH,
    VARINT,
    GraphError,
    Message,
    read_text,
    write_field,
)

IR_VERSIONS = range(8, 12)
OPSET = 20
MAX_NODES = 4096
MAX_CONSTANTS = 4096
MAX_DIMENSIONS = 6
_OPERATOR = re.compile(r"[A-Z][A-Za-z0-9]{1,39}")

# TensorProto.DataType
FLOAT, UINT8, INT8, UINT16, INT16, INT32, INT64, BOOL, FLOAT16 = 1, 2, 3, 4, 5, 6, 7, 9, 10
DTYPES = {
    number: np.dtype(name)
    for number, name in (
        (FLOAT, "<f4"),
        (UINT8, "u1"),
        (INT8, "i1"),
        (UINT16, "<u2"),
        (INT16, "<i2"),
        (INT32, "<i4"),
        (INT64, "<i8"),
        (BOOL, "?"),
        (FLOAT16, "<f2"),
    )
}
EXPONENTS = {FLOAT: np.uint32(0x7F800000), FLOAT16: np.uint16(0x7C00)}

Attribute = int | float | bytes | tuple[int, ...]


@dataclass(frozen=True)
class Constant:
    """A tensor of the file.

    Attributes:
        type: A key of `DTYPES`.
        shape: Its sides.
        data: Its elements as they are stored.
    """

    type: int
    shape: tuple[int, ...]
    data: memoryview

    def array(self) -> np.ndarray:
        """The elements in their shape."""
        return np.frombuffer(self.data, DTYPES[self.type]).reshape(self.shape)


@dataclass(frozen=True)
class Node:
    """One operation: operator, names of inputs and outputs, attributes."""

    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Attribute]


@dataclass(frozen=True)
class Port:
    """An input or output of the graph.

    Attributes:
        name: What nodes call it.
        type: A key of `DTYPES`.
        shape: Its sides, None for what is free.
    """

    name: str
    type: int
    shape: tuple[int | None, ...]


@dataclass(frozen=True)
class Graph:
    """Nodes in the order in which they run, constants by name, inputs and outputs."""

    nodes: tuple[Node, ...]
    constants: dict[str, Constant]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]


def read_graph(data: bytes) -> Graph:
    """Reads a graph.

    Args:
        data: A serialised ModelProto.

    Raises:
        GraphError: It holds anything that the module's docstring excludes.
    """
    model = _model(data)
    if model.number(1) not in IR_VERSIONS:
        raise GraphError(
            f"IR version {model.number(1)}; a model file holds {IR_VERSIONS[0]} to "
            f"{IR_VERSIONS[-1]}"
        )
    operators = Message("operator set", model.bytes(8), {1: LENGTH, 2: VARINT})
    if operators.text(1, "") or operators.number(2) != OPSET:
        raise GraphError(
            f"operator set {operators.text(1, '')!r} {operators.number(2)}; a model file holds "
            f"ONNX's {OPSET}"
        )
    graph = Message(
        "graph",
        model.bytes(7),
        {  # nodes, name, constants, inputs, outputs
            1: LENGTH,
            2: LENGTH,
            5: LENGTH,
            11: LENGTH,
            12: LENGTH,
        },
        repeated=(1, 5, 11, 12),
    )
    nodes, tensors = graph.parts.get(1, []), graph.parts.get(5, [])
    if len(nodes) > MAX_NODES or len(tensors) > MAX_CONSTANTS:
        raise GraphError(
            f"{len(nodes)} nodes and {len(tensors)} constants; at most {MAX_NODES} and "
            f"{MAX_CONSTANTS} are run"
        )
    constants = dict(map(_constant, tensors))
    if len(constants) < len(tensors):
        raise GraphError("two constants have the same name")
    ports = tuple(tuple(map(_port, graph.parts.get(field, []))) for field in (11, 12))
    return Graph(tuple(map(_node, nodes)), constants, *ports)


def add_constants(data: bytes, constants: Mapping[str, Constant]) -> bytes:
    """The same graph with more constants.

    Args:
        data: A serialised ModelProto that `read_graph` reads.
        constants: By name; the graph has none of these names.
    """
    tensors = b"".join(
        write_field(5, _written(name, constant)) for name, constant in constants.items()
    )
    model = _model(data)
    return b"".join(
        write_field(number, bytes(part) + tensors if number == 7 else part)
        for number, (part,) in model.parts.items()
    )


def _model(data: bytes) -> Message:
    # IR version, producer and its version, notes, graph, operator set
    wire = {1: VARINT, 2: LENGTH, 3: LENGTH, 6: LENGTH, 7: LENGTH, 8: LENGTH}
    return Message("model", memoryview(data), wire)


def _written(name: str, constant: Constant) -> bytes:
    """What `_constant` reads."""
    return b"".join(
        (
            *(write_field(1, side) for side in constant.shape),
            write_field(2, constant.type),
            write_field(8, name.encode()),
            write_field(9, constant.data),
        )
    )


def _constant(data: memoryview) -> tuple[str, Constant]:
    # shape, type, name, bytes
    tensor = Message("constant", data, {1: VARINT, 2: VARINT, 8: LENGTH, 9: LENGTH}, repeated=(1,))
    name, kind, shape = tensor.text(8), tensor.number(2), tensor.numbers(1)
    if kind not in DTYPES:
        raise GraphError(f"constant {name!r} has elements of type {kind}")
    values = tensor.bytes(9)
    if (
        len(shape) > MAX_DIMENSIONS
        or min(shape, default=1) < 1
        or math.prod(shape) * DTYPES[kind].itemsize != len(values)
    ):
        raise GraphError(f"constant {name!r} of shape {shape} holds {len(values)} bytes")
    # an exponent of ones alone is infinity or NaN; NumPy's isfinite takes ten times as long
    if kind in EXPONENTS:
        bits = np.frombuffer(values, f"<u{DTYPES[kind].itemsize}")
        if (bits & EXPONENTS[kind] == EXPONENTS[kind]).any():
            raise GraphError(f"constant {name!r} holds infinity or what is not a number")
    return name, Constant(kind, shape, values)


def _node(data: memoryview) -> Node:
    node = Message(
        "node",
        data,
        {  # inputs, outputs, name, operator, attributes, notes, domain
            1: LENGTH,
            2: LENGTH,
            3: LENGTH,
            4: LENGTH,
            5: LENGTH,
            6: LENGTH,
            7: LENGTH,
        },
        repeated=(1, 2, 5),
    )
    operator, domain = node.text(4), node.text(7, "")
    if domain or not _OPERATOR.fullmatch(operator):
        raise GraphError(f"operator {operator!r} of domain {domain!r}")
    pairs = [_attribute(part) for part in node.parts.get(5, [])]
    if len(dict(pairs)) < len(pairs):
        raise GraphError(f"a {operator} has the same attribute twice")
    inputs, outputs = (
        tuple(read_text(part) for part in node.parts.get(field, [])) for field in (1, 2)
    )
    return Node(operator, inputs, outputs, dict(pairs))


def _attribute(data: memoryview) -> tuple[str, Attribute]:
    # name; a float, an integer, a string, integers; type
    part = Message(
        "attribute",
        data,
        {1: LENGTH, 2: FIXED32, 3: VARINT, 4: LENGTH, 8: VARINT, 20: VARINT},
        repeated=(8,),
    )
    name = part.text(1)
    # AttributeProto.AttributeType; tensors, graphs and types are not among them
    match part.number(20):
        case 1:
            return name, float(np.frombuffer(part.bytes(2), "<f4")[0])
        case 2:
            return name, part.number(3, 0)
        case 3:
            return name, bytes(part.bytes(4))
        case 7:
            return name, part.numbers(8)
        case kind:
            raise GraphError(f"attribute {name!r} is of type {kind}")


def _port(data: memoryview) -> Port:
    # 3, 4: notes
    value = Message(
        "input or output", data, {1: LENGTH, 2: LENGTH, 3: LENGTH, 4: LENGTH}, repeated=(4,)
    )
    # of tensors; sequences, maps and optional values are other fields
    kind = Message("type", value.bytes(2), {1: LENGTH})
    tensor = Message("tensor type", kind.bytes(1), {1: VARINT, 2: LENGTH})
    shape = Message("shape", tensor.bytes(2), {1: LENGTH}, repeated=(1,))
    sides = [Message("dimension", part, {1: VARINT, 2: LENGTH}) for part in shape.parts.get(1, [])]
    if tensor.number(1) not in DTYPES or len(sides) > MAX_DIMENSIONS:
        raise GraphError(
            f"type {tensor.number(1)} or {len(sides)} dimensions of an input or output"
        )
    return Port(
        value.text(1),
        tensor.number(1),
        tuple(side.number(1) if 1 in side.parts else None for side in sides),
    )
