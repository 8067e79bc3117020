"""What memory and time a run of a graph takes, said before ONNX Runtime sees the graph.

`infer_cost` follows a run on inputs of given shapes through all nodes, with shapes in place of
tensors, and the values of small integer tensors, from which shapes are computed. Where a shape or a
divisor depends on the inputs' values, the graph is refused: no exported one is so.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from metamer.codec.network.graphs.onnx_wire import Graph, Node
from metamer.codec.network.graphs.operators.table import OPERATORS, SLOW
from metamer.codec.network.graphs.operators.value import (
    MEMORY,
    Result,
    Value,
    make_value,
    small_content,
)
from metamer.codec.network.graphs.protobuf import GraphError

# multiplications that a run may take, and for each element of its inputs
OPERATIONS, FOR_AN_ELEMENT = 1 << 32, 1 << 18
# a free side of an input, where a graph is looked at without inputs: a multiple of all that
# exported graphs want
FREE = 64
# multiplications in the time that operators take for an element of their output
ELEMENT, SLOW_ELEMENT = 16, 256


@dataclass(frozen=True)
class Cost:
    """What a run takes.

    Attributes:
        outputs: The graph's, by name.
        memory: Bytes of tensors at most at a time.
        operations: Multiplications.
    """

    outputs: dict[str, Value]
    memory: int
    operations: int


def check_graph(graph: Graph) -> None:
    """Checks that a graph could be run safely on inputs of some size.

    Free sides are taken as `FREE`, so that what ONNX Runtime computes of constants alone, when it
    loads the graph, is bounded.

    Raises:
        GraphError: It could not.
    """
    infer_cost(
        graph,
        {
            port.name: tuple(FREE if side is None else side for side in port.shape)
            for port in graph.inputs
        },
    )


def infer_cost(graph: Graph, shapes: Mapping[str, tuple[int, ...]]) -> Cost:
    """Follows a run through all nodes.

    Args:
        graph: The graph.
        shapes: Of its inputs, by name.

    Returns:
        What the run takes.

    Raises:
        GraphError: It cannot be said, or is too much.
    """
    values = {
        name: Value(c.type, c.shape, small_content(c.array()))
        for name, c in graph.constants.items()
    }
    held = sum(value.bytes for value in values.values())
    allowed = OPERATIONS
    for port in graph.inputs:
        if port.name in values:
            raise GraphError(f"input {port.name!r} is a constant or another input too")
        values[port.name] = value = make_value(port.type, shapes[port.name])
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
        freed = {
            name
            for name in (*node.inputs, *node.outputs)
            if name in temporary and last.get(name, -1) <= number
        }
        held -= sum(values[name].bytes for name in freed)
        temporary -= freed
    missing = [port.name for port in graph.outputs if port.name not in values]
    if missing:
        raise GraphError(f"output {missing[0]!r} comes from nowhere")
    return Cost({port.name: values[port.name] for port in graph.outputs}, memory, operations)


def _run(node: Node, values: Mapping[str, Value]) -> Result:
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
    inputs = [values[name] if name else None for name in node.inputs]
    try:
        outputs, work = rule(node, inputs + [None] * (most - len(inputs)))
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
