"""What is known of a tensor before a graph runs, and what rules for operators ask of it."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from metamer.codec.network.graphs.onnx_wire import DTYPES, INT32, INT64, MAX_DIMENSIONS, Node
from metamer.codec.network.graphs.protobuf import GraphError

# bytes of tensors that a run may hold at a time; an exported synthesis takes 150 MB for a window
MEMORY = 1 << 30
SMALL = 64  # elements of tensors whose values are followed

Result = tuple[list["Value"], int]  # outputs of a node, and multiplications for them
Rule = Callable[[Node, Sequence["Value | None"]], Result]


@dataclass(frozen=True)
class Value:
    """A tensor before there is one.

    Attributes:
        type: A key of `onnx_wire.DTYPES`.
        shape: Its sides.
        content: Its values, where they matter and follow from shapes and constants alone.
    """

    type: int
    shape: tuple[int, ...]
    content: np.ndarray | None = None

    @property
    def size(self) -> int:
        """Elements."""
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        """What it takes in memory."""
        return self.size * DTYPES[self.type].itemsize


def small_content(array: np.ndarray) -> np.ndarray | None:
    """The values of a constant, if they are followed: few, and integers."""
    return array if array.size <= SMALL and array.dtype.kind in "iub" else None


def make_value(kind: int, shape: Iterable[int], content: np.ndarray | None = None) -> Value:
    """A tensor that a node makes.

    Args:
        kind: A key of `onnx_wire.DTYPES`.
        shape: Its sides.
        content: Its values, if they are followed.

    Raises:
        GraphError: There is no such tensor, or it is too large.
    """
    shape = tuple(map(int, shape))
    value = Value(kind, shape, content)
    if (
        kind not in DTYPES
        or len(shape) > MAX_DIMENSIONS
        or min(shape, default=1) < 1
        or value.bytes > MEMORY
    ):
        raise GraphError(f"a tensor of type {kind} and shape {shape}")
    if content is not None:
        value = Value(kind, shape, np.asarray(content, DTYPES[kind]).reshape(shape))
    return value


def required_integers(value: Value | None) -> tuple[int, ...]:
    """Values that a shape depends on. Raises GraphError where they are not followed."""
    if value is None or value.content is None or value.type not in (INT32, INT64):
        raise GraphError("a shape that depends on the inputs' values")
    return tuple(map(int, value.content.ravel()))


def optional_integers(value: Value | None, default: Iterable[int]) -> tuple[int, ...]:
    """The same of an input that may be left out."""
    return tuple(default) if value is None else required_integers(value)


def integer_attribute(node: Node, name: str, default: int) -> int:
    """An attribute that is an integer. Raises GraphError for any other."""
    value = node.attributes.get(name, default)
    if not isinstance(value, int):
        raise GraphError(f"{node.operator} with {name} {value!r}")
    return value


def integer_list(node: Node, name: str, default: tuple[int, ...]) -> tuple[int, ...]:
    """An attribute that is several integers. Raises GraphError for any other."""
    values = node.attributes.get(name, default)
    if not isinstance(values, tuple):
        raise GraphError(f"{node.operator} with {name} {values!r}")
    return values


def resolve_axis(axis: int, dimensions: int) -> int:
    """An axis counted from the front. Raises GraphError for one that is not there."""
    if not -dimensions <= axis < dimensions:
        raise GraphError(f"axis {axis} of {dimensions}")
    return axis % dimensions


def require(fact: bool, what: str) -> None:
    """Raises GraphError of ``what`` unless ``fact``."""
    if not fact:
        raise GraphError(what)
