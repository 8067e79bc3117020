"""Networks that would read files, run for ever, take all memory, or divide by zero: refused before
ONNX Runtime sees them.
"""

from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

import metamer
from metamer.codec.errors import ModelError
from metamer.codec.network import decoders
from metamer.codec.network.graphs import onnx_wire
from metamer.codec.network.graphs.cost import FOR_AN_ELEMENT, check_graph, infer_cost
from metamer.codec.network.graphs.onnx_wire import MAX_CONSTANTS
from metamer.codec.network.graphs.operators.value import MEMORY
from metamer.codec.network.graphs.protobuf import GraphError
from metamer.codec.network.graphs.session import Session
from metamer.codec.network.model import SUFFIX, load_model, shipped_models
from tests.attacks import crafting
from tests.attacks.crafting import (
    FLOAT,
    INT64,
    decoder_file,
    external,
    field,
    node,
    numbers,
    plain,
    scalar,
    synthesis,
    tensor,
)

STREAM = metamer.encode(Image.radial_gradient("L").convert("RGB").resize((48, 32)), 30)


def refusal(tmp_path, graph: bytes) -> str:
    """What `metamer.decode` says of a decoder file with that graph."""
    with pytest.raises(ModelError) as error:
        metamer.decode(STREAM, decoder=decoder_file(tmp_path / "evil.decoder", graph))
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_good_graph_is_run(tmp_path):
    """So the others are refused for what is wrong with them."""
    assert metamer.decode(
        STREAM, decoder=decoder_file(tmp_path / "good.decoder", plain())
    ).size == (48, 32)


@pytest.mark.parametrize(
    "location", ["secret.bin", "../secret.bin", "/etc/passwd", "{folder}/secret.bin", "/dev/zero"]
)
def test_files_are_not_read(location, tmp_path, monkeypatch):
    (tmp_path / "secret.bin").write_bytes(bytes(4 * 384))
    monkeypatch.chdir(tmp_path)
    add = node("Add", ["latent", "leak"], ["more"])
    for place in ("initializer", "attribute"):
        leak = external("leak", location.format(folder=tmp_path), 384)
        if place == "initializer":
            graph = synthesis([add, node("Identity", ["more"], ["image"])], [leak])
        else:
            value = field(5, field(1, "value") + field(5, leak) + field(20, 4))
            graph = synthesis(
                [
                    node("Constant", [], ["leak"], extra=value),
                    add,
                    node("Identity", ["more"], ["image"]),
                ]
            )
        assert "cannot be loaded" in refusal(tmp_path, graph)


def test_files_are_not_read_for_the_workshop_either(tmp_path):
    """`Model.graph` gives graphs to readers of ONNX files, which follow external data too."""
    evil = synthesis([node("Identity", ["leak"], ["image"])], [external("leak", "/etc/passwd", 4)])
    with pytest.raises(ModelError, match="field 13"):
        load_model(str(crafting.model_file(tmp_path / "evil.metamer", synthesis=evil))).graph(
            "synthesis"
        )


SUBGRAPH = field(5, field(1, "body") + field(6, field(2, "g")) + field(20, 5))


