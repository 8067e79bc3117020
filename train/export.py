"""A trained run → one file the runtime loads.

Networks become ONNX graphs (integer weights for what picks coding tables, float16 for the
transforms), every table a decoder needs becomes integers for each of the 256 qualities, and the
coding tables' shapes are counted on the training photographs, with the logistic that was trained
against as the prior.

A run that trained the synthesis alone becomes a decoder file for the streams of the model that it
started from.
"""

import copy
import io
import json
import logging
import math
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import onnx
import torch
from onnxscript import FLOAT
from onnxscript import opset20 as op
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from metamer.codec.encode import write_picture
from metamer.codec.errors import ModelError, RecipeError
from metamer.codec.network import decoders, latents
from metamer.codec.network import model as models
from metamer.codec.network.arrays import ARRAYS, LIMITS
from metamer.codec.network.colour_axes import choose_turn
from metamer.codec.network.model import Model
from metamer.codec.network.model_file import FORMAT, graph_names
from metamer.codec.options import QUALITIES
from metamer.codec.system import files
from metamer.entropy.tables import quantise
from metamer.train import loop, running, start, validation
from metamer.train.data import Crops, Photographs, find
from metamer.train.loss.objective import Distortion
from metamer.train.networks.codec import KEEPING, Codec
from metamer.train.networks.entropy_model import (
    SCALE_HIGH,
    SCALE_LOW,
    SCALE_STEP,
    SCALES,
    level_weights,
)
from metamer.train.networks.integer_networks import (
    EXACT_LIMIT,
    HIDDEN_ONE,
    ContextNetwork,
    IntegerConv2d,
)
from metamer.train.recipe import Stage
from metamer.train.running import CHECKPOINT

TAIL = 1e-6  # probability beyond a table's reach, under the logistic
MIN_REACH = 3
SKIP_BELOW = 5e-4  # tables that see fewer non-zeros than this are left empty
GREY_SHARE = 0.1  # a latent with less costs grey photographs more than it brings, at every quality
PRIOR_WEIGHT = 50.0  # observations that the logistic prior counts for
_DATE = (1980, 1, 1, 0, 0, 0)  # fixed, so that the same run exports the same bytes


def exact(layer: IntegerConv2d) -> tuple[Tensor, Tensor, Tensor]:
    """Weights (O, C, k, k), biases (O,), powers of two (O,); refuses a layer that float32 might not
    compute exactly.
    """
    weight, bias, shift = (part.detach() for part in layer.integers())
    bound = (weight.double().abs() * layer.input_max[:, None, None]).sum(
        (1, 2, 3)
    ) + bias.double().abs()
    if bound.max() >= EXACT_LIMIT:
        raise ValueError(
            f"an accumulator can reach {bound.max():.0f}, which float32 does not hold exactly"
        )
    return weight, bias, torch.exp2(-shift)


class FrozenConv(nn.Module):
    """An `IntegerConv2d` with its integers fixed."""

    def __init__(self, layer: IntegerConv2d):
        super().__init__()
        weight, bias, scale = exact(layer)
        self.conv = nn.Conv2d(weight.shape[1], weight.shape[0], weight.shape[-1])
        self.conv.weight.data, self.conv.bias.data = weight, bias
        self.register_buffer("scale", scale[:, None, None])
        self.margin, self.low, self.high = weight.shape[-1] // 2, layer.low, layer.high

    def forward(self, units: Tensor) -> Tensor:
        if self.margin:
            units = F.pad(units, (self.margin,) * 4, mode="replicate")
        return torch.floor(self.conv(units) * self.scale).clamp(self.low, self.high)


class FrozenRows(nn.Module):
    """The same at chosen positions: (n, k·k·C) neighbourhoods, row by row, channels innermost → (n,
    O).
    """

    def __init__(self, layer: IntegerConv2d):
        super().__init__()
        weight, bias, scale = exact(layer)
        rows = weight.permute(0, 2, 3, 1).flatten(1)
        self.conv = nn.Linear(rows.shape[1], rows.shape[0])
        self.conv.weight.data, self.conv.bias.data = rows, bias
        self.register_buffer("scale", scale)
        self.low, self.high = layer.low, layer.high

    def forward(self, units: Tensor) -> Tensor:
        return torch.floor(self.conv(units) * self.scale).clamp(self.low, self.high)


