"""Codecs that are programs: what runs, what it costs, and what is told where one fails."""

import json
import shlex
import shutil
import sys

import numpy as np
import pytest
from PIL import Image

from metamer.codec.errors import FileError, MetamerError
from metamer.evaluation.codecs import program, registry
from metamer.evaluation.codecs.registry import get_codec
from metamer.evaluation.cost import subprocesses
from tests.conftest import ROOT, inside

SCRIPT = """
import sys
from PIL import Image
way, given, made, *quality = sys.argv[1:]
picture = Image.open(given)
if way == "encode":
    if quality[0] == "13":
        sys.exit("first line\\nthirteen brings bad luck")
    if quality[0] != "7":
        picture.save(made, "JPEG", quality=int(quality[0]))
else:
    picture.save(made)
"""


@pytest.fixture(scope="module")
def crop(otters) -> Image.Image:
    picture = otters.crop((200, 60, 264, 108))
    picture.info = {}  # as `evaluation.images.read_image` gives it
    return picture


def described(folder, **keys) -> str:
    """A file that describes a codec of a script in a folder whose name takes quoting."""
    folder = folder / "my {codec}"
    folder.mkdir(exist_ok=True)
    (folder / "it's.py").write_text(SCRIPT)
    run = shlex.join([sys.executable, str(folder / "it's.py")])
    usual = {
        "encode": f"{run} encode {{input}} {{output}} {{quality}}",
        "decode": f"{run} decode {{input}} {{output}}",
        "suffix": ".jpg",
        "picture": ".ppm",
        "settings": [10, 50, 90],
        "ladder": [1, 95],
    }
    keys = {key: value for key, value in (usual | keys).items() if value is not None}
    (folder / "jpeg.toml").write_text(
        "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())
    )
    return str(folder / "jpeg.toml")


def test_a_program_is_a_codec(tmp_path, crop):
    codec = get_codec(described(tmp_path, version=f"{shlex.quote(sys.executable)} --version"))
    assert (
        codec.version.startswith("Python 3.")
        and codec.ladder == range(1, 96)
        and codec.settings == [10, 50, 90]
    )
    data, cost = codec.encode_timed(crop, 50)
    plain = get_codec("jpeg:optimize=false,progressive=false")
    assert data == plain.encode(crop, 50) and codec.encode(crop, 50) == data
    decoded, decode_cost = codec.decode_timed(data)
    assert np.array_equal(decoded, plain.decode(data)) and np.array_equal(
        codec.decode(data), decoded
    )
    for measured in (cost, decode_cost):
        assert 0.01 < measured.seconds < 300 and (measured.peak is None or 5 < measured.peak < 200)
    assert subprocesses.run_in_subprocess(
        codec.name, "encode", *save_picture(tmp_path, crop), 50
    ).peak == pytest.approx(cost.peak, rel=0.5)


def save_picture(folder, picture):
    picture.save(folder / "picture.png")
    return folder / "picture.png", folder / "stream"


def test_failures_are_reported_in_one_line(tmp_path, crop):
    codec = get_codec(described(tmp_path))
    with pytest.raises(
        MetamerError, match=r"jpeg.toml: .* failed \(1\): thirteen brings bad luck$"
    ):
        codec.encode(crop, 13)
    with pytest.raises(MetamerError, match=r"wrote nothing to \{output\}"):
        codec.encode(crop, 7)
    with pytest.raises(MetamerError, match="failed"):
        codec.decode(b"no picture")
    with pytest.raises(MetamerError, match="thirteen brings bad luck"):
        subprocesses.run_in_subprocess(codec.name, "encode", *save_picture(tmp_path, crop), 13)
    with pytest.raises(
        MetamerError, match="has no setting 96; it takes whole numbers from 1 to 95"
    ):
        codec.check(96)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"encode": None}, "encode is missing"),
        ({"settings": None}, "settings is missing"),
        ({"encode": "true {input} {output}"}, r"encode lacks \{quality\}"),
        ({"decode": "true {output}"}, r"decode lacks \{input\}"),
        (
            {"decode": "nosuchprogram {input} {output}"},
            "decode needs the program 'nosuchprogram', which is not installed",
        ),
        ({"decode": "'true {input} {output}"}, "decode: No closing quotation"),
        ({"sufix": ".x"}, "no key 'sufix'"),
        ({"settings": ["low"]}, "settings must be a list of numbers"),
        ({"settings": []}, "settings is empty"),
        ({"settings": 10}, "settings must be a list"),
        ({"suffix": 3}, "suffix must be text"),
        ({"picture": ".xyz"}, "Pillow writes no '.xyz' files"),
        ({"ladder": [5]}, "ladder must be"),
        ({"ladder": [1, 60]}, "has no setting 90"),
        ({"ladder": [1, 95, 0]}, "ladder must be"),
    ],
)
def test_mistakes_in_the_file(tmp_path, keys, message):
    with pytest.raises(MetamerError, match=message):
        program.program_codec(described(tmp_path, **keys))


