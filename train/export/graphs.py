"""Networks as ONNX graphs: integers in what picks coding tables, float16 in the transforms."""

import copy
import logging
import warnings

import numpy as np
import onnx
import torch
from onnxscript import FLOAT
from onnxscript import opset20 as op
from torch import Tensor, nn

from metamer.codec.errors import ModelError
from metamer.codec.grid import Box
from metamer.codec.network import decoders
from metamer.codec.network.files.bands import synthesis_names
from metamer.codec.network.files.model_file import graph_names
from metamer.codec.network.model import Model
from metamer.codec.network.noise import common_noise
from metamer.train import start
from metamer.train.export.frozen import ContextGraph, freeze
from metamer.train.networks.codec import Codec
from metamer.train.networks.transforms.synthesis import Synthesis


def position_major(planes: Tensor) -> Tensor:
    """(N, C, h, w) → (N, h, w, C), as the runtime keeps latents."""
    return planes.permute(0, 2, 3, 1)


def channel_major(
    latent: Tensor, weights: Tensor, noise: Tensor | None
) -> tuple[Tensor, Tensor, Tensor | None]:
    """What `Synthesis.forward` takes, of what its graph is given."""
    planes = None if noise is None else noise.permute(0, 3, 1, 2)
    return latent.permute(0, 3, 1, 2), weights, planes


class AnalysisGraph(nn.Module):
    """image, weights → latents (N, h, w, M) in image units, and hyper-latents before rounding."""

    def __init__(self, codec: Codec):
        super().__init__()
        self.analysis, self.hyper = codec.analysis, codec.entropy.hyper_analysis
        self.register_buffer("deviation", codec.entropy.deviation[:, None, None])

    def forward(self, image: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        latent = self.analysis(image, weights)
        return position_major(latent), self.hyper(latent / self.deviation, weights)


class SynthesisGraph(nn.Module):
    """latent (N, h, w, M) in image units, weights, noise (N, h, w, ·) where it is given any →
    image, of one band of qualities.
    """

    def __init__(self, synthesis: Synthesis):
        super().__init__()
        self.synthesis = synthesis

    def forward(self, latent: Tensor, weights: Tensor, noise: Tensor | None = None) -> Tensor:
        return self.synthesis(*channel_major(latent, weights, noise))


class SliderGraph(nn.Module):
    """latent (N, h, w, M) in image units, weights, realism (scalar), noise as in `SynthesisGraph` →
    image.

    Every weight is (1 − realism)·(what ``model`` ships) + realism·(what ``codec`` has), exact at
    both ends, for one band of qualities; the model's own ones for noise are 0. Raises ModelError
    when the two are not built alike.
    """

    def __init__(self, codec: Codec, model: Model, band: int):
        super().__init__()
        self.trained = codec.synthesis.bands[band]
        self.own = copy.deepcopy(self.trained)  # a name of the format: `decoders.OWN`
        try:
            with torch.no_grad():
                shipped = start.constants(model, model.synthesis_graphs[band])
                if self.own.options.noise:
                    shipped["synthesis.noise.weight"] = torch.zeros_like(self.own.noise.weight)
                start.put(self.own, shipped, "synthesis.")
        except (KeyError, RuntimeError) as problem:
            raise ModelError(
                f"{model.path}: its synthesis is not built as the trained one: {problem}"
            ) from None

    def forward(
        self, latent: Tensor, weights: Tensor, realism: Tensor, noise: Tensor | None = None
    ) -> Tensor:
        ends = zip(self.own.named_parameters(), self.trained.parameters(), strict=True)
        mixed = {
            name: (1 - realism) * shipped + realism * trained for (name, shipped), trained in ends
        }
        return torch.func.functional_call(
            self.trained, mixed, channel_major(latent, weights, noise)
        )


def asinh(value: FLOAT) -> FLOAT:
    """Of operators that ONNX Runtime computes with vectors; its own Asinh goes one by one and takes
    five times as long.
    """
    return op.Sign(value) * op.Log(
        op.Abs(value) + op.Sqrt(value * value + op.Constant(value_float=1.0))
    )


def to_onnx(
    module: nn.Module, inputs: dict[str, Tensor], outputs: list[str], sides: dict[int, int]
) -> onnx.ModelProto:
    """Exports with free height and width. sides: dimension of the first input, and of all with as
    many dimensions, → what it is a multiple of.
    """
    free = dict(
        zip(
            sides,
            (torch.export.Dim("h", min=2, max=8192), torch.export.Dim("w", min=2, max=8192)),
            strict=True,
        )
    )
    first, *_ = inputs.values()
    shapes = tuple(
        {axis: sides[axis] * free[axis] for axis in sides} if value.ndim == first.ndim else {}
        for value in inputs.values()
    )
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            module.eval(),
            tuple(inputs.values()),
            dynamo=True,
            dynamic_shapes=shapes,
            input_names=list(inputs),
            output_names=outputs,
            opset_version=20,
            verbose=False,
            custom_translation_table={torch.ops.aten.asinh.default: asinh},
        )
    return program.model_proto


