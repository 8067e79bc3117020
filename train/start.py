"""Where weights come from: a run's checkpoint, or a model file such as those that ship.

A model file holds all that training needs, a little rounded: float16 transforms, integer entropy
networks, and arrays for 256 qualities from which the rows of the levels follow by least squares.
"""

import dataclasses

import numpy as np
import onnx
import torch
from google.protobuf.message import DecodeError
from torch import Tensor, nn

from metamer.codec.errors import ModelError, RecipeError
from metamer.codec.network import model as models
from metamer.codec.network.files.model_file import graph_names
from metamer.codec.network.model import SUFFIX, WEIGHTS, Model
from metamer.codec.network.passes import FRACTION, MEAN_SHIFT
from metamer.train.networks import registry
from metamer.train.networks.codec import Codec, NetworkOptions
from metamer.train.networks.entropy_model.integer_networks import ContextNetwork, IntegerConv2d
from metamer.train.networks.entropy_model.logistic import SCALE_LOW, SCALE_STEP
from metamer.train.networks.interface import ArchitectureOptions, Network
from metamer.train.networks.transforms.bands import resized
from metamer.train.recipe.options import EncoderOptions

STORED = "_stored"  # what `train.export.graphs.shrink` calls a constant that it keeps in fewer bits


def is_model(source: str) -> bool:
    """Whether ``source`` names a shipped model or a model file, not a checkpoint."""
    return source.endswith(SUFFIX) or (WEIGHTS / f"{source}{SUFFIX}").exists()


def network_of(source: str) -> dict:
    """A recipe's `network` for the model that ``source`` names, but for a decoder of other sizes;
    empty where it does not say. Raises ModelError.
    """
    network = models.load_model(source).card.get("recipe", {}).get("network", {})
    return {key: value for key, value in network.items() if key != "decoder"}


def encoder_of(source: str) -> dict:
    """A recipe's `encoder` for the model that ``source`` names, as far as its card says. Raises
    ModelError.
    """
    card = models.load_model(source).card
    return {
        field.name: card[field.name]
        for field in dataclasses.fields(EncoderOptions)
        if field.name in card
    }


def constants(model: Model, graph: str) -> dict[str, Tensor]:
    """The constants of one of a model's graphs, float32, by the names they have in torch."""
    return graph_constants(model.graph(graph), f"{model.path}: graph {graph}")


def graph_constants(graph: bytes, name: str) -> dict[str, Tensor]:
    """The same of a serialised graph, which errors call ``name``. Raises ModelError."""
    try:
        proto = onnx.load_model_from_string(graph)
    except DecodeError:
        raise ModelError(f"{name} is damaged") from None
    arrays = {
        constant.name: onnx.numpy_helper.to_array(constant) for constant in proto.graph.initializer
    }
    return {
        name.removesuffix(STORED): torch.from_numpy(np.array(value, np.float32))
        for name, value in arrays.items()
    }


def put(module: nn.Module, constants: dict[str, Tensor], prefix: str) -> None:
    """Copies ``constants`` into the parameters of ``module`` below ``prefix``."""
    for name, parameter in module.named_parameters():
        parameter.copy_(constants[f"{prefix}{name}"])