@pytest.mark.parametrize(
    "graph, reason",
    [
        (plain([node("Loop", ["latent"], ["again"], extra=SUBGRAPH)]), "attribute"),
        (plain([node("If", ["latent"], ["again"], extra=SUBGRAPH)]), "attribute"),
        (plain([node("Scan", ["latent"], ["again"], extra=SUBGRAPH)]), "attribute"),
        (plain([node("Loop", ["latent"], ["again"])]), "operator Loop"),
        (
            plain([node("Add", ["latent", "latent"], ["x"], extra=field(7, "com.microsoft"))]),
            "domain 'com.microsoft'",
        ),
        (plain([node("PythonOp", ["latent"], ["x"])]), "operator PythonOp"),
        (plain([node("RandomNormal", [], ["x"])]), "operator RandomNormal"),
        (plain([node("Resize", ["latent"], ["x"])]), "operator Resize"),
        (plain([node("Tile", ["latent", "latent"], ["x"])]), "operator Tile"),
        (plain([node("ConstantOfShape", ["latent"], ["x"])]), "operator ConstantOfShape"),
        (plain([node("LSTM", ["latent"], ["x"])]), "operator LSTM"),
        (plain([node("x" * 50, ["latent"], ["x"])]), "operator"),
        (plain(extra=field(25, field(1, "function"))), "field 25"),  # local functions
        (plain(extra=field(20, b"")), "field 20"),  # training
        # options of the session
        (plain(extra=field(14, field(1, "ort_config") + field(2, "{}"))), "field 14"),
        (plain(in_graph=field(15, b"")), "field 15"),  # sparse constants
        # shapes that are claimed
        (plain(in_graph=field(13, crafting.port("latent", (1,)))), "field 13"),
        (plain(operators=field(1, "ai.onnx.ml") + field(2, 3)), "operator set 'ai.onnx.ml' 3"),
        (plain(operators=field(1, "") + field(2, 7)), "operator set '' 7"),
        (plain(extra=field(8, field(1, "com.evil") + field(2, 1))), "field 8 is twice"),
        (plain(extra=field(7, b"")), "field 7 is twice"),  # protocol buffers would merge the two
        (plain(extra=field(1, 10)), "field 1 is twice"),
        (b"", "IR version"),
        (b"\xff" * 40, "written as no writer does"),
        (b"\x0a\xff\xff\xff\xff\x0f", "ends early"),
        (crafting.varint(7 << 3 | 3), "wire type 3"),
        (field(1, 10) + b"\x38\x01", "field 7 of wire type 0"),
        (b"\x08", "ends early"),
        (b"\x08\x8a\x00", "written as no writer does"),  # 10, in a byte too many
        (field(1, 10) + field(8, field(1, "") + field(2, 20)), "field 7 is missing"),
        (plain([node("Relu", ["latent"], ["x"], extra=field(1, b"\xff"))]), "not UTF-8"),
        (plain(tensors=[scalar("c", 1)] * 2), "the same name"),
        (plain(tensors=[scalar(f"c{i}", 1) for i in range(MAX_CONSTANTS + 1)]), "constants; at"),
        (plain(tensors=[scalar("latent", 1)]), "'latent' is a constant or another input"),
        (synthesis([node("Relu", ["latent"], ["x"])]), "'image' comes from nowhere"),
        (crafting.model([], [crafting.port("latent", (1,), 8)], []), "type 8 or 1 dimensions"),
    ],
)
def test_what_no_exporter_writes(graph, reason, tmp_path):
    assert reason in refusal(tmp_path, graph)


@pytest.mark.parametrize(
    "leak, reason",
    [
        (scalar("c", np.nan), "infinity or what is not a number"),
        (scalar("c", -np.inf), "infinity or what is not a number"),
        (tensor("c", np.array([np.inf], np.float16), 10), "infinity or what is not a number"),
        (tensor("c", np.zeros(4, np.float32), 8), "type 8"),  # strings
        (field(1, 1 << 62) + field(2, FLOAT) + field(8, "c") + field(9, bytes(4)), "holds 4 bytes"),
        # the product wraps to 0
        (field(1, 1 << 32) * 2 + field(2, FLOAT) + field(8, "c") + field(9, b""), "holds 0 bytes"),
        (
            field(1, -4) + field(1, -1) + field(2, FLOAT) + field(8, "c") + field(9, bytes(16)),
            "holds 16 bytes",
        ),
        # elements in another field
        (field(1, 4) + field(2, FLOAT) + field(8, "c") + field(4, bytes(16)), "field 4"),
        (scalar("a\x1b[31m", 1), "do not print"),
        (scalar("n" * 999, 1), "too long"),
        (scalar("c", 1) + field(8, "c"), "is twice"),
    ],
)
def test_constants(leak, reason, tmp_path):
    assert reason in refusal(tmp_path, plain(tensors=[leak]))


def test_packed_sides_are_read():
    """Writers may put repeated numbers into one field."""
    packed = field(1, crafting.varint(2) + crafting.varint(300))
    constant = packed + field(2, FLOAT) + field(8, "c") + field(9, bytes(4 * 600))
    assert onnx_wire.read_graph(plain(tensors=[constant])).constants["c"].shape == (2, 300)


def integer_scalar(name: str, value: int) -> bytes:
    return scalar(name, value, INT64)


def doubled(times: int) -> list[bytes]:
    names = ["latent", *(f"x{index}" for index in range(times))]
    return [
        node("Concat", [source, source], [target], axis=1) for source, target in pairwise(names)
    ]


