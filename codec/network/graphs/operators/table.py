"""The operators that a graph may have: those that train/export/ writes, and a few like them.

None of them loops, reads a file or calls anything.
"""

import numpy as np

from metamer.codec.network.graphs.onnx_wire import BOOL
from metamer.codec.network.graphs.operators import products, shapes, slicing
from metamer.codec.network.graphs.operators.elementwise import broadcast, cast, clip, divide
from metamer.codec.network.graphs.operators.value import SMALL, Rule

# rule, fewest and most inputs, attributes
OPERATORS: dict[str, tuple[Rule, int, int, tuple[str, ...]]] = {
    **{
        name: (broadcast(), 1, 1, ())
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
    "Abs": (broadcast(np.abs), 1, 1, ()),
    "Neg": (broadcast(np.negative), 1, 1, ()),
    "Sign": (broadcast(np.sign), 1, 1, ()),
    "Not": (broadcast(np.logical_not), 1, 1, ()),
    "Add": (broadcast(np.add), 2, 2, ()),
    "Sub": (broadcast(np.subtract), 2, 2, ()),
    "Mul": (broadcast(np.multiply), 2, 2, ()),
    "Div": (broadcast(divide), 2, 2, ()),
    "Mod": (broadcast(np.mod), 2, 2, ("fmod",)),
    "Max": (broadcast(np.maximum), 2, 2, ()),
    "Min": (broadcast(np.minimum), 2, 2, ()),
    "Where": (broadcast(np.where), 3, 3, ()),
    "And": (broadcast(np.logical_and), 2, 2, ()),
    "Or": (broadcast(np.logical_or), 2, 2, ()),
    "Equal": (broadcast(np.equal, BOOL), 2, 2, ()),
    "Greater": (broadcast(np.greater, BOOL), 2, 2, ()),
    "Less": (broadcast(np.less, BOOL), 2, 2, ()),
    "Clip": (clip, 1, 3, ()),
    "Cast": (cast, 1, 1, ("to",)),
    "Shape": (shapes.shape_of, 1, 1, ("start", "end")),
    "Reshape": (shapes.reshape, 2, 2, ("allowzero",)),
    "Squeeze": (shapes.squeeze, 1, 2, ()),
    "Unsqueeze": (shapes.unsqueeze, 2, 2, ()),
    "Transpose": (shapes.transpose, 1, 1, ("perm",)),
    "Expand": (shapes.expand, 2, 2, ()),
    "Range": (shapes.range_of, 3, 3, ()),
    "Concat": (slicing.concat, 1, SMALL, ("axis",)),
    "Split": (slicing.split, 1, 2, ("axis", "num_outputs")),
    "Slice": (slicing.slice_of, 3, 5, ()),
    "Gather": (slicing.gather, 2, 2, ("axis",)),
    "Pad": (slicing.pad, 2, 4, ("mode",)),
    "DepthToSpace": (slicing.depth_and_space, 1, 1, ("blocksize", "mode")),
    "SpaceToDepth": (slicing.depth_and_space, 1, 1, ("blocksize",)),
    "MatMul": (products.matmul, 2, 2, ()),
    "Gemm": (products.gemm, 2, 3, ("alpha", "beta", "transA", "transB")),
    "Conv": (
        products.convolution,
        2,
        3,
        ("auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"),
    ),
}
# those that take longer for an element than the others
SLOW = frozenset(("Log", "Exp", "Asinh", "Sigmoid", "Tanh", "Erf", "Mod", "Div"))