def integers(
    constants: dict[str, Tensor], layer: str, kernel: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Of a layer: weights (O, C, k, k), which context graphs hold as (O, k·k·C); biases and powers
    of two (O,).
    """
    weight = constants[f"{layer}.conv.weight"]
    if weight.ndim == 2:
        weight = weight.unflatten(1, (kernel, kernel, -1)).permute(0, 3, 1, 2)
    return weight, constants[f"{layer}.conv.bias"], constants[f"{layer}.scale"].flatten()


def put_integers(module: nn.Module, constants: dict[str, Tensor], prefix: str) -> None:
    """Sets every integer layer inside ``module`` to real weights that round to the integers of
    ``constants``.
    """
    for name, layer in module.named_modules():
        if isinstance(layer, IntegerConv2d):
            weight, bias, scale = integers(constants, f"{prefix}{name}", layer.weight.shape[-1])
            layer.weight.copy_(
                weight
                * scale[:, None, None, None]
                * layer.input_one[:, None, None]
                / layer.output_one
            )
            layer.bias.copy_((bias * scale - 0.5) / layer.output_one)


@torch.no_grad()
def from_model(model: Model) -> Codec:
    """The trainable codec of a model file. Raises ModelError for files that do not say what they
    were trained as.
    """
    try:
        options = NetworkOptions(**{**model.card["recipe"]["network"], "decoder": None})
    except (KeyError, TypeError):
        raise ModelError(f"{model.path}: does not say how its networks were built") from None
    codec, array = Codec(options), model.arrays
    entropy, names = codec.entropy, graph_names(len(options.groups))
    try:
        analysis = constants(model, "analysis")
        put(codec.analysis, analysis, "analysis.")
        put(entropy.hyper_analysis, analysis, "hyper.")
        for band, name in zip(codec.synthesis.bands, model.synthesis_graphs, strict=True):
            synthesis = constants(model, name)
            put(band, synthesis, "synthesis.")
            for name, buffer in band.companding.named_buffers():
                buffer.copy_(synthesis[f"synthesis.companding.{name}"])
        put_integers(entropy.hyper_synthesis, constants(model, names[0]), "")
        for name, context in zip(names[1:], entropy.contexts, strict=True):
            put_integers(context, constants(model, name), "network.")
    except (KeyError, RuntimeError, ValueError):
        raise ModelError(f"{model.path}: its networks are not built as its card says") from None

    def rows(values: np.ndarray) -> Tensor:
        """(K, …) whose interpolation gives ``values`` (256, …)."""
        return torch.from_numpy(
            np.linalg.lstsq(array["level_weights"].astype(float), values, rcond=None)[0]
        ).float()

    log_step = np.log(array["step"].astype(float))
    entropy.log_step.copy_(rows(log_step))
    entropy.log_stretch.copy_(rows(np.log(array["encoder_gain"].astype(float)) + log_step))
    entropy.hyper_log_scale.copy_(
        rows(np.log(SCALE_LOW) + SCALE_STEP * array["hyper_index"].astype(float))
    )
    unit = FRACTION * 2**MEAN_SHIFT / ContextNetwork.MEAN_ONE
    # finest at the highest quality
    deviation = torch.from_numpy(array["mean_factor"][-1] / unit * array["step"][-1]).float()
    for part in (codec.analysis, entropy):
        part.deviation.copy_(deviation)
    return codec


def load(source: str, options: ArchitectureOptions) -> Network:
    """The network to begin from.

    Args:
        source: A shipped model's name, a model file, or what `Network.from_source` takes, such as a
            checkpoint, whose averaged weights count.
        options: What the recipe's `network` says.

    Raises:
        RecipeError: Its networks are not built as ``options`` say.
    """
    if getattr(options, "decoder", None) is None and not is_model(source):
        return registry.load(source, options)
    if not isinstance(options, NetworkOptions):
        raise RecipeError(f"start: {source} is a model of Metamer's own network")
    model_options = dataclasses.replace(options, decoder=None)
    if is_model(source):
        codec = from_model(models.load_model(source))
        if codec.options != dataclasses.replace(
            model_options, synthesis_bands=codec.options.synthesis_bands
        ):
            raise RecipeError(
                f"start: the networks of {source} are not built as the recipe's `network` says"
            )
        return with_decoder(codec, options)
    try:  # of a decoder as the recipe has it, or of a model
        return registry.load(source, options)
    except RecipeError:
        return with_decoder(registry.load(source, model_options), options)


def with_decoder(codec: Codec, options: NetworkOptions) -> Codec:
    """``codec``, with a synthesis of other sizes or bands where ``options`` have one."""
    if codec.options.synthesis != options.synthesis:
        codec.synthesis = resized(codec.synthesis, options.synthesis)
    codec.options = options
    return codec
