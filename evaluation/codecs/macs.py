"""Multiply-accumulates and parameters of Metamer's networks, counted from the graphs as
they run.
"""

import json
import math
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from PIL import Image

from metamer.codec import transforms
from metamer.codec.network import decoders, latents
from metamer.codec.network import model as models
from metamer.codec.network.files.model_file import graph_names
from metamer.codec.network.graphs.session import read_checked_graph
from metamer.codec.network.model import Model
from metamer.codec.options import quality_index
from metamer.codec.picture import pixels
from metamer.evaluation.codecs.interface import NetworkCost


class CountingModel:
    """A model whose graphs are counted as they run. macs: graph → multiply-accumulates of all its
    runs.
    """

    def __init__(self, model: Model):
        self.model = model
        self.macs: dict[str, int] = {}

    def __getattr__(self, name: str):
        return getattr(self.model, name)

    def run(self, graph: str, **inputs: np.ndarray) -> list[np.ndarray]:
        outputs, macs = run_profiled(self.model.graph(graph), inputs)
        self.macs[graph] = self.macs.get(graph, 0) + macs
        return outputs


class NullEncoder:
    """Takes what an entropy coder would."""

    def write(self, *_: np.ndarray) -> None:
        pass


def run_profiled(graph: bytes, inputs: dict[str, np.ndarray]) -> tuple[list[np.ndarray], int]:
    """A graph's outputs, and the multiply-accumulates of its convolutions and matrix products, from
    ONNX Runtime's profile.
    """
    with tempfile.TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.enable_profiling, options.profile_file_prefix = True, str(Path(folder, "profile"))
        # as the graph is written: fused operators would have other names
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        # packed weights are not in the profile
        options.add_session_config_entry("session.disable_prepacking", "1")
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        outputs = session.run(None, inputs)
        events = json.loads(Path(session.end_profiling()).read_text())
    return outputs, sum(node_macs(event.get("args", {})) for event in events)


def node_macs(node: dict) -> int:
    """Of one event in a profile: {op_name, input_type_shape: [{type: shape}, …],
    output_type_shape}.
    """
    name = node.get("op_name")
    if name not in ("Conv", "ConvTranspose", "MatMul", "Gemm") or "input_type_shape" not in node:
        return 0
    shapes = (*node["input_type_shape"][:2], *node["output_type_shape"][:1])
    first, second, result = (next(iter(shape.values())) for shape in shapes)
    if name == "Conv":
        return math.prod(result) * math.prod(second[1:])  # (out, in / groups, height, width)
    if name == "ConvTranspose":
        return math.prod(first) * math.prod(second[1:])  # (in, out / groups, height, width)
    return math.prod(result) * (math.prod(first) // result[0] if name == "Gemm" else first[-1])


def parameter_count(graph: bytes) -> int:
    """Weights in a graph, whatever their type; int64 is of shapes."""
    tensors = onnx.load_from_string(graph).graph.initializer
    return sum(
        math.prod(tensor.dims) for tensor in tensors if tensor.data_type != onnx.TensorProto.INT64
    )


def network_cost(
    name: str, decoder: str | None, picture: Image.Image, setting: float
) -> NetworkCost:
    """Of a model, and a decoder in place of its own, on a picture at a quality. Both directions run
    the entropy networks.
    """
    model = CountingModel(models.load_model(name))
    quality = quality_index(setting)
    syntheses = [model.graph(graph) for graph in model.synthesis_graphs]
    if decoder:
        file = decoders.find_decoder(decoder, model.model)
        # of one band: they differ in numbers alone
        syntheses = [decoders.complete_graph(file, graph, syntheses[0]) for graph in file.graphs]
    graphs = [model.graph(graph) for graph in ("analysis", *graph_names(len(model.groups)))]
    for graph in (*syntheses, *graphs):
        read_checked_graph(graph, f"a graph of {name}")
    latent, hyper = transforms.analyse(pixels.to_planes(picture), quality, model)
    decoded = latents.write_latents(model, quality, latent, hyper, NullEncoder(), 0.0)
    given = {
        "latent": latents.dequantise(model, quality, decoded),
        "weights": model.arrays["level_weights"][quality : quality + 1],
    }
    entropy = sum(macs for graph, macs in model.macs.items() if graph != "analysis")
    return NetworkCost(
        model.macs["analysis"] + entropy,
        run_profiled(syntheses[0], given)[1] + entropy,
        sum(map(parameter_count, [*graphs, *syntheses])),
    )