def freeze(module: nn.Module, kind: type[nn.Module] = FrozenConv) -> nn.Module:
    """A copy of ``module`` with every integer layer frozen."""
    module = copy.deepcopy(module)
    for name, child in list(module.named_modules()):
        if isinstance(child, IntegerConv2d):
            parent = module.get_submodule(name.rpartition(".")[0])
            setattr(parent, name.rpartition(".")[2], kind(child))
    return module.eval()


def position_major(planes: Tensor) -> Tensor:
    """(N, C, h, w) → (N, h, w, C), as the runtime keeps latents."""
    return planes.permute(0, 2, 3, 1)


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
    """latent (N, h, w, M) in image units, weights → image."""

    def __init__(self, codec: Codec):
        super().__init__()
        self.synthesis = codec.synthesis

    def forward(self, latent: Tensor, weights: Tensor) -> Tensor:
        return self.synthesis(latent.permute(0, 3, 1, 2), weights)


class SliderGraph(nn.Module):
    """latent (N, h, w, M) in image units, weights, realism (scalar) → image.

    Every weight is (1 − realism)·(what ``model`` ships) + realism·(what ``codec`` has), exact at
    both ends. Raises ModelError when the two are not built alike.
    """

    def __init__(self, codec: Codec, model: Model):
        super().__init__()
        if codec.options.decoder is not None:
            raise ModelError(
                f"{model.path}: its synthesis is not built as the trained one, so there is nothing "
                "between the two for realism to choose"
            )
        self.trained, self.own = codec.synthesis, copy.deepcopy(codec.synthesis)
        try:
            with torch.no_grad():
                start.put(self.own, start.constants(model, "synthesis"), "synthesis.")
        except (KeyError, RuntimeError) as problem:
            raise ModelError(
                f"{model.path}: its synthesis is not built as the trained one: {problem}"
            ) from None

    def forward(self, latent: Tensor, weights: Tensor, realism: Tensor) -> Tensor:
        ends = zip(self.own.named_parameters(), self.trained.parameters(), strict=True)
        mixed = {name: (1 - realism) * own + realism * trained for (name, own), trained in ends}
        return torch.func.functional_call(
            self.trained, mixed, (latent.permute(0, 3, 1, 2), weights)
        )


