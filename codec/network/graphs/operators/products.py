"""Rules of operators that sum products: their cost is counted in multiplications."""

import math
from collections.abc import Sequence

import numpy as np

from metamer.codec.network.graphs.onnx_wire import FLOAT, Node
from metamer.codec.network.graphs.operators.value import (
    SMALL,
    Result,
    Value,
    integer_attribute,
    integer_list,
    make_value,
    require,
)


def matmul(node: Node, given: Sequence[Value | None]) -> Result:
    """MatMul, of matrices and stacks of them."""
    left, right = given
    assert left is not None and right is not None
    require(
        left.type == right.type == FLOAT
        and min(len(left.shape), len(right.shape)) >= 2
        and left.shape[-1] == right.shape[-2],
        f"{left.shape} times {right.shape}",
    )
    batch = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    product = make_value(FLOAT, (*batch, left.shape[-2], right.shape[-1]))
    return [product], product.size * left.shape[-1]


def gemm(node: Node, given: Sequence[Value | None]) -> Result:
    """Gemm."""
    left, right, bias = given
    assert left is not None and right is not None
    require(
        left.type == right.type == FLOAT and len(left.shape) == len(right.shape) == 2,
        "Gemm of what are no matrices",
    )
    rows, inner = left.shape[::-1] if integer_attribute(node, "transA", 0) else left.shape
    same, columns = right.shape[::-1] if integer_attribute(node, "transB", 0) else right.shape
    require(
        inner == same
        and all(isinstance(node.attributes.get(name, 1.0), float) for name in ("alpha", "beta")),
        "Gemm",
    )
    if bias is not None:
        require(
            bias.type == FLOAT
            and np.broadcast_shapes(bias.shape, (rows, columns)) == (rows, columns),
            "the bias of Gemm",
        )
    return [make_value(FLOAT, (rows, columns))], rows * columns * inner


def convolution(node: Node, given: Sequence[Value | None]) -> Result:
    """Conv, of two dimensions."""
    value, weight, bias = given
    assert value is not None and weight is not None
    count, channels, *sides = value.shape
    made, inner, *kernel = weight.shape
    groups, steps, spread = (
        integer_attribute(node, "group", 1),
        integer_list(node, "strides", (1, 1)),
        integer_list(node, "dilations", (1, 1)),
    )
    margins = integer_list(node, "pads", (0, 0, 0, 0))
    require(
        value.type == weight.type == FLOAT
        and len(sides) == len(kernel) == len(steps) == len(spread) == 2
        and integer_list(node, "kernel_shape", tuple(kernel)) == tuple(kernel),
        "a convolution that is not of two dimensions",
    )
    require(
        groups >= 1
        and channels == inner * groups
        and made % groups == 0
        and len(margins) == 4
        and 0 <= min(margins) <= max(margins) <= SMALL
        and 1 <= min(*steps, *spread) <= max(*steps, *spread) <= SMALL
        and node.attributes.get("auto_pad", b"NOTSET") == b"NOTSET",
        f"a convolution in {groups} groups, margins {margins}",
    )
    require(
        bias is None or (bias.type == FLOAT and bias.shape == (made,)), "the bias of a convolution"
    )
    after = [
        (side + margins[axis] + margins[axis + 2] - spread[axis] * (kernel[axis] - 1) - 1)
        // steps[axis]
        + 1
        for axis, side in enumerate(sides)
    ]
    result = make_value(FLOAT, (count, made, *after))
    return [result], result.size * inner * math.prod(kernel)
