"""Multiply-accumulates against formulas and another counter, and what the command says."""

import json

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from metamer.codec.system import jobs
from metamer.evaluation.codecs import macs as counting
from tests.conftest import inside


def graph(
    operator: str, shapes: list[tuple[int, ...]], inputs: tuple[int, ...], **attributes
) -> bytes:
    """One operator; the input's shape, the constants' shapes."""
    names = [f"c{index}" for index in range(len(shapes))]
    constants = [
        numpy_helper.from_array(np.ones(shape, np.float32), name)
        for name, shape in zip(names, shapes, strict=True)
    ]
    source = helper.make_tensor_value_info("x", TensorProto.FLOAT, inputs)
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    node = helper.make_node(operator, ["x", *names], ["y"], **attributes)
    model = helper.make_model(
        helper.make_graph([node], "g", [source], [result], constants),
        ir_version=9,
        opset_imports=[helper.make_opsetid("", 17)],
    )
    return model.SerializeToString()


@pytest.mark.parametrize(
    ("operator", "shapes", "inputs", "attributes", "macs"),
    [
        ("Conv", [(8, 6, 3, 3), (8,)], (1, 6, 10, 12), {}, 8 * 10 * 8 * 6 * 9),
        (
            "Conv",
            [(6, 1, 3, 3)],
            (1, 6, 10, 12),
            {"group": 6, "pads": [1, 1, 1, 1]},
            10 * 12 * 6 * 9,
        ),
        ("Conv", [(8, 6, 2, 2)], (1, 6, 10, 12), {"strides": [2, 2]}, 5 * 6 * 8 * 6 * 4),
        ("ConvTranspose", [(6, 4, 2, 2)], (1, 6, 10, 12), {"strides": [2, 2]}, 10 * 12 * 6 * 4 * 4),
        ("MatMul", [(16, 5)], (2, 7, 16), {}, 2 * 7 * 16 * 5),
        ("Gemm", [(16, 5), (5,)], (7, 16), {}, 7 * 16 * 5),
        ("Gemm", [(16, 5)], (16, 7), {"transA": 1}, 7 * 16 * 5),
        ("Add", [(16, 5)], (16, 5), {}, 0),
    ],
)
def test_counts_are_the_formulas(operator, shapes, inputs, attributes, macs):
    onnx_graph = graph(operator, shapes, inputs, **attributes)
    outputs, counted = counting.run_profiled(onnx_graph, {"x": np.ones(inputs, np.float32)})
    assert counted == macs and len(outputs) == 1
    assert counting.parameter_count(onnx_graph) == sum(int(np.prod(shape)) for shape in shapes)


def test_another_decoder_costs_the_same_and_has_weights_of_its_own(otters):
    picture = otters.crop((100, 100, 164, 164))
    plain, with_decoder = (
        counting.network_cost("base", decoder, picture, 50) for decoder in (None, "realism")
    )
    assert (plain.encoder, plain.decoder) == (
        with_decoder.encoder,
        with_decoder.decoder,
    ) and with_decoder.parameters > plain.parameters


def test_the_command(tmp_path, otters):
    otters.crop((200, 100, 296, 164)).save(tmp_path / "a.png")
    arguments = (
        "complexity",
        tmp_path / "a.png",
        "--codec",
        "base",
        "--codec",
        "jpeg",
        "--runs",
        1,
        "--threads",
        1,
        "--bpp",
        0.8,
    )
    completed = inside(*arguments, "--threads", 4096, "--json")
    assert completed.returncode == 0, completed.stderr.decode()
    report = json.loads(completed.stdout)
    assert report["machine"]["cores"] == jobs.available_cores()
    base, jpeg = report["codecs"]
    assert 5 < base["decoder_kmac"] < 20 and 4e6 < base["parameters"] < 6e6
    assert jpeg["decoder_kmac"] is jpeg["encoder_kmac"] is jpeg["parameters"] is None
    for row in (base, jpeg):
        assert (row["width"], row["height"]) == (96, 64) and abs(row["bpp"] - 0.8) < 0.05
        for way in ("encode", "decode"):
            assert row[f"{way}_seconds"]["1"] > 0 and row[f"{way}_seconds"]["4096"] is None
            peak = row[f"{way}_peak_mib"]
            assert peak is None or report["bare_peak_mib"] * 0.9 < peak < 400
    completed = inside(*arguments)
    assert (
        completed.returncode == 0
        and b"kMAC/px" in completed.stdout
        and b"96x64" in completed.stdout
    )
