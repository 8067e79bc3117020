"""Rules of operators that work element by element."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from metamer.codec.network.graphs.onnx_wire import BOOL, DTYPES, INT32, INT64, Node
from metamer.codec.network.graphs.operators.value import (
    SMALL,
    Result,
    Rule,
    Value,
    integer_attribute,
    make_value,
    require,
)


def broadcast(compute: Callable | None = None, result: int | None = None) -> Rule:
    """The rule of operators on operands of one type, which are broadcast.

    Args:
        compute: What they do to integers whose values are followed.
        result: The output's type, where it is not the operands'.
    """

    def rule(node: Node, given: Sequence[Value | None]) -> Result:
        operands = [value for value in given if value is not None]
        choosing = node.operator == "Where"
        types = {value.type for value in operands[choosing:]}
        require(
            len(types) == 1 and not (choosing and operands[0].type != BOOL),
            f"{node.operator} of different types",
        )
        kind = types.pop()
        shape = np.broadcast_shapes(*(value.shape for value in operands))
        contents = [value.content for value in operands if value.content is not None]
        if node.operator in ("Div", "Mod") and DTYPES[kind].kind != "f":
            divisor = operands[1].content
            require(
                divisor is not None
                and bool((divisor > 0).all())
                and not integer_attribute(node, "fmod", 0),
                "a division by what is not known to be positive",
            )
        content = None
        if compute and len(contents) == len(operands) and math.prod(shape) <= SMALL:
            content = compute(*contents)
        return [make_value(kind if result is None else result, shape, content)], 0

    return rule


def divide(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Towards 0, as ONNX has it, by positive numbers."""
    return one // other + ((one < 0) & (one % other != 0))


def clip(node: Node, given: Sequence[Value | None]) -> Result:
    """Clip: the bounds are single numbers."""
    value, low, high = given
    assert value is not None
    require(
        all(
            limit is None or (limit.type == value.type and limit.size == 1 and not limit.shape)
            for limit in (low, high)
        ),
        "Clip to what is not a number of the same type",
    )
    return [make_value(value.type, value.shape)], 0


def cast(node: Node, given: Sequence[Value | None]) -> Result:
    """Cast: values that are followed stay so in integers."""
    (value,) = given
    assert value is not None
    kind = integer_attribute(node, "to", -1)
    require(kind in DTYPES, f"a cast to type {kind}")
    content = value.content if value.content is not None and kind in (INT32, INT64, BOOL) else None
    return [make_value(kind, value.shape, content)], 0
