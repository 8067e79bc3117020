"""What a graph of a model file may do, and how much of it, decided before ONNX Runtime sees it.

`OPERATORS` are those that train/export.py writes, and a few of the same kind. None of them loops,
reads a file or calls anything. `infer_cost` follows a run on inputs of given shapes through all
nodes, with shapes in place of tensors, and the values of small integer tensors, from which shapes
are computed. So it says what memory and time a run takes before it is made. Where a shape or a
divisor depends on the inputs' values, the graph is refused: no exported one is so.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from metamer.codec.network.graphs.onnx_wire import (
    BOOL,
    DTYPES,
    FLOAT,
    INT32,
    INT64,
    MAX_DIMENSIONS,
    Graph,
    GraphError,
    Node,
)

# bytes of tensors that a run may hold at a time; an exported synthesis takes 150 MB for a window
MEMORY = 1 << 30
# multiplications that a run may take, and for each element of its inputs
OPERATIONS, FOR_AN_ELEMENT = 1 << 32, 1 << 18
SMALL = 64  # elements of tensors whose values are followed
# a free side of an input, where a graph is looked at without inputs: a multiple of all that
# exported graphs want
FREE = 64
# multiplications in the time that operators take for an element of their output
ELEMENT, SLOW_ELEMENT = 16, 256


@dataclass(frozen=True)
class Value:
    """What is told of a tensor. known: its values, where they matter and follow from shapes and
    constants alone.
    """

    type: int
    shape: tuple[int, ...]
    known: np.ndarray | None = None

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        return self.size * DTYPES[self.type].itemsize


@dataclass(frozen=True)
class Cost:
    """Of a run. outputs: the graph's, by name; memory: bytes of tensors at most at a time;
    operations: multiplications.
    """

    outputs: dict[str, Value]
    memory: int
    operations: int


# outputs, and multiplications for them
Rule = Callable[[Node, Sequence[Value | None]], tuple[list[Value], int]]


def check_graph(graph: Graph) -> None:
    """Raises GraphError for a graph that could not be run safely on inputs of any size.

    Free sides are taken as `FREE`, so that what ONNX Runtime computes of constants alone, when it
    loads the graph, is bounded.
    """
    infer_cost(
        graph,
        {
            port.name: tuple(FREE if side is None else side for side in port.shape)
            for port in graph.inputs
        },
    )


def infer_cost(graph: Graph, shapes: Mapping[str, tuple[int, ...]]) -> Cost:
    """The cost of a run on inputs of ``shapes``. Raises GraphError where it cannot be told, or is
    too much.
    """
    values = {
        name: Value(c.type, c.shape, _small(c.array())) for name, c in graph.constants.items()
    }
    held = sum(value.bytes for value in values.values())
    allowed = OPERATIONS
    for port in graph.inputs:
        if port.name in values:
            raise GraphError(f"input {port.name!r} is a constant or another input too")
        values[port.name] = value = _made(port.type, shapes[port.name])
        allowed += FOR_AN_ELEMENT * value.size
        held += value.bytes
    last = {name: number for number, node in enumerate(graph.nodes) for name in node.inputs}
    last |= {port.name: len(graph.nodes) for port in graph.outputs}
    temporary: set[str] = set()
    memory = held
    operations = 0
    for number, node in enumerate(graph.nodes):
        with np.errstate(all="ignore"):  # integers wrap as they do in ONNX Runtime
            outputs, work = _run(node, values)
        operations += work + sum(output.size for output in outputs) * (
            SLOW_ELEMENT if node.operator in SLOW else ELEMENT
        )
        for name, output in zip(node.outputs, outputs, strict=True):
            values[name] = output
            temporary.add(name)
            held += output.bytes
        memory = max(memory, held)
        if memory > MEMORY or operations > allowed:
            raise GraphError(
                f"a run would take {memory >> 20} MB and {operations / 1e9:.0f} billion operations "
                "or more"
            )
        done = {
            name
            for name in (*node.inputs, *node.outputs)
            if name in temporary and last.get(name, -1) <= number
        }
        held -= sum(values[name].bytes for name in done)
        temporary -= done
    missing = [port.name for port in graph.outputs if port.name not in values]
    if missing:
        raise GraphError(f"output {missing[0]!r} comes from nowhere")
    return Cost({port.name: values[port.name] for port in graph.outputs}, memory, operations)


def _run(node: Node, values: Mapping[str, Value]) -> tuple[list[Value], int]:
    """Outputs of a node, and multiplications for them."""
    if node.operator not in OPERATORS:
        raise GraphError(f"operator {node.operator}, which no exported model has")
    rule, fewest, most, attributes = OPERATORS[node.operator]
    strange = set(node.attributes) - set(attributes)
    if strange or not fewest <= len(node.inputs) <= most:
        raise GraphError(
            f"{node.operator} with {len(node.inputs)} inputs and attributes "
            f"{sorted(node.attributes)}"
        )
    absent = [name for name in node.inputs[:fewest] if not name] + [
        name for name in node.inputs if name and name not in values
    ]
    if absent:
        raise GraphError(f"an input of {node.operator}, {absent[0]!r}, comes from nowhere")
    given = [values[name] if name else None for name in node.inputs]
    try:
        outputs, work = rule(node, given + [None] * (most - len(given)))
    except (
        TypeError,
        IndexError,
        ValueError,
        OverflowError,
    ) as problem:  # attributes or values of another kind
        raise GraphError(f"{node.operator}: {problem}") from None
    names = [name for name in node.outputs if name]
    if (
        len(outputs) != len(names)
        or len(names) != len(node.outputs)
        or any(name in values for name in names)
        or len(set(names)) < len(names)
    ):
        raise GraphError(f"{node.operator} with outputs {node.outputs}")
    return outputs, work


def _small(array: np.ndarray) -> np.ndarray | None:
    return array if array.size <= SMALL and array.dtype.kind in "iub" else None


def _made(kind: int, shape: Iterable[int], known: np.ndarray | None = None) -> Value:
    """A tensor that a node makes. Raises GraphError for impossible ones."""
    shape = tuple(map(int, shape))
    value = Value(kind, shape, known)
    if (
        kind not in DTYPES
        or len(shape) > MAX_DIMENSIONS
        or min(shape, default=1) < 1
        or value.bytes > MEMORY
    ):
        raise GraphError(f"a tensor of type {kind} and shape {shape}")
    if known is not None:
        value = Value(kind, shape, np.asarray(known, DTYPES[kind]).reshape(shape))
    return value


def _integers(value: Value | None) -> tuple[int, ...]:
    """Values that a shape depends on."""
    if value is None or value.known is None or value.type not in (INT32, INT64):
        raise GraphError("a shape that depends on the inputs' values")
    return tuple(map(int, value.known.ravel()))


def _optional(value: Value | None, default: Iterable[int]) -> tuple[int, ...]:
    return tuple(default) if value is None else _integers(value)


def _attribute(node: Node, name: str, default: int) -> int:
    found = node.attributes.get(name, default)
    if not isinstance(found, int):
        raise GraphError(f"{node.operator} with {name} {found!r}")
    return found


def _list(node: Node, name: str, default: tuple[int, ...]) -> tuple[int, ...]:
    found = node.attributes.get(name, default)
    if not isinstance(found, tuple):
        raise GraphError(f"{node.operator} with {name} {found!r}")
    return found


def _axis(axis: int, dimensions: int) -> int:
    if not -dimensions <= axis < dimensions:
        raise GraphError(f"axis {axis} of {dimensions}")
    return axis % dimensions


def _need(fact: bool, what: str) -> None:
    if not fact:
        raise GraphError(what)


# elementwise


def _elementwise(compute: Callable | None = None, result: int | None = None) -> Rule:
    """Operands of one type, broadcast. compute: of integers; result: the outputs' type, where it is
    not the operands'.
    """

    def rule(node: Node, given: Sequence[Value | None]) -> tuple[list[Value], int]:
        operands = [value for value in given if value is not None]
        choosing = node.operator == "Where"
        types = {value.type for value in operands[choosing:]}
        _need(
            len(types) == 1 and not (choosing and operands[0].type != BOOL),
            f"{node.operator} of different types",
        )
        kind = types.pop()
        shape = np.broadcast_shapes(*(value.shape for value in operands))
        known = [value.known for value in operands if value.known is not None]
        if node.operator in ("Div", "Mod") and DTYPES[kind].kind != "f":
            divisor = operands[1].known
            _need(
                divisor is not None
                and bool((divisor > 0).all())
                and not _attribute(node, "fmod", 0),
                "a division by what is not known to be positive",
            )
        worked_out = None
        if compute and len(known) == len(operands) and math.prod(shape) <= SMALL:
            worked_out = compute(*known)
        return [_made(kind if result is None else result, shape, worked_out)], 0

    return rule


def _divide(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Towards 0, as ONNX has it, by positive numbers."""
    return one // other + ((one < 0) & (one % other != 0))