def test_files_that_are_not_there_or_not_toml(tmp_path):
    with pytest.raises(FileError, match="no such file"):
        get_codec(str(tmp_path / "absent.toml"))
    (tmp_path / "bad.toml").write_text("encode = cwebp")
    with pytest.raises(MetamerError, match=r"bad.toml: "):
        get_codec(str(tmp_path / "bad.toml"))
    with pytest.raises(MetamerError, match=r"FILE\.toml"):
        get_codec("cwebp -q {quality} {input} -o {output}")


def test_ladders(tmp_path):
    assert program.program_codec(
        described(tmp_path, ladder=[63, 0], settings=[60, 10])
    ).ladder == range(63, -1, -1)
    assert program.program_codec(
        described(tmp_path, ladder=[3.0, 1.0, 0.5], settings=[3.0])
    ).ladder == [
        3.0,
        2.5,
        2.0,
        1.5,
        1.0,
    ]
    assert program.program_codec(described(tmp_path, ladder=None)).ladder == [10, 50, 90]


def test_evaluate_measures_programs(tmp_path, otters):
    (tmp_path / "in").mkdir()
    otters.crop((200, 100, 264, 148)).save(tmp_path / "in" / "0.png")
    name = described(tmp_path)
    completed = inside(
        "evaluate",
        tmp_path / "in",
        "--codec",
        name,
        "--quality",
        "20,80",
        "-m",
        "psnr",
        "--out",
        tmp_path / "out",
    )
    assert completed.returncode == 0, completed.stderr.decode()
    rows = [
        json.loads(line) for line in (tmp_path / "out" / "results.jsonl").read_text().splitlines()
    ]
    program, jpeg = (
        [row for row in rows if row["codec"] == name_of_codec] for name_of_codec in (name, "jpeg")
    )
    assert [row["psnr"] for row in program] == [row["psnr"] for row in jpeg] and program[0][
        "bytes"
    ] > jpeg[0]["bytes"]
    completed = inside(
        "evaluate",
        tmp_path / "in",
        "--codec",
        name,
        "--quality",
        f"{name}=13",
        "-m",
        "psnr",
        "--out",
        tmp_path / "x",
    )
    assert completed.returncode == 1 and completed.stderr.decode().strip().endswith(
        "thirteen brings bad luck"
    )


@pytest.mark.parametrize("name", ["cwebp", "avifenc"])
def test_the_examples(name, otters):
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    codec, crop = (
        get_codec(str(ROOT / "examples" / f"{name}.toml")),
        otters.crop((100, 100, 292, 244)),
    )
    crop.info = {}
    ends = [codec.encode(crop, setting) for setting in (codec.settings[0], codec.settings[-1])]
    assert len(ends[0]) < len(ends[1]) / 2 and codec.name.endswith(".toml")
    errors = [
        np.square(np.asarray(codec.decode(data), float) - np.asarray(crop)).mean() for data in ends
    ]
    assert errors[1] < errors[0] / 3 and errors[1] < 40
    assert registry.get_codec(codec.name) is codec
