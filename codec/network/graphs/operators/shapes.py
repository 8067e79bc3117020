"""Rules of operators that change shapes, not elements, and of those that compute shapes."""

import math
from collections.abc import Sequence

import numpy as np

from metamer.codec.network.graphs.onnx_wire import INT64, MAX_DIMENSIONS, Node
from metamer.codec.network.graphs.operators.value import (
    MEMORY,
    Result,
    Value,
    integer_attribute,
    integer_list,
    make_value,
    optional_integers,
    require,
    required_integers,
    resolve_axis,
)


def shape_of(node: Node, given: Sequence[Value | None]) -> Result:
    """Shape: what shapes are computed from."""
    (value,) = given
    assert value is not None
    sides = value.shape[
        integer_attribute(node, "start", 0) : integer_attribute(node, "end", len(value.shape))
    ]
    return [make_value(INT64, (len(sides),), np.array(sides, np.int64))], 0


def _reshaped(value: Value, shape: Sequence[int]) -> list[Value]:
    made = make_value(value.type, shape, value.content)
    require(made.size == value.size, f"{value.shape} as {tuple(shape)}")
    return [made]


def reshape(node: Node, given: Sequence[Value | None]) -> Result:
    """Reshape."""
    value, wanted = given
    assert value is not None
    shape = list(required_integers(wanted))
    require(shape.count(-1) <= 1 and min(shape, default=0) >= -1, f"shape {shape}")
    if not integer_attribute(node, "allowzero", 0):
        shape = [value.shape[axis] if side == 0 else side for axis, side in enumerate(shape)]
    if -1 in shape:
        shape[shape.index(-1)] = value.size // max(1, -math.prod(shape))
    return _reshaped(value, shape), 0


def squeeze(node: Node, given: Sequence[Value | None]) -> Result:
    """Squeeze."""
    value, axes = given
    assert value is not None
    ones = [axis for axis, side in enumerate(value.shape) if side == 1]
    gone = {resolve_axis(axis, len(value.shape)) for axis in optional_integers(axes, ones)}
    return _reshaped(value, [side for axis, side in enumerate(value.shape) if axis not in gone]), 0


def unsqueeze(node: Node, given: Sequence[Value | None]) -> Result:
    """Unsqueeze."""
    value, axes = given
    assert value is not None
    new = required_integers(axes)
    dimensions = len(value.shape) + len(new)
    require(dimensions <= MAX_DIMENSIONS, f"{dimensions} dimensions")
    places = {resolve_axis(axis, dimensions) for axis in new}
    require(len(places) == len(new), f"axes {new}")
    sides = iter(value.shape)
    return _reshaped(value, [1 if axis in places else next(sides) for axis in range(dimensions)]), 0


def transpose(node: Node, given: Sequence[Value | None]) -> Result:
    """Transpose."""
    (value,) = given
    assert value is not None
    order = integer_list(node, "perm", tuple(range(len(value.shape)))[::-1])
    require(sorted(order) == list(range(len(value.shape))), f"permutation {order}")
    return [make_value(value.type, [value.shape[axis] for axis in order])], 0


def expand(node: Node, given: Sequence[Value | None]) -> Result:
    """Expand."""
    value, wanted = given
    assert value is not None
    shape = required_integers(wanted)
    require(min(shape, default=1) >= 1 and math.prod(shape) <= MEMORY, f"shape {shape}")
    return [make_value(value.type, np.broadcast_shapes(value.shape, shape))], 0


def range_of(node: Node, given: Sequence[Value | None]) -> Result:
    """Range, of integers."""
    kinds = {value.type for value in given if value is not None}
    require(
        len(kinds) == 1 and all(value is not None and not value.shape for value in given),
        "Range of no numbers",
    )
    (start,), (end,), (step,) = map(required_integers, given)
    require(step != 0, "a range of no step")
    return [make_value(kinds.pop(), (len(range(start, end, step)),))], 0