def _clip(node: Node, given: Sequence[Value | None]) -> tuple[list[Value], int]:
    value, low, high = given
    assert value is not None
    _need(
        all(
            limit is None or (limit.type == value.type and limit.size == 1 and not limit.shape)
            for limit in (low, high)
        ),
        "Clip to what is not a number of the same type",
    )
    return [_made(value.type, value.shape)], 0


def _cast(node: Node, given: Sequence[Value | None]) -> tuple[list[Value], int]:
    (value,) = given
    assert value is not None
    kind = _attribute(node, "to", -1)
    _need(kind in DTYPES, f"a cast to type {kind}")
    known = value.known if value.known is not None and kind in (INT32, INT64, BOOL) else None
    return [_made(kind, value.shape, known)], 0


# shapes


def _shape(node: Node, given: Sequence[Value | None]) -> tuple[list[Value], int]:
    (value,) = given
    assert value is not None
    sides = value.shape[_attribute(node, "start", 0) : _attribute(node, "end", len(value.shape))]
    return [_made(INT64, (len(sides),), np.array(sides, np.int64))], 0


def _reshaped(value: Value, shape: Sequence[int]) -> list[Value]:
    made = _made(value.type, shape, value.known)
    _need(made.size == value.size, f"{value.shape} as {tuple(shape)}")
    return [made]