@pytest.mark.parametrize(
    "nodes, tensors, reason",
    [
        (doubled(40), [], "a run would take"),
        (
            [node("Expand", ["latent", "size"], ["x"])],
            [numbers("size", 1 << 20, 1 << 10, 1, 384)],
            "shape",
        ),
        # when loaded
        (
            [node("Expand", ["one", "size"], ["x"])],
            [scalar("one", 1), numbers("size", 1 << 28)],
            "a run would take",
        ),
        (
            [node("Range", ["a", "b", "c"], ["x"])],
            [integer_scalar("a", 0), integer_scalar("b", 1 << 40), integer_scalar("c", 1)],
            "a tensor",
        ),
        (
            [node("Range", ["a", "b", "c"], ["x"])],
            [integer_scalar("a", 0), integer_scalar("b", 9), integer_scalar("c", 0)],
            "no step",
        ),
        ([node("Pad", ["latent", "by"], ["x"])], [numbers("by", *[1 << 30] * 8)], "margins"),
        (
            [node("Pad", ["latent", "by"], ["x"], mode=b"edge")],
            [numbers("by", *[-3] * 8)],
            "margins",
        ),
        (
            [node("Conv", ["latent", "w"], ["x"], pads=(1 << 30,) * 4)],
            [tensor("w", np.zeros((1, 64, 1, 1), np.float32), FLOAT)],
            "margins",
        ),
        (
            [node("Conv", ["latent", "w"], ["x"], group=0)],
            [tensor("w", np.zeros((1, 64, 1, 1), np.float32), FLOAT)],
            "0 groups",
        ),
        (
            [node("Conv", ["latent", "w"], ["x"], strides=(0, 0))],
            [tensor("w", np.zeros((1, 64, 1, 1), np.float32), FLOAT)],
            "convolution",
        ),
        ([node("DepthToSpace", ["latent"], ["x"], blocksize=0)], [], "by 0"),
        ([node("DepthToSpace", ["latent"], ["x"], blocksize=-2)], [], "by -2"),
        ([node("Split", ["latent"], ["x", "y"], axis=3, num_outputs=5)], [], "Split"),
        ([node("Transpose", ["latent"], ["x"], perm=(0, 0, 0, 0))], [], "permutation"),
        ([node("Transpose", ["latent"], ["x"], perm=(0, 9, 1, 2))], [], "permutation"),
        ([node("Concat", ["latent"], ["x"], axis=1 << 40)], [], "axis"),
        ([node("Concat", ["latent"], ["x"], axis=1.5)], [], "Concat with axis 1.5"),
        ([node("Transpose", ["latent"], ["x"], perm=3)], [], "Transpose with perm 3"),
        ([node("SpaceToDepth", ["latent"], ["x"], blocksize=7)], [], "in blocks of 7"),
        ([node("MatMul", ["latent", "latent"], ["x"])], [], "times"),
        # integers divided by zero end the process with SIGFPE, when the graph is loaded
        (
            [node("Div", ["one", "none"], ["x"])],
            [integer_scalar("one", 1), integer_scalar("none", 0)],
            "a division",
        ),
        (
            [node("Mod", ["one", "none"], ["x"], fmod=0)],
            [integer_scalar("one", 1), integer_scalar("none", 0)],
            "a division",
        ),
        (
            [node("Cast", ["latent"], ["many"], to=INT64), node("Div", ["many", "many"], ["x"])],
            [],
            "a division",
        ),
        (
            [
                node("Cast", ["latent"], ["many"], to=INT64),
                node("Reshape", ["many", "many"], ["x"]),
            ],
            [],
            "depends on the inputs",
        ),
        ([node("Cast", ["latent"], ["x"], to=8)], [], "type 8"),
        ([node("Add", ["latent", "absent"], ["x"])], [], "comes from nowhere"),
        # a circle
        (
            [node("Add", ["latent", "y"], ["x"]), node("Relu", ["x"], ["y"])],
            [],
            "comes from nowhere",
        ),
        ([node("Relu", ["latent"], ["weights"])], [], "with outputs"),
        ([node("Relu", ["latent"], ["x", "x"])], [], "with outputs"),
        ([node("Relu", ["latent"], ["x"], alpha=1.0)], [], "attributes"),
    ],
)
def test_what_would_take_too_much(nodes, tensors, reason, tmp_path):
    assert reason in refusal(tmp_path, plain(nodes, tensors))


def test_what_grows_with_the_picture():
    """A product of all positions with all positions: nothing for a few, hours and gigabytes for
    many.
    """
    nodes = [
        node("Reshape", ["latent", "rows"], ["a"]),
        node("Transpose", ["a"], ["b"], perm=(1, 0)),
        node("MatMul", ["a", "b"], ["image"]),
    ]
    session = Session(synthesis(nodes, [numbers("rows", -1, 384)]), "evil", 1)
    weights = np.zeros((1, crafting.LEVELS), np.float32)
    assert session.run(latent=np.zeros((1, 2, 2, 384), np.float32), weights=weights)[0].shape == (
        4,
        4,
    )
    with pytest.raises(ModelError, match=r"a tensor of type 1|a run would take"):
        session.run(latent=np.zeros((1, 100, 200, 384), np.float32), weights=weights)