def shrink(graph: onnx.ModelProto, whole: bool) -> bytes:
    """Serialised, its large float32 constants stored as integers (if ``whole``) or float16 and cast
    on loading.
    """
    for constant in list(graph.graph.initializer):
        value = onnx.numpy_helper.to_array(constant)
        if value.dtype != np.float32 or value.size < 32:
            continue
        if not whole:
            small = value.astype(np.float16)
        elif (value == np.rint(value)).all():
            largest = np.abs(value).max()
            small = value.astype(
                np.int8 if largest < 128 else np.int16 if largest < 32768 else np.int32
            )
        else:
            continue  # powers of two
        name = constant.name
        constant.CopyFrom(onnx.numpy_helper.from_array(small, f"{name}_stored"))
        cast = onnx.helper.make_node("Cast", [f"{name}_stored"], [name], to=onnx.TensorProto.FLOAT)
        graph.graph.node.insert(0, cast)
    for node in graph.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    del graph.graph.value_info[:]
    del graph.graph.metadata_props[:]
    return graph.SerializeToString(deterministic=True)


def without_own_weights(graph: bytes, own: bytes) -> bytes:
    """A serialised graph without what `codec.network.decoders.complete_graph` takes, to the bit the
    same, from the model's ``own``.
    """
    proto = onnx.load_model_from_string(graph)
    held = {
        constant.name: onnx.numpy_helper.to_array(constant)
        for constant in onnx.load_model_from_string(own).graph.initializer
    }
    for constant in list(proto.graph.initializer):
        if not constant.name.startswith(decoders.OWN):
            continue
        value, twin = (
            onnx.numpy_helper.to_array(constant),
            held.get(decoders.own_name(constant.name)),
        )
        if twin is not None and value.dtype == twin.dtype and np.array_equal(value, twin):
            proto.graph.initializer.remove(constant)
    return proto.SerializeToString(deterministic=True)


def synthesis_inputs(codec: Codec) -> dict[str, Tensor]:
    """What `SynthesisGraph` is traced with."""
    options = codec.options
    inputs = {
        "latent": torch.randn(1, 4, 6, sum(options.groups)),
        "weights": torch.rand(1, options.levels),
    }
    if channels := codec.synthesis.options.noise:
        inputs["noise"] = torch.from_numpy(common_noise(Box(0, 0, 4, 6), channels))
    return inputs


def contiguous(codec: Codec) -> Codec:
    """As the exporter wants it; training keeps its weights channels-last."""
    return codec.to(memory_format=torch.contiguous_format).eval()


def graphs(codec: Codec) -> dict[str, bytes]:
    """Every ONNX graph of a model, by name."""
    codec = contiguous(codec)
    entropy, options = codec.entropy, codec.options
    analysis_inputs = {"image": torch.rand(1, 3, 64, 96), "weights": torch.rand(1, options.levels)}
    made = {
        "analysis": to_onnx(
            AnalysisGraph(codec), analysis_inputs, ["latent", "hyper"], {2: 16, 3: 16}
        ),
        **synthesis_graphs(codec),
    }
    hyper = torch.zeros(1, options.hyper_latents, 2, 3)
    names = graph_names(len(options.groups))
    made[names[0]] = to_onnx(
        freeze(entropy.hyper_synthesis), {"hyper": hyper}, ["features"], {2: 1, 3: 1}
    )
    for index, network in enumerate(entropy.contexts):
        context = torch.zeros(1, 4, 6, network.squeeze.weight.shape[1])
        graph = ContextGraph(network, index % 2)
        made[names[1 + index]] = to_onnx(
            graph, {"context": context}, ["mean", "scale"], {1: 1, 2: 1}
        )
    return {name: shrink(graph, whole=name in names) for name, graph in made.items()}


def synthesis_graphs(codec: Codec) -> dict[str, onnx.ModelProto]:
    """`SynthesisGraph` of every band, by name."""
    bands, inputs = codec.synthesis.bands, synthesis_inputs(codec)
    return {
        name: to_onnx(SynthesisGraph(band), inputs, ["image"], {1: 1, 2: 1})
        for name, band in zip(synthesis_names(len(bands)), bands, strict=True)
    }


def slider_graphs(codec: Codec, model: Model) -> dict[str, onnx.ModelProto]:
    """`SliderGraph` of every band, by name. Raises ModelError."""
    names = synthesis_names(len(codec.synthesis.bands))
    if names != model.synthesis_graphs:
        raise ModelError(
            f"{model.path}: its synthesis is not built as the trained one, so there is nothing "
            "between the two for realism to choose"
        )
    return {name: _slider_graph(codec, model, band) for band, name in enumerate(names)}


def _slider_graph(codec: Codec, model: Model, band: int) -> onnx.ModelProto:
    """With realism a constant, 1, that `codec.network.decoders` sets: ONNX Runtime folds constants,
    not inputs.
    """
    # an input while tracing, or it folds here
    latent, weights, *noise = synthesis_inputs(codec).items()
    inputs = dict([latent, weights, (decoders.REALISM, torch.tensor(1.0)), *noise])
    proto = to_onnx(SliderGraph(codec, model, band), inputs, ["image"], {1: 1, 2: 1})
    given = [value for value in proto.graph.input if value.name == decoders.REALISM]
    proto.graph.input.remove(*given)
    proto.graph.initializer.append(
        onnx.numpy_helper.from_array(np.array(1, np.float32), decoders.REALISM)
    )
    return proto