def _reshape(node: Node, given: Sequence[Value | None]) -> tuple[list[Value], int]:
    value, wanted = given
    assert value is not None
    shape = list(_integers(wanted))
    _need(shape.count(-1) <= 1 and min(shape, default=0) >= -1, f"shape {shape}")
    if not _attribute(node, "allowzero", 0):
        shape = [value.shape[axis] if side == 0 else side for axis, side in enumerate(shape)]
    if -1 in shape:
        shape[shape.index(-1)] = value.size // max(1, -math.prod(shape))
    return _reshaped(value, shape), 0


def _squeeze(node: Node, given: Sequence[Value | None]) -> tuple[list[Value], int]:
    value, axes = given
    assert value is not None
    ones = [axis for axis, side in enumerate(value.shape) if side == 1]
    gone = {_axis(axis, len(value.shape)) for axis in _optional(axes, ones)}
    return _reshaped(value, [side for axis, side in enumerate(value.shape) if axis not in gone]), 0


def _unsqueeze(node: Node, given: Sequence[Value | None]) -> tuple[list[Value], int]:
    value, axes = given
    assert value is not None
    new = _integers(axes)
    dimensions = len(value.shape) + len(new)
    _need(dimensions <= MAX_DIMENSIONS, f"{dimensions} dimensions")
    places = {_axis(axis, dimensions) for axis in new}
    _need(len(places) == len(new), f"axes {new}")
    sides = iter(value.shape)
    return _reshaped(value, [1 if axis in places else next(sides) for axis in range(dimensions)]), 0