def test_a_slow_graph_is_refused():
    """A hundred convolutions that a picture of 1024x1024 pixels would take minutes for."""
    weight = tensor("w", np.zeros((384, 384, 3, 3), np.float16), 10)
    nodes = [
        node("Cast", ["w"], ["weight"], to=FLOAT),
        node("Transpose", ["latent"], ["x0"], perm=(0, 3, 1, 2)),
    ]
    nodes += [
        node("Conv", [f"x{index}", "weight"], [f"x{index + 1}"], pads=(1, 1, 1, 1))
        for index in range(100)
    ]
    graph = onnx_wire.read_graph(
        synthesis([*nodes, node("Identity", ["x100"], ["image"])], [weight])
    )
    cost = infer_cost(graph, {"latent": (1, 8, 8, 384), "weights": (1, crafting.LEVELS)})
    assert cost.operations > 100 * 384 * 384 * 9 * 64
    with pytest.raises(GraphError, match="billion operations"):
        check_graph(graph)


@pytest.mark.parametrize(
    "graph",
    [
        synthesis([node("Identity", ["latent"], ["image"])]),  # another shape
        synthesis(
            [
                node("Transpose", ["latent"], ["x"], perm=(0, 3, 1, 2)),
                node("Log", ["x"], ["y"]),
                node("Concat", ["y", "y"], ["z"], axis=1),
                node("DepthToSpace", ["z"], ["image"], blocksize=16, mode=b"CRD"),
            ]
        ),
    ],
)
def test_what_graphs_give_is_looked_at(graph, tmp_path):
    """Not only what they are: logarithms of negative numbers are no picture."""
    assert "not what it should be, or not finite" in refusal(tmp_path, graph)


def test_other_types_of_attributes():
    for value in (
        field(5, tensor("t", np.zeros(1, np.float32), FLOAT)) + field(20, 4),
        field(20, 5),
        field(20, 99),
    ):
        with pytest.raises(GraphError):
            onnx_wire.read_graph(
                plain([node("Relu", ["latent"], ["x"], extra=field(5, field(1, "a") + value))])
            )
    twice = field(5, crafting.attribute("axis", 1)) * 2
    with pytest.raises(GraphError, match="same attribute twice"):
        onnx_wire.read_graph(plain([node("Concat", ["latent"], ["x"], extra=twice)]))


def shapes(graph: onnx_wire.Graph, sides: dict[str, tuple[int, int]]) -> dict[str, tuple[int, ...]]:
    """Of a graph's inputs, with those free sides."""
    free = {port.name: iter(sides.get(port.name, ())) for port in graph.inputs}
    return {
        port.name: tuple(next(free[port.name]) if side is None else side for side in port.shape)
        for port in graph.inputs
    }


def run_graphs(name: str) -> dict[str, bytes]:
    """Graphs of a shipped file as they are run; of its syntheses the lowest qualities'."""
    if name.endswith(SUFFIX):
        return {
            entry: data for entry, data in crafting.members(name).items() if entry.endswith(".onnx")
        }
    decoder = next(file for file in decoders.shipped_decoders() if file.path.name == name)
    models = [load_model(path.stem) for path in shipped_models()]
    model = next(one for one in models if one.decoder_id == decoder.decodes)
    own = model.graph(model.synthesis_graphs[0])
    return {graph: decoders.complete_graph(decoder, graph, own) for graph in decoder.graphs[:1]}


@pytest.mark.parametrize(
    "name",
    [
        *(f"{path.stem}{SUFFIX}" for path in shipped_models()),
        *(decoder.path.name for decoder in decoders.shipped_decoders()),
    ],
)
def test_inferred_costs_of_shipped_graphs_hold(name):
    """Shapes that are inferred are those that come out, and the limits leave room for ten times as
    much.
    """
    for entry, data in run_graphs(name).items():
        graph = onnx_wire.read_graph(data)
        small = shapes(
            graph, {"image": (64, 96), "latent": (5, 7), "context": (5, 7), "hyper": (2, 3)}
        )
        cost = infer_cost(graph, small)
        outputs = Session(data, entry, 1).run(
            **{port: np.ones(shape, np.float32) for port, shape in small.items()}
        )
        assert [value.shape for value in cost.outputs.values()] == [
            array.shape for array in outputs
        ]
        large = shapes(
            graph,
            {"image": (1024, 1024), "latent": (70, 70), "context": (64, 64), "hyper": (16, 16)},
        )
        cost, elements = (
            infer_cost(graph, large),
            sum(int(np.prod(shape)) for shape in large.values()),
        )
        assert 10 * cost.operations < FOR_AN_ELEMENT * elements and 10 * cost.memory < MEMORY