class ContextGraph(nn.Module):
    """context (1, h, w, C) in units → mean and log-scale, int16, (n, targets) of the n positions of
    one pass, in raster order.

    parity: of row + column of those. The first layer alone runs everywhere; the others do half the
    work of convolutions.
    """

    def __init__(self, network: ContextNetwork, parity: int):
        super().__init__()
        self.network, self.parity = freeze(network, FrozenRows), parity

    def forward(self, context: Tensor) -> tuple[Tensor, Tensor]:
        network, (_, height, width, channels) = self.network, context.shape
        common = network.squeeze(context.reshape(-1, channels))
        around = self.around(height, width)
        common = common.index_select(0, around.flatten()).reshape(around.shape[0], -1)
        common = network.mix(network.spatial(common))
        return network.mean(common).to(torch.int16), network.scale(common).to(torch.int16)

    def around(self, height: int, width: int) -> Tensor:
        """(n, 9) where the 3x3 neighbours of each position are, edges replicated."""
        twice = 2 * torch.arange((height * width + 1 - self.parity) // 2)
        # rows of even length each begin with the other colour; along odd ones colours alternate
        # from row to row by themselves
        here = twice + (self.parity + twice // width * (1 - width % 2)) % 2
        row, offsets = here // width, torch.arange(-1, 2)
        rows = (row[:, None] + offsets).clamp(0, height - 1)
        columns = ((here - row * width)[:, None] + offsets).clamp(0, width - 1)
        return (rows[:, :, None] * width + columns[:, None]).flatten(1)


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
    """Exports with free height and width. sides: dimension of the first input → what it is a
    multiple of.
    """
    free = dict(
        zip(
            sides,
            (torch.export.Dim("h", min=2, max=8192), torch.export.Dim("w", min=2, max=8192)),
            strict=True,
        )
    )
    shapes = ({axis: sides[axis] * free[axis] for axis in sides}, *({} for _ in list(inputs)[1:]))
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
            reach = np.abs(value).max()
            small = value.astype(
                np.int8 if reach < 128 else np.int16 if reach < 32768 else np.int32
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


def synthesis_inputs(codec: Codec) -> dict[str, Tensor]:
    """What `SynthesisGraph` is traced with."""
    options = codec.options
    return {
        "latent": torch.randn(1, 4, 6, sum(options.groups)),
        "weights": torch.rand(1, options.levels),
    }


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
        "synthesis": to_onnx(
            SynthesisGraph(codec), synthesis_inputs(codec), ["image"], {1: 1, 2: 1}
        ),
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


def slider_graph(codec: Codec, model: Model) -> onnx.ModelProto:
    """`SliderGraph` with realism a constant, 1, that `codec.network.decoders` sets: ONNX Runtime
    folds constants, not inputs.
    """
    # an input while tracing, or it folds here
    inputs = {**synthesis_inputs(codec), decoders.REALISM: torch.tensor(1.0)}
    proto = to_onnx(SliderGraph(codec, model), inputs, ["image"], {1: 1, 2: 1})
    given = [value for value in proto.graph.input if value.name == decoders.REALISM]
    proto.graph.input.remove(*given)
    proto.graph.initializer.append(
        onnx.numpy_helper.from_array(np.array(1, np.float32), decoders.REALISM)
    )
    return proto


@torch.no_grad()
def quality_arrays(codec: Codec) -> dict[str, np.ndarray]:
    """The arrays of codec.network.arrays.ARRAYS that depend on quality."""
    entropy, levels = codec.entropy, codec.options.levels
    weights = level_weights(torch.linspace(0, levels - 1, QUALITIES), levels)
    log_step, log_stretch = weights @ entropy.log_steps(), weights @ entropy.log_stretch
    log_deviation = entropy.deviation.log()
    ratio = (log_deviation - log_step).double().exp()  # one standard deviation in quantiser steps
    low = math.log(SCALE_LOW)
    hyper_index = (
        ((weights @ entropy.hyper_log_scale - low) / SCALE_STEP).round().clamp(0, SCALES - 1)
    )
    one = ContextNetwork.SCALE_ONE
    # the half makes >> round
    offset = (one * (log_deviation - log_step - low) / SCALE_STEP).round() + one // 2
    mean = (ratio * (latents.FRACTION * 2**latents.MEAN_SHIFT / ContextNetwork.MEAN_ONE)).round()
    known = (ContextNetwork.KNOWN_ONE * 2**latents.CONTEXT_SHIFT / latents.FRACTION / ratio).round()
    values = {
        "hyper_index": hyper_index,
        "scale_offset": offset,
        "mean_factor": mean,
        "known_factor": known,
        "planes": torch.floor(weights * HIDDEN_ONE + 0.5),
        "level_weights": weights,
        "step": log_step.exp(),
        "encoder_gain": (log_stretch - log_step).exp(),
    }
    values["known_factor"] = known.clamp_max(LIMITS["known_factor"])  # training does the same
    return {name: value.numpy().astype(ARRAYS[name][0]) for name, value in values.items()}


def grey_latents(codec: Codec) -> np.ndarray:
    """(M,) uint8 `codec.network.arrays.GREY`: 1 where a fair part of a basis vector's energy lies
    along grey, which R = G = B is.
    """
    basis = codec.analysis.linear.basis.detach().unflatten(1, (3, -1)).double()
    share = (basis.sum(1) / 3**0.5).square().sum(1) / basis.square().sum((1, 2))
    return (share > GREY_SHARE).to(torch.uint8).numpy()


def logistic_tables() -> list[np.ndarray]:
    """Probabilities of −reach…reach and of an escape, for each scale index."""
    tables = []
    for scale in SCALE_LOW * np.exp(SCALE_STEP * np.arange(SCALES)):
        reach = max(MIN_REACH, math.ceil(scale * math.log(2 / TAIL)))
        edges = np.tanh((np.arange(-reach, reach + 2) - 0.5) / (2 * scale)) / 2
        inside = np.diff(edges)
        tables.append(np.append(inside, max(1 - inside.sum(), TAIL)))
    return tables


class Counter:
    """Has an encoder's ``write`` and counts what would be coded, by table."""

    def __init__(self, sizes: list[int]):
        self.counts = [np.zeros(size) for size in sizes]

    def write(self, residuals: np.ndarray, indices: np.ndarray) -> None:
        for table in np.unique(indices):
            counts = self.counts[table]
            reach = len(counts) // 2 - 1
            values = residuals[indices == table]
            symbols = np.where(np.abs(values) > reach, 2 * reach + 1, values + reach)
            counts += np.bincount(symbols, minlength=len(counts))


def pack_tables(probabilities: list[np.ndarray], empty: np.ndarray) -> dict[str, np.ndarray]:
    """``frequencies`` and ``reach`` of codec.network.arrays.ARRAYS."""
    reach = np.array(
        [-1 if gone else len(p) // 2 - 1 for p, gone in zip(probabilities, empty, strict=True)],
        np.int32,
    )
    kept = [quantise(p) for p, gone in zip(probabilities, empty, strict=True) if not gone]
    return {"frequencies": np.concatenate(kept), "reach": reach}


def count_tables(
    path: Path, photographs: Photographs, crops: int, crop: int = 384
) -> list[np.ndarray]:
    """Probabilities as in `logistic_tables`, counted with the model at ``path`` on ``crops`` crops
    of all qualities.

    Counts are made symmetric: a residual's sign carries no information here.
    """
    model, prior = Model(path), logistic_tables()
    counter, source = Counter([len(table) for table in prior]), Crops(photographs, crop, seed=1)
    for index in tqdm(range(crops), desc="counting residuals", unit="crop"):
        picture = Image.fromarray(source[index].permute(1, 2, 0).numpy())
        quality = int((index + 0.5) / crops * QUALITIES)
        write_picture(picture, quality, model, counter, choose_turn(picture))
    tables = []
    for counts, shape in zip(counter.counts, prior, strict=True):
        inner = (counts[:-1] + counts[-2::-1]) / 2
        table = np.append(inner, counts[-1]) + PRIOR_WEIGHT * shape
        tables.append(table / table.sum())
    return tables


def hardly_used(tables: list[np.ndarray]) -> np.ndarray:
    """Which tables see so few non-zeros that coding them at all would cost more than it brings."""
    return np.array([1 - table[len(table) // 2 - 1] < SKIP_BELOW for table in tables])


def write(
    path: Path | BinaryIO, card: dict, members: dict[str, bytes], arrays: dict[str, np.ndarray]
) -> None:
    """The model file: a zip with fixed dates and order."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:

        def add(name: str, data: bytes) -> None:
            info = zipfile.ZipInfo(name, _DATE)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, data)

        add("model.json", json.dumps(card, indent=1).encode())
        for name in sorted(members):
            add(f"{name}.onnx", members[name])
        for name in sorted(arrays):
            buffer = io.BytesIO()
            np.save(buffer, arrays[name], allow_pickle=False)
            add(f"{name}.npy", buffer.getvalue())


def halo(codec: Codec) -> int:
    """Latent positions that both transforms see around each: a block of the analysis sees half a
    one, the lapped transform one.
    """
    own = codec.synthesis.receptive_field
    return max(1, math.ceil(codec.options.analysis_blocks / 2), own)


def own_keys(codec: Codec) -> dict:
    """What the card of every model file says."""
    return {"format": FORMAT, "groups": list(codec.options.groups), "halo": halo(codec)}


def export(
    codec: Codec, card: dict, photographs: Photographs, path: Path, crops: int = 512
) -> None:
    """Writes ``codec`` (averaged weights) to ``path``. card: what model.json should say besides the
    format's own keys.
    """
    members, arrays = graphs(codec), {**quality_arrays(codec), "grey": grey_latents(codec)}
    card = {**own_keys(codec), **card}
    tables = logistic_tables()
    draft = Path(path).with_suffix(".draft")
    try:
        # the encoder's choices depend on the tables, so count once more with better ones
        for _ in range(2):
            write(draft, card, members, {**arrays, **pack_tables(tables, np.zeros(SCALES, bool))})
            tables = count_tables(draft, photographs, crops)
        write(draft, card, members, {**arrays, **pack_tables(tables, hardly_used(tables))})
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def integer_cost(codec: Codec, crops: Tensor) -> float:
    """By how many percent rounding the entropy networks raises the rate of ``crops``, mean over the
    quality levels.
    """
    rates, distortion = [], Distortion({"mse": 1.0}, codec.options.levels)
    for quantised in (False, True):
        codec.entropy.set_quantised(quantised)
        rows = validation.validate(
            codec, distortion, crops, Stage("validation", steps=1), torch.device("cpu")
        )
        rates.append(np.array([row["bpp"] for row in rows]))
    return float(100 * (rates[1] / rates[0] - 1).mean())


def keep_streams(codec: Codec, model: Model, card: dict, path: Path) -> None:
    """Writes ``codec``, whose transforms alone were trained, as a model that shares its streams
    with ``model``, both ways.
    """
    made = graphs(codec)
    with zipfile.ZipFile(model.path) as archive:
        members = {
            name: made.get(name)
            if name in ("analysis", "synthesis")
            else archive.read(f"{name}.onnx")
            for name in made
        }
        held = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
        arrays = {
            name: np.load(io.BytesIO(archive.read(f"{name}.npy")), allow_pickle=False)
            for name in held
        }
    arrays["encoder_gain"] = quality_arrays(codec)["encoder_gain"]
    buffer = io.BytesIO()
    write(buffer, {**own_keys(codec), **card}, members, arrays)
    files.write_file(str(path), buffer.getvalue())


def export_run(
    run: Path,
    folders: Sequence[Path],
    path: Path,
    name: str,
    crops: int,
    encoder: dict | None = None,
) -> dict:
    """Exports the averaged weights of the training run in folder ``run``; returns the card that
    model.json holds.

    Coding tables are counted on the photographs of ``folders``, what integers cost is measured on
    those they hold out; a run of transforms alone keeps the tables, and the streams, of the model
    it started from. encoder: what `codec.network.model.Model` shall go by in encoding,
    ``tradeoff``, ``worth`` and ``masking``.
    """
    codec, state = loop.restore_average(Path(run) / CHECKPOINT)
    card = {"name": name, "steps": state["step"], "recipe": state["recipe"], **(encoder or {})}
    if trains_only(state["recipe"], *KEEPING):
        keep_streams(codec, decoded_model(state["recipe"]), card, path)
        return card
    training, held = find(*folders)
    crops_held = validation.validation_crops(held)
    if len(crops_held):
        card["integer_cost_percent"] = round(integer_cost(codec, crops_held), 3)
    export(codec, card, Photographs(training), path, crops)
    return card


def export_decoder(
    codec: Codec, model: Model, card: dict, path: Path, realism: bool, texture: Sequence[float] = ()
) -> dict:
    """Writes the synthesis of ``codec`` (averaged weights) to ``path``, a decoder file for
    ``model``; returns its card.

    codec: trained from ``model`` with all but the synthesis as it was. card: what model.json should
    say besides the format's own keys. realism: keep the model's own weights beside the trained
    ones, to choose between when decoding. texture: how much of `codec.network.texture` it was
    trained with. Raises ModelError, FileError.
    """
    own = {
        "format": decoders.FORMAT if texture else 1,
        "decodes": model.id.hex(),
        "realism": realism,
        "halo": codec.synthesis.receptive_field,
    }
    card = {**own, **card}
    if texture:
        card |= {"texture": list(texture), "scales": [SCALE_LOW, SCALE_HIGH]}
    codec = contiguous(codec)
    if realism:
        graph = slider_graph(codec, model)
    else:
        graph = to_onnx(SynthesisGraph(codec), synthesis_inputs(codec), ["image"], {1: 1, 2: 1})
    buffer = io.BytesIO()
    write(buffer, card, {"synthesis": shrink(graph, whole=False)}, {})
    files.write_file(str(path), buffer.getvalue())
    return card


def trains_only(recipe: Mapping, *parts: str) -> bool:
    """Whether a recipe, as a checkpoint holds it, trains these parts of an existing model and
    nothing else.
    """
    return all(stage["parts"] in parts for stage in recipe["stages"])


def decoded_model(recipe: Mapping) -> Model:
    """The model whose streams a run of ``recipe`` trained for, through such runs that it started
    from.

    Raises RecipeError, ModelError.
    """
    source = recipe["start"]
    if start.is_model(source):
        return models.load_model(source)
    before = running.load(Path(source))["recipe"]
    if not trains_only(before, *KEEPING):
        raise RecipeError(
            f"start: '{source}' is no model; export it, and train from the model file"
        )
    return decoded_model(before)


def export_decoder_run(run: Path, path: Path, name: str, realism: bool | None = None) -> dict:
    """Exports the training run in folder ``run``, of a decoder alone; returns the card that
    model.json holds.

    realism: as in `export_decoder`; by default for runs with a critic, which alone invent texture
    worth choosing, if both syntheses are of the same sizes.
    """
    codec, state = loop.restore_average(Path(run) / CHECKPOINT)
    recipe = state["recipe"]
    card = {"name": name, "steps": state["step"], "recipe": recipe}
    if realism is None:
        realism = bool(recipe["critic"]) and codec.options.decoder is None
    texture = recipe["stages"][-1].get("texture_noise", ())
    return export_decoder(codec, decoded_model(recipe), card, path, realism, texture)