def _transpose(node: Node, given: Sequence[Value | None]) -> tuple[list[Value], int]:
    (value,) = given
    assert value is not None
    order = _list(node, "perm", tuple(range(len(value.shape)))[::-1])
    _need(sorted(order) == list(range(len(value.shape))), f"permutation {order}")
    return [_made(value.type, [value.shape[axis] for axis in order])], 0


def _expand(node: Node, given: Sequence[Value | None]) -> tuple[list[Value], int]:
    value, wanted = given
    assert value is not None
    shape = _integers(wanted)
    _need(min(shape, default=1) >= 1 and math.prod(shape) <= MEMORY, f"shape {shape}")
    return [_made(value.type, np.broadcast_shapes(value.shape, shape))], 0


def _range(node: Node, given: Sequence[Value | None]) -> tuple[list[Value], int]:
    kinds = {value.type for value in given if value is not None}
    _need(
        len(kinds) == 1 and all(value is not None and not value.shape for value in given),
        "Range of no numbers",
    )
    (start,), (end,), (step,) = map(_integers, given)
    _need(step != 0, "a range of no step")
    return [_made(kinds.pop(), (len(range(start, end, step)),))], 0


# parts and wholes


def _concat(node: Node, given: Sequence[Value | None]) -> tuple[list[Value], int]:
    parts = [value for value in given if value is not None]
    first = parts[0]
    axis = _axis(_attribute(node, "axis", -9), len(first.shape))
    others = {(part.type, part.shape[:axis], part.shape[axis + 1 :]) for part in parts}
    _need(len(others) == 1, "Concat of different shapes")
    shape = [*first.shape[:axis], sum(part.shape[axis] for part in parts), *first.shape[axis + 1 :]]
    known = [part.known for part in parts if part.known is not None]
    whole = (
        np.concatenate(known, axis)
        if len(known) == len(parts) and math.prod(shape) <= SMALL
        else None
    )
    return [_made(first.type, shape, whole)], 0


