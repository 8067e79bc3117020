"""One ONNX graph, checked and ready to run: the only place that hands anything to ONNX Runtime."""

import os
from collections.abc import Mapping, Sequence

import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as runtime

from metamer.codec.errors import ModelError
from metamer.codec.network.graphs.cost import check_graph, infer_cost
from metamer.codec.network.graphs.onnx_wire import Graph, read_graph
from metamer.codec.network.graphs.protobuf import GraphError

RUNTIME_ERRORS = (
    runtime.Fail,
    runtime.InvalidArgument,
    runtime.InvalidGraph,
    runtime.InvalidProtobuf,
    runtime.NotImplemented,
    runtime.RuntimeException,
    runtime.EPFail,
    runtime.NoSuchFile,
)


CPU = "CPUExecutionProvider"
PROVIDER = "METAMER_PROVIDER"


def transform_providers() -> tuple[str, ...]:
    """Who runs the transforms: the processor, and before it what the environment variable
    METAMER_PROVIDER names, such as `cuda` or `coreml`.

    Transforms alone: the networks that choose coding tables compute whole numbers, which must be
    those that every decoder gets, and stay on the processor. So a stream that was encoded on a GPU
    decodes anywhere to the latents that were coded.

    Raises:
        ModelError: This ONNX Runtime has no such provider.
    """
    provider = os.environ.get(PROVIDER, "").lower()
    if provider in ("", "cpu"):
        return (CPU,)
    available = onnxruntime.get_available_providers()
    short = {name.removesuffix("ExecutionProvider").lower(): name for name in available}
    if provider not in short:
        raise ModelError(
            f"{PROVIDER}: ONNX Runtime has no provider '{provider}' here, but {', '.join(short)}; "
            "onnxruntime-gpu brings cuda"
        )
    return short[provider], CPU


def read_checked_graph(graph: bytes, name: str) -> Graph:
    """Reads a graph and checks that ONNX Runtime may be given it.

    Args:
        graph: A serialised ModelProto.
        name: What errors call it.

    Raises:
        ModelError: It may not.
    """
    try:
        checked = read_graph(graph)
        check_graph(checked)
    except GraphError as problem:
        raise ModelError(f"{name} cannot be loaded: {problem}") from None
    return checked


class Session:
    """One ONNX graph, checked (`codec.network.graphs.cost`) and ready to run."""

    def __init__(
        self,
        graph: bytes,
        name: str,
        threads: int = 0,
        arena: bool = True,
        providers: Sequence[str] = (CPU,),
    ):
        """Loads a graph.

        Args:
            graph: A serialised ModelProto.
            name: What errors call it.
            threads: 0 for every core.
            arena: Whether it keeps the memory of its largest run for the next, which saves the
                transforms a tenth of their time.
            providers: ONNX Runtime's, the first that can run a node runs it.

        Raises:
            ModelError: The graph is refused.
        """
        self._name = name
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        # its errors are raised; a refused graph has nothing to say on standard error
        options.log_severity_level = 4
        options.enable_cpu_mem_arena = arena
        # each graph has a thread pool of its own: one that spins while another works takes its
        # cores
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # Arm's kernels for SME take what earlier sessions left in memory for the zeros of padding
        # (microsoft/onnxruntime#28654). 1.24 has them without this option, 1.23 and before were
        # right
        options.add_session_config_entry("mlas.disable_kleidiai", "1")
        self._graph = read_checked_graph(graph, name)
        try:
            self._session = onnxruntime.InferenceSession(graph, options, providers=[*providers])
        except RUNTIME_ERRORS as problem:
            raise ModelError(f"{name} cannot be loaded: {_line(problem)}") from None
        self._inputs = {port.name for port in self._graph.inputs}
        self._checked: set[tuple] = set()

    def run(self, **inputs: np.ndarray) -> list[np.ndarray]:
        """Runs the graph.

        Args:
            **inputs: By the graph's names for them.

        Returns:
            The graph's outputs.

        Raises:
            ModelError: It has other inputs, or cannot be run on these.
        """
        if self._inputs != set(inputs):
            raise ModelError(
                f"{self._name} takes {', '.join(sorted(self._inputs))}, not "
                f"{', '.join(sorted(inputs))}"
            )
        try:
            self._check(inputs)
            return self._session.run(None, inputs)
        except GraphError as problem:
            raise ModelError(f"{self._name} cannot be run: {problem}") from None
        except RUNTIME_ERRORS as problem:
            raise ModelError(
                f"{self._name} failed, for want of memory perhaps: {_line(problem)}"
            ) from None

    def _check(self, inputs: Mapping[str, np.ndarray]) -> None:
        """That inputs of these shapes take no more than `codec.network.graphs.cost` allows; windows
        are alike, so seldom anew.
        """
        shapes = {name: array.shape for name, array in inputs.items()}
        key = tuple(shapes.items())
        if key not in self._checked:
            infer_cost(self._graph, shapes)
            self._checked.add(key)


def _line(problem: Exception) -> str:
    return " ".join(str(problem).split())


def check_outputs(
    outputs: list[np.ndarray], name: str, *wanted: tuple[str, tuple[int | None, ...]]
) -> list[np.ndarray]:
    """Checks what a graph gave.

    Args:
        outputs: The arrays that it gave.
        name: What errors call the graph.
        *wanted: For each array its kind (NumPy's, `f` or `i`) and its shape, None for a side that
            may be anything.

    Returns:
        ``outputs``.

    Raises:
        ModelError: They are of other kinds or shapes, or not finite.
    """
    for array, (kind, shape) in zip(outputs, wanted, strict=False):
        fits = (
            array.dtype.kind == kind
            and array.ndim == len(shape)
            and all(side in (None, there) for side, there in zip(shape, array.shape, strict=True))
        )
        if not fits or (kind == "f" and not np.isfinite(array).all()):
            raise ModelError(
                f"graph {name} gives an array of {array.shape}, {array.dtype}, that is not what it "
                "should be, "
                "or not finite"
            )
    if len(outputs) != len(wanted):
        raise ModelError(f"graph {name} gives {len(outputs)} arrays, not {len(wanted)}")
    return outputs
