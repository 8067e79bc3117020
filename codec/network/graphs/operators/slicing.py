"""Rules of operators that take tensors apart and put them together."""

import math
from collections.abc import Sequence

import numpy as np

from metamer.codec.network.graphs.onnx_wire import INT32, INT64, Node
from metamer.codec.network.graphs.operators.value import (
    SMALL,
    Result,
    Value,
    integer_attribute,
    make_value,
    optional_integers,
    require,
    required_integers,
    resolve_axis,
)


def concat(node: Node, given: Sequence[Value | None]) -> Result:
    """Concat."""
    parts = [value for value in given if value is not None]
    first = parts[0]
    axis = resolve_axis(integer_attribute(node, "axis", -9), len(first.shape))
    others = {(part.type, part.shape[:axis], part.shape[axis + 1 :]) for part in parts}
    require(len(others) == 1, "Concat of different shapes")
    shape = [*first.shape[:axis], sum(part.shape[axis] for part in parts), *first.shape[axis + 1 :]]
    contents = [part.content for part in parts if part.content is not None]
    whole = (
        np.concatenate(contents, axis)
        if len(contents) == len(parts) and math.prod(shape) <= SMALL
        else None
    )
    return [make_value(first.type, shape, whole)], 0


def split(node: Node, given: Sequence[Value | None]) -> Result:
    """Split."""
    value, sizes = given
    assert value is not None
    axis, count = (
        resolve_axis(integer_attribute(node, "axis", 0), len(value.shape)),
        len(node.outputs),
    )
    side = value.shape[axis]
    length = -(-side // max(1, count))
    lengths = optional_integers(
        sizes, [min(length, side - length * index) for index in range(count)]
    )
    require(
        len(lengths) == count > 0 and sum(lengths) == side and min(lengths) > 0,
        f"{side} in parts of {lengths}",
    )
    require(
        integer_attribute(node, "num_outputs", count) == count, "Split into another number of parts"
    )
    return [
        make_value(value.type, [*value.shape[:axis], length, *value.shape[axis + 1 :]])
        for length in lengths
    ], 0


def slice_of(node: Node, given: Sequence[Value | None]) -> Result:
    """Slice, forwards."""
    value, *limits = given
    assert value is not None
    starts, ends = map(required_integers, limits[:2])
    axes = [
        resolve_axis(axis, len(value.shape))
        for axis in optional_integers(limits[2], range(len(starts)))
    ]
    steps = optional_integers(limits[3], [1] * len(starts))
    require(
        len(starts) == len(ends) == len(axes) == len(set(axes)) == len(steps)
        and min(steps, default=1) > 0,
        f"a slice from {starts} to {ends} by {steps}",
    )
    cut = [slice(None)] * len(value.shape)
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        cut[axis] = slice(start, end, step)
    shape = [len(range(*part.indices(side))) for part, side in zip(cut, value.shape, strict=True)]
    return [
        make_value(value.type, shape, None if value.content is None else value.content[tuple(cut)])
    ], 0


def gather(node: Node, given: Sequence[Value | None]) -> Result:
    """Gather."""
    value, indices = given
    assert value is not None and indices is not None
    require(indices.type in (INT32, INT64), "Gather of what are no indices")
    axis = resolve_axis(integer_attribute(node, "axis", 0), len(value.shape))
    shape = [*value.shape[:axis], *indices.shape, *value.shape[axis + 1 :]]
    content = None
    if value.content is not None and indices.content is not None and math.prod(shape) <= SMALL:
        content = np.take(value.content, indices.content, axis)
    return [make_value(value.type, shape, content)], 0


def pad(node: Node, given: Sequence[Value | None]) -> Result:
    """Pad, by a constant or by the edge."""
    value, margins, filling, axes = given
    assert value is not None
    mode = node.attributes.get("mode", b"constant")
    around, dimensions = required_integers(margins), len(value.shape)
    where = [resolve_axis(axis, dimensions) for axis in optional_integers(axes, range(dimensions))]
    require(
        mode in (b"constant", b"edge")
        and len(around) == 2 * len(where) == 2 * len(set(where))
        and 0 <= min(around, default=0) <= max(around, default=0) <= SMALL
        and (filling is None or filling.size == 1),
        f"margins {around} of mode {mode!r}",
    )
    shape = list(value.shape)
    for place, axis in enumerate(where):
        shape[axis] += around[place] + around[place + len(where)]
    return [make_value(value.type, shape)], 0


def depth_and_space(node: Node, given: Sequence[Value | None]) -> Result:
    """DepthToSpace and SpaceToDepth."""
    (value,) = given
    assert value is not None
    side, mode = integer_attribute(node, "blocksize", 0), node.attributes.get("mode", b"DCR")
    count, channels, height, width = value.shape
    require(1 <= side <= SMALL and mode in (b"DCR", b"CRD"), f"{node.operator} by {side}, {mode!r}")
    if node.operator == "DepthToSpace":
        require(channels % side**2 == 0, f"{channels} channels in blocks of {side}")
        return [
            make_value(value.type, (count, channels // side**2, height * side, width * side))
        ], 0
    require(height % side == width % side == 0, f"{height}x{width} in blocks of {side}")
    return [make_value(value.type, (count, channels * side**2, height // side, width // side))], 0
