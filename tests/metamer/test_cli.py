"""The installed command, as a person or a script uses it."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import metamer
import metamer.codec.encode
from metamer import cli
from metamer.commands import options
from metamer.messages import is_input_fault
from metamer.perception.errors import PerceptionError
from tests.conftest import ROOT, inside, run_metamer

OTTERS = ROOT / "examples" / "otters.png"


@pytest.fixture
def small(tmp_path, otters):
    otters.crop((200, 100, 296, 164)).save(tmp_path / "small.png")
    return tmp_path / "small.png"


def error_line(completed) -> str:
    """The one line on stderr of a run that failed."""
    assert completed.returncode != 0
    lines = completed.stderr.decode().strip().splitlines()
    assert len(lines) == 1 and "Traceback" not in lines[0], completed.stderr.decode()
    return lines[0]


def test_encode_info_decode(small, tmp_path):
    assert run_metamer("encode", small).returncode == 0
    stream = tmp_path / "small.mtm"
    assert stream.read_bytes() == metamer.encode(small)
    completed = run_metamer("info", "--json", stream)
    info = json.loads(completed.stdout)
    assert info["width"] == 96 and info["height"] == 64 and info["model"] == "base"
    assert info["bytes"] == stream.stat().st_size and info["bpp"] == pytest.approx(
        8 * info["bytes"] / 96 / 64, abs=1e-4
    )
    assert b"96x64" in run_metamer("info", stream).stdout
    assert run_metamer("decode", stream, "-o", tmp_path / "back.png").returncode == 0
    decoded = np.asarray(metamer.decode(stream.read_bytes()))
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "back.png")), decoded)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "back.png",
        "small.mtm",
        "small.png",
    ]


@pytest.mark.parametrize("suffix", [".png", ".ppm", ".webp", ".tiff", ".bmp", ".jpg"])
def test_output_formats(small, tmp_path, suffix):
    run_metamer("encode", small)
    assert (
        run_metamer("decode", tmp_path / "small.mtm", "-o", tmp_path / f"back{suffix}").returncode
        == 0
    )
    assert Image.open(tmp_path / f"back{suffix}").size == (96, 64)


def test_standard_streams(small):
    encoded = run_metamer("encode", "-", "-q", 80, input=small.read_bytes())
    assert encoded.returncode == 0 and encoded.stdout == metamer.encode(small, 80)
    decoded = run_metamer("decode", "-", input=encoded.stdout)
    assert decoded.stdout[:8] == b"\x89PNG\r\n\x1a\n"
    assert run_metamer("info", "-", "--json", input=encoded.stdout).returncode == 0


def test_limits(small, tmp_path):
    for option, value, limit in (("--max-bytes", 700, 700), ("--bpp", 1.0, 96 * 64 / 8)):
        assert run_metamer("encode", small, option, value, "-f").returncode == 0
        assert (tmp_path / "small.mtm").stat().st_size <= limit


def test_several_files_into_a_folder_with_a_failure_named(small, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"nothing")
    completed = run_metamer(
        "encode", small, tmp_path / "bad.png", OTTERS, "-o", tmp_path / "out", "-q", 20
    )
    assert completed.returncode == 1
    assert (
        "bad.png: is not a picture" in completed.stderr.decode()
        and "Traceback" not in completed.stderr.decode()
    )
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["otters.mtm", "small.mtm"]
    completed = run_metamer("decode", *sorted((tmp_path / "out").glob("*.mtm")))
    assert completed.returncode == 0 and (tmp_path / "out" / "otters.png").exists()


def test_the_output_folder_is_made_and_names_do_not_collide(small, tmp_path):
    assert run_metamer("encode", small, "-o", f"{tmp_path}/new/").returncode == 0
    assert (tmp_path / "new" / "small.mtm").exists()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "small.png").write_bytes(small.read_bytes())
    assert "both be written" in error_line(
        run_metamer("encode", small, tmp_path / "other" / "small.png", "-o", tmp_path / "two")
    )
    assert "standard output" in error_line(run_metamer("encode", small, OTTERS, "-o", "-"))
    assert "the input itself" in error_line(run_metamer("encode", small, "-o", small, "--force"))
    assert Image.open(small).size == (96, 64)


def test_nothing_is_overwritten_without_force(small, tmp_path):
    (tmp_path / "small.mtm").write_bytes(b"precious")
    assert "--force" in error_line(run_metamer("encode", small))
    assert (tmp_path / "small.mtm").read_bytes() == b"precious"
    assert run_metamer("encode", small, "--force").returncode == 0


def test_bad_input_is_one_line_and_no_file(small, tmp_path):
    run_metamer("encode", small)
    stream = (tmp_path / "small.mtm").read_bytes()
    cases = {
        "absent.mtm": (None, "no such file"),
        "empty.mtm": (b"", "not a Metamer file"),
        "foreign.mtm": (b"\x89PNG rest", "not a Metamer file"),
        "cut.mtm": (stream[: len(stream) // 2], "damaged or truncated"),
        "newer.mtm": (stream[:3] + b"\x07" + stream[4:], "version 7"),
    }
    for name, (data, reason) in cases.items():
        if data is not None:
            (tmp_path / name).write_bytes(data)
        assert reason in error_line(
            run_metamer("decode", tmp_path / name, "-o", tmp_path / "out.png")
        )
        assert not (tmp_path / "out.png").exists()
        assert reason in error_line(run_metamer("info", tmp_path / name))
    assert "not a picture" in error_line(
        run_metamer("encode", tmp_path / "foreign.mtm", "-o", tmp_path / "out.mtm")
    )
    assert "cannot write '.xyz'" in error_line(
        run_metamer("decode", tmp_path / "small.mtm", "-o", tmp_path / "out.xyz")
    )
    assert "no model 'nosuch'" in error_line(
        run_metamer("encode", small, "--model", "nosuch", "-f")
    )
    assert "cannot be written" in error_line(
        run_metamer("encode", small, "-o", tmp_path / "absent" / "out.mtm")
    )
    assert not list(tmp_path.glob(".*"))


def test_debug_shows_where(tmp_path):
    (tmp_path / "bad.mtm").write_bytes(b"nothing")
    assert b"Traceback" in run_metamer("--debug", "decode", tmp_path / "bad.mtm").stderr


def test_usage_errors(small, tmp_path):
    assert run_metamer("encode", small, "-q", 101).returncode == 2
    assert b"give one of" in run_metamer("encode", small, "-q", 10, "--bpp", 1).stderr
    for value in ("nan", "inf"):
        assert run_metamer("encode", small, "-q", value).returncode == 2
        assert run_metamer("encode", small, "--bpp", value).returncode == 2
    mistaken = run_metamer("encode", small, "--distortion", "mse")
    assert mistaken.returncode == 2 and b"--distortion goes with --effort" in mistaken.stderr
    assert "is a folder" in error_line(run_metamer("encode", "."))


def test_exit_status_of_a_mistake_of_ours(monkeypatch, small):
    """Not one line: a traceback, whatever was asked for."""
    with pytest.raises(ZeroDivisionError):
        monkeypatch.setattr(metamer.codec.encode, "encode", lambda *_, **__: 1 / 0)
        cli.main(["encode", str(small)], standalone_mode=False)


def test_nobody_reads_on(small, tmp_path):
    stream = tmp_path / "small.mtm"
    stream.write_bytes(metamer.encode(small))
    reader, writer = os.pipe()
    os.close(reader)
    completed = subprocess.run(
        [sys.executable, "-P", "-m", "metamer.cli", "info", stream],
        stdout=writer,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    os.close(writer)
    assert completed.returncode == 1 and not completed.stderr


def test_training_mistakes_are_one_line(tmp_path):
    (tmp_path / "recipe.yaml").write_text("stages: [{name: a, steps: 3, croq: 64}]")
    line = error_line(
        run_metamer(
            "train", tmp_path / "recipe.yaml", "--data", tmp_path, "--out", tmp_path / "run"
        )
    )
    assert "did you mean 'crop'" in line and not (tmp_path / "run").exists()
    assert "no checkpoint" in error_line(run_metamer("export", tmp_path, "--data", tmp_path))


@pytest.mark.parametrize(
    "shell, sign",
    [("bash", b"complete -o"), ("zsh", b"#compdef metamer"), ("fish", b"complete --")],
)
def test_completions(shell, sign):
    assert sign in inside("completions", shell).stdout


def test_models_are_completed_after_files():
    completions = options.complete_models(None, None, "ba")
    assert [(item.value, item.type) for item in completions] == [
        ("ba", "file"),
        ("base", "plain"),
    ]


def test_the_workshops_commands_are_listed_with_the_others():
    help_text = inside("--help").stdout.decode()
    assert all(f"  {name} " in help_text for name in ("encode", "info", *cli.WORKSHOP))


@pytest.mark.parametrize(
    "problem, line",
    [
        (MemoryError(), "not enough memory"),
        (
            ModuleNotFoundError("No module named torch", name="torch"),
            "this needs the package torch: pip install 'metamer-codec[perception]'",
        ),
        (OSError(28, "No space left"), "No space left"),
        (PerceptionError("such a distance\nis not known"), "such a distance is not known"),
    ],
)
def test_what_the_machine_or_a_distance_lacks_is_one_line(problem, line, monkeypatch):
    def fail(*_, **options):
        raise problem

    monkeypatch.setattr("metamer.train.command.train", fail)
    completed = inside("train", "recipe.yaml", "--data", ".", "--out", "out")
    assert (
        completed.returncode == 1
        and completed.stderr.decode().startswith("metamer: ")
        and completed.stderr.decode().endswith(f"{line}\n")
    )
    with pytest.raises(type(problem)):
        inside("--debug", "train", "recipe.yaml", "--data", ".", "--out", "out")


def test_mistakes_of_ours_are_no_fault_of_the_input():
    assert not is_input_fault(ValueError("a quality of 101"))
    assert is_input_fault(PerceptionError("no such distance")) and is_input_fault(
        metamer.StreamError("is damaged")
    )


@pytest.mark.parametrize(
    "arguments, reason",
    [
        (
            ("train", "recipe.yaml", "--data", ".", "--resume", "--start", "base"),
            "it takes no --start",
        ),
        (("evaluate", ".", "--keep"), "go with --bpp"),
        (("evaluate", ".", "--sheet", 1), "go with --bpp"),
        (("evaluate", ".", "--critic", "alexnet"), "--critic goes with --realism"),
        (("evaluate", ".", "--bpp", 1, "--quality", 3), "give --quality or --bpp, not both"),
        (
            ("evaluate", ".", "--bpp", 1, "--published", "vtm"),
            "give --published or --bpp, not both",
        ),
    ],
)
def test_workshop_options_that_do_not_go_together(arguments, reason, tmp_path):
    completed = inside(*arguments, "--out", tmp_path / "out")
    assert (
        completed.returncode == 2
        and reason in " ".join(completed.stderr.decode().split())
        and not (tmp_path / "out").exists()
    )


@pytest.mark.parametrize(
    "kind, arguments, reason",
    [
        ("codec", (), "give --data"),
        ("codec", ("--data", ".", "--slider"), "trained a decoder alone"),
        ("decoder", ("--set", "encoder.masking=1"), "trained an encoder"),
        ("space", ("--set", "encoder.masking=1"), "trained an encoder"),
        ("space", ("--slider",), "trained a decoder alone"),
        ("codec", ("--data", ".", "--model"), "trained a decoder alone"),
        ("decoder", ("--slider", "--model"), "not both"),
        ("space", ("-o", "absent/a.safetensors"), "absent: no such folder"),
    ],
)
def test_export_options_that_do_not_go_with_a_run(kind, arguments, reason, monkeypatch, tmp_path):
    monkeypatch.setattr("metamer.train.command.kind", lambda run: kind)
    completed = inside("export", tmp_path, *arguments, cwd=tmp_path)
    assert (
        completed.returncode in (1, 2)
        and reason in " ".join(completed.stderr.decode().split())
        and not list(tmp_path.iterdir())
    )