def _split(node: Node, given: Sequence[Value | None]) -> tuple[list[Value], int]:
    value, sizes = given
    assert value is not None
    axis, count = _axis(_attribute(node, "axis", 0), len(value.shape)), len(node.outputs)
    side = value.shape[axis]
    each = -(-side // max(1, count))
    lengths = _optional(sizes, [min(each, side - each * index) for index in range(count)])
    _need(
        len(lengths) == count > 0 and sum(lengths) == side and min(lengths) > 0,
        f"{side} in parts of {lengths}",
    )
    _need(_attribute(node, "num_outputs", count) == count, "Split into another number of parts")
    return [
        _made(value.type, [*value.shape[:axis], length, *value.shape[axis + 1 :]])
        for length in lengths
    ], 0


def _slice(node: Node, given: Sequence[Value | None]) -> tuple[list[Value], int]:
    value, *limits = given
    assert value is not None
    starts, ends = map(_integers, limits[:2])
    axes = [_axis(axis, len(value.shape)) for axis in _optional(limits[2], range(len(starts)))]
    steps = _optional(limits[3], [1] * len(starts))
    _need(
        len(starts) == len(ends) == len(axes) == len(set(axes)) == len(steps)
        and min(steps, default=1) > 0,
        f"a slice from {starts} to {ends} by {steps}",
    )
    cut = [slice(None)] * len(value.shape)
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        cut[axis] = slice(start, end, step)
    shape = [len(range(*part.indices(side))) for part, side in zip(cut, value.shape, strict=True)]
    return [_made(value.type, shape, None if value.known is None else value.known[tuple(cut)])], 0


def _gather(node: Node, given: Sequence[Value | None]) -> tuple[list[Value], int]:
    value, indices = given
    assert value is not None and indices is not None
    _need(indices.type in (INT32, INT64), "Gather of what are no indices")
    axis = _axis(_attribute(node, "axis", 0), len(value.shape))
    shape = [*value.shape[:axis], *indices.shape, *value.shape[axis + 1 :]]
    known = None
    if value.known is not None and indices.known is not None and math.prod(shape) <= SMALL:
        known = np.take(value.known, indices.known, axis)
    return [_made(value.type, shape, known)], 0


def _pad(node: Node, given: Sequence[Value | None]) -> tuple[list[Value], int]:
    value, margins, filling, axes = given
    assert value is not None
    mode = node.attributes.get("mode", b"constant")
    around, dimensions = _integers(margins), len(value.shape)
    where = [_axis(axis, dimensions) for axis in _optional(axes, range(dimensions))]
    _need(
        mode in (b"constant", b"edge")
        and len(around) == 2 * len(where) == 2 * len(set(where))
        and 0 <= min(around, default=0) <= max(around, default=0) <= SMALL
        and (filling is None or filling.size == 1),
        f"margins {around} of mode {mode!r}",
    )
    shape = list(value.shape)
    for place, axis in enumerate(where):
        shape[axis] += around[place] + around[place + len(where)]
    return [_made(value.type, shape)], 0


def _blocks(node: Node, given: Sequence[Value | None]) -> tuple[list[Value], int]:
    (value,) = given
    assert value is not None
    side, mode = _attribute(node, "blocksize", 0), node.attributes.get("mode", b"DCR")
    count, channels, height, width = value.shape
    _need(1 <= side <= SMALL and mode in (b"DCR", b"CRD"), f"{node.operator} by {side}, {mode!r}")
    if node.operator == "DepthToSpace":
        _need(channels % side**2 == 0, f"{channels} channels in blocks of {side}")
        return [_made(value.type, (count, channels // side**2, height * side, width * side))], 0
    _need(height % side == width % side == 0, f"{height}x{width} in blocks of {side}")
    return [_made(value.type, (count, channels * side**2, height // side, width // side))], 0


# sums of products


def _product(node: Node, given: Sequence[Value | None]) -> tuple[list[Value], int]:
    one, other = given
    assert one is not None and other is not None
    _need(
        one.type == other.type == FLOAT
        and min(len(one.shape), len(other.shape)) >= 2
        and one.shape[-1] == other.shape[-2],
        f"{one.shape} times {other.shape}",
    )
    batch = np.broadcast_shapes(one.shape[:-2], other.shape[:-2])
    made = _made(FLOAT, (*batch, one.shape[-2], other.shape[-1]))
    return [made], made.size * one.shape[-1]


def _gemm(node: Node, given: Sequence[Value | None]) -> tuple[list[Value], int]:
    one, other, bias = given
    assert one is not None and other is not None
    _need(
        one.type == other.type == FLOAT and len(one.shape) == len(other.shape) == 2,
        "Gemm of what are no matrices",
    )
    rows, inner = one.shape[::-1] if _attribute(node, "transA", 0) else one.shape
    same, columns = other.shape[::-1] if _attribute(node, "transB", 0) else other.shape
    _need(
        inner == same
        and all(isinstance(node.attributes.get(name, 1.0), float) for name in ("alpha", "beta")),
        "Gemm",
    )
    if bias is not None:
        _need(
            bias.type == FLOAT
            and np.broadcast_shapes(bias.shape, (rows, columns)) == (rows, columns),
            "the bias of Gemm",
        )
    return [_made(FLOAT, (rows, columns))], rows * columns * inner


def _convolution(node: Node, given: Sequence[Value | None]) -> tuple[list[Value], int]:
    value, weight, bias = given
    assert value is not None and weight is not None
    count, channels, *sides = value.shape
    made, inner, *kernel = weight.shape
    groups, steps, spread = (
        _attribute(node, "group", 1),
        _list(node, "strides", (1, 1)),
        _list(node, "dilations", (1, 1)),
    )
    margins = _list(node, "pads", (0, 0, 0, 0))
    _need(
        value.type == weight.type == FLOAT
        and len(sides) == len(kernel) == len(steps) == len(spread) == 2
        and _list(node, "kernel_shape", tuple(kernel)) == tuple(kernel),
        "a convolution that is not of two dimensions",
    )
    _need(
        groups >= 1
        and channels == inner * groups
        and made % groups == 0
        and len(margins) == 4
        and 0 <= min(margins) <= max(margins) <= SMALL
        and 1 <= min(*steps, *spread) <= max(*steps, *spread) <= SMALL
        and node.attributes.get("auto_pad", b"NOTSET") == b"NOTSET",
        f"a convolution in {groups} groups, margins {margins}",
    )
    _need(
        bias is None or (bias.type == FLOAT and bias.shape == (made,)), "the bias of a convolution"
    )
    after = [
        (side + margins[axis] + margins[axis + 2] - spread[axis] * (kernel[axis] - 1) - 1)
        // steps[axis]
        + 1
        for axis, side in enumerate(sides)
    ]
    result = _made(FLOAT, (count, made, *after))
    return [result], result.size * inner * math.prod(kernel)


# rule, fewest and most inputs, attributes
OPERATORS: dict[str, tuple[Rule, int, int, tuple[str, ...]]] = {
    **{
        name: (_elementwise(), 1, 1, ())
        for name in (
            "Identity",
            "Relu",
            "Floor",
            "Ceil",
            "Round",
            "Sqrt",
            "Log",
            "Exp",
            "Asinh",
            "Sigmoid",
            "Tanh",
            "Erf",
            "Reciprocal",
        )
    },
    "Abs": (_elementwise(np.abs), 1, 1, ()),
    "Neg": (_elementwise(np.negative), 1, 1, ()),
    "Sign": (_elementwise(np.sign), 1, 1, ()),
    "Not": (_elementwise(np.logical_not), 1, 1, ()),
    "Add": (_elementwise(np.add), 2, 2, ()),
    "Sub": (_elementwise(np.subtract), 2, 2, ()),
    "Mul": (_elementwise(np.multiply), 2, 2, ()),
    "Div": (_elementwise(_divide), 2, 2, ()),
    "Mod": (_elementwise(np.mod), 2, 2, ("fmod",)),
    "Max": (_elementwise(np.maximum), 2, 2, ()),
    "Min": (_elementwise(np.minimum), 2, 2, ()),
    "Where": (_elementwise(np.where), 3, 3, ()),
    "And": (_elementwise(np.logical_and), 2, 2, ()),
    "Or": (_elementwise(np.logical_or), 2, 2, ()),
    "Equal": (_elementwise(np.equal, BOOL), 2, 2, ()),
    "Greater": (_elementwise(np.greater, BOOL), 2, 2, ()),
    "Less": (_elementwise(np.less, BOOL), 2, 2, ()),
    "Clip": (_clip, 1, 3, ()),
    "Cast": (_cast, 1, 1, ("to",)),
    "Shape": (_shape, 1, 1, ("start", "end")),
    "Reshape": (_reshape, 2, 2, ("allowzero",)),
    "Squeeze": (_squeeze, 1, 2, ()),
    "Unsqueeze": (_unsqueeze, 2, 2, ()),
    "Transpose": (_transpose, 1, 1, ("perm",)),
    "Expand": (_expand, 2, 2, ()),
    "Range": (_range, 3, 3, ()),
    "Concat": (_concat, 1, SMALL, ("axis",)),
    "Split": (_split, 1, 2, ("axis", "num_outputs")),
    "Slice": (_slice, 3, 5, ()),
    "Gather": (_gather, 2, 2, ("axis",)),
    "Pad": (_pad, 2, 4, ("mode",)),
    "DepthToSpace": (_blocks, 1, 1, ("blocksize", "mode")),
    "SpaceToDepth": (_blocks, 1, 1, ("blocksize",)),
    "MatMul": (_product, 2, 2, ()),
    "Gemm": (_gemm, 2, 3, ("alpha", "beta", "transA", "transB")),
    "Conv": (
        _convolution,
        2,
        3,
        ("auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"),
    ),
}
SLOW = frozenset(("Log", "Exp", "Asinh", "Sigmoid", "Tanh", "Erf", "Mod", "Div"))
