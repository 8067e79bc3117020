"""Options stand in one place: functions, command line and plugin say the same."""

import inspect
from dataclasses import fields

import pytest

import metamer
from metamer.codec.options import DecodeOptions, EncodeOptions, quality_index
from metamer.commands.decode import decode as decode_command
from metamer.commands.encode import encode as encode_command

NOT_OF_THE_COMMAND_LINE = {"progress"}
OTHER_NAMES = {"distortion": "distances"}


@pytest.mark.parametrize(
    ("function", "options"),
    [
        (metamer.encode, EncodeOptions),
        (metamer.decode, DecodeOptions),
        (metamer.rescue, DecodeOptions),
    ],
)
def test_functions_take_what_the_options_have(function, options):
    _, *parameters = inspect.signature(function).parameters.values()
    declared = list(inspect.signature(options).parameters.values())
    assert [str(parameter) for parameter in parameters] == [
        str(parameter) for parameter in declared
    ]
    assert [parameter.kind for parameter in parameters] == [
        parameter.kind for parameter in declared
    ]
    assert [parameter.annotation for parameter in parameters] == [
        parameter.annotation for parameter in declared
    ]


@pytest.mark.parametrize(
    ("command", "options"), [(encode_command, EncodeOptions), (decode_command, DecodeOptions)]
)
def test_the_command_line_takes_what_the_options_have(command, options):
    typed = {parameter.name: parameter for parameter in command.params}
    values = command.make_context("metamer", ["a.file"]).params
    for field in fields(options):
        if field.name in NOT_OF_THE_COMMAND_LINE:
            continue
        parameter = typed[OTHER_NAMES.get(field.name, field.name)]
        if "choices" in field.metadata:
            assert tuple(parameter.type.choices) == field.metadata["choices"]
        if "range" in field.metadata:
            assert (parameter.type.min, parameter.type.max) == field.metadata["range"]
        if field.name not in ("quality", "lossless"):  # None and a flag: one of several rates
            assert (values[parameter.name] or None) == (field.default or None), field.name


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"quality": 100.5}, "quality must be between 0 and 100, not 100.5"),
        ({"quality": float("nan")}, "quality must be between 0 and 100, not nan"),
        ({"alpha_quality": -1}, "alpha_quality must be between 0 and 100, not -1"),
        ({"effort": 10}, "effort must be between 0 and 9, not 10"),
        ({"icc": "drop"}, "icc must be convert or keep, not 'drop'"),
        ({"metadata": None}, "metadata must be keep or strip, not None"),
        ({"bpp": 0}, "bpp must be positive and finite, not 0"),
        ({"bpp": float("inf")}, "bpp must be positive and finite, not inf"),
        ({"bpp": 1, "max_bytes": 9}, "give one of max_bytes, bpp, target and lossless"),
        ({"bpp": 1, "lossless": True}, "give one of max_bytes, bpp, target and lossless"),
        ({"bpp": 1, "target": {"psnr": 9}}, "give one of max_bytes, bpp, target and lossless"),
        ({"distortion": {"mse": 1.0}}, "distortion is for an effort above 0"),
        *(
            (
                {"effort": 4, "distortion": mix},
                "distortion must be metrics with positive, finite weights, such as {'mse': 1.0}, "
                f"not {mix}",
            )
            for mix in ({}, {"mse": 0.0}, {"mse": 2.0, "ssim": -1.0}, {"mse": float("inf")})
        ),
        (
            {"target": {}},
            "target must be one metric and a finite value, such as {'psnr': 38}, not {}",
        ),
        (
            {"target": {"psnr": float("nan")}},
            "target must be one metric and a finite value, such as {'psnr': 38}, not {'psnr': nan}",
        ),
    ],
)
def test_values_that_encode_refuses(options, message):
    with pytest.raises(ValueError) as error:
        EncodeOptions(**options)
    assert str(error.value) == message


def test_values_that_decode_refuses():
    with pytest.raises(ValueError, match=r"^realism must be between 0 and 1, not 1\.5$"):
        DecodeOptions(realism=1.5)
    with pytest.raises(TypeError, match="qualty"):
        metamer.encode(b"", qualty=3)


def test_qualities_that_no_file_has():
    for quality in (-0.1, 100.1, float("nan")):
        with pytest.raises(ValueError, match="quality must be between 0 and 100"):
            quality_index(quality)


def test_a_limit_in_bytes():
    assert EncodeOptions(bpp=0.5).byte_limit(1001) == 62
    assert EncodeOptions(max_bytes=7).byte_limit(1001) == 7
    assert EncodeOptions().byte_limit(1001) is None
