"""What systems know of Metamer: manual page, file(1), desktops, shells. And what the wheel
holds.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import xml.etree.ElementTree as ElementTree
import zipfile

import pytest
from PIL import Image

import metamer
from metamer.codec.format.container import MAGIC, VERSION
from tests.conftest import ROOT, run_metamer

# of the one package
ROOMS = ("codec", "entropy", "train", "perception", "evaluation", "bitstreams")
PACKAGING = ROOT / "packaging"
STREAM = ROOT / "bitstreams" / "0b61c9c3-landscape-184x104-q45.mtm"
MUSIC = MAGIC + b"\x10" + bytes(100)  # a MultiTracker module's beginning


def needs(program: str):
    return pytest.mark.skipif(not shutil.which(program), reason=f"no {program} here")


def test_known_good_versions_are_of_what_is_required():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    groups = [group for name, group in extras.items() if name not in ("fuzz", "peers")]
    required = {
        re.match(r"[\w.-]+", requirement)[0]
        for group in (project["dependencies"], *groups)
        for requirement in group
    }
    lines = (ROOT / "packaging" / "known-good.txt").read_text().splitlines()
    pinned = {line.partition("==")[0] for line in lines if not line.startswith("#")}
    assert pinned == required - {project["name"]}


def test_the_manual_is_in_step():
    completed = subprocess.run(
        [sys.executable, "-P", PACKAGING / "manual.py"],
        capture_output=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert completed.stdout == (PACKAGING / "metamer.1").read_bytes(), (
        "python packaging/manual.py > packaging/metamer.1"
    )


@needs("groff")
def test_the_manual_renders():
    completed = subprocess.run(
        ["groff", "-man", "-ww", "-Kutf8", "-Tutf8", "-P-c", PACKAGING / "metamer.1"],
        capture_output=True,
    )
    assert completed.returncode == 0 and not completed.stderr, completed.stderr.decode()
    text = re.sub(rb".\x08", b"", completed.stdout)  # bold is overstruck
    assert b"--max-bytes NUMBER" in text and b"130, 143" in text


@needs("file")
def test_file_knows_it(tmp_path):
    def file_says(path, *options) -> str:
        return subprocess.run(
            ["file", "-b", "-m", PACKAGING / "metamer.magic", *options, path],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()

    assert (
        file_says(STREAM) == "Metamer picture, format 1, 184x104"
        and file_says(STREAM, "--mime-type") == "image/x-metamer"
    )
    Image.new("RGB", (258, 3)).save(tmp_path / "a.png")
    (tmp_path / "a.mtm").write_bytes(metamer.encode(tmp_path / "a.png", 0))
    assert file_says(tmp_path / "a.mtm").endswith("258x3")
    (tmp_path / "music.mtm").write_bytes(MUSIC)
    assert "Metamer" not in file_says(tmp_path / "music.mtm")


def test_desktops_know_it(tmp_path):
    space = {"mime": "http://www.freedesktop.org/standards/shared-mime-info"}
    (kind,) = (
        ElementTree.parse(PACKAGING / "metamer.xml").getroot().findall("mime:mime-type", space)
    )
    assert kind.get("type") == "image/x-metamer"
    values = {match.get("value") for match in kind.findall("mime:magic/mime:match", space)}
    assert values == {rf"{MAGIC.decode()}\x0{version}" for version in range(1, VERSION + 1)}
    if not shutil.which("update-mime-database"):
        pytest.skip("no update-mime-database here")
    (tmp_path / "packages").mkdir()
    shutil.copy(PACKAGING / "metamer.xml", tmp_path / "packages")
    subprocess.run(["update-mime-database", tmp_path], check=True, capture_output=True)
    assert "60:image/x-metamer:*.mtm" in (tmp_path / "globs2").read_text()
    assert b"[60:image/x-metamer]\n>0=\0\4MTM\1" in (tmp_path / "magic").read_bytes()


def test_shells_complete_it():
    for shell in ("bash", "zsh", "fish"):
        completed = run_metamer("completions", shell)
        assert completed.returncode == 0 and b"_METAMER_COMPLETE" in completed.stdout
    assert run_metamer("completions", "csh").returncode == 2


@needs("bash")
@pytest.mark.parametrize(
    "line, expected",
    [
        ("metamer enc", {"encode"}),
        ("metamer encode --max-b", {"--max-bytes"}),
        ("metamer encode --model per", {"perceptual"}),
    ],
)
def test_bash_completes(line, expected, tmp_path):
    script = (
        run_metamer("completions", "bash").stdout.decode()
        + f"""
COMP_WORDS=({line}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); compopt() {{ :; }}
_metamer_completion metamer; printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    )
    path = os.pathsep.join(
        [
            os.path.dirname(
                shutil.which("metamer", path=os.path.dirname(sys.executable)) or "metamer"
            ),
            os.environ["PATH"],
        ]
    )
    completed = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, env=os.environ | {"PATH": path}
    )
    assert set(completed.stdout.split()) == expected, completed.stderr


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    """Built from a copy, as building writes into the tree."""
    pytest.importorskip("build")
    folder = tmp_path_factory.mktemp("wheel")
    for name in (*ROOMS, "metamer", "packaging", "tests"):
        shutil.copytree(
            ROOT / name,
            folder / "tree" / name,
            symlinks=True,
            ignore=shutil.ignore_patterns("__pycache__"),
        )
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / "tree")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", folder, folder / "tree"],
        check=True,
        capture_output=True,
        cwd=folder,
    )
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_holds_what_it_should(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names, entry = (
            archive.namelist(),
            archive.read(next(n for n in archive.namelist() if n.endswith("entry_points.txt"))),
        )
    assert {name.split("/")[0] for name in names if "-0." not in name.split("/")[0]} == {"metamer"}
    modules = {
        f"metamer/{path.relative_to(ROOT)}"
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
    }
    modules |= {
        str(path.relative_to(ROOT))
        for pattern in ("*.py", "commands/**/*.py", "serving/*.py")
        for path in (ROOT / "metamer").glob(pattern)
    }
    assert modules == {
        name for name in names if name.startswith("metamer/") and name.endswith(".py")
    }
    for pattern in (
        "codec/weights/*",
        "perception/weights/shipped/*",
        "perception/backbones/*.safetensors",
        "evaluation/rate/published/*.csv",
        "evaluation/report/static/*",
        "evaluation/study/static/*",
        "train/recipes/*",
        "bitstreams/*.mtm",
        "codec/py.typed",
        "entropy/py.typed",
    ):
        assert {f"metamer/{path.relative_to(ROOT)}" for path in ROOT.glob(pattern)} <= {*names}, (
            pattern
        )
    viewer = {f"metamer/viewer/{path.name}" for path in (ROOT / "metamer" / "viewer").iterdir()}
    assert len(viewer) == 3 and viewer <= {*names}
    assert any(name.endswith("share/man/man1/metamer.1") for name in names)
    assert b"metamer = metamer.cli:main" in entry


def test_the_wheel_works_without_the_repository(wheel, tmp_path, otters):
    """Installed apart, with nothing at hand but what the runtime asks for."""
    target = tmp_path / "installed"
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--no-deps",
            "--no-index",
            "--target",
            target,
            wheel,
        ],
        check=True,
        capture_output=True,
    )
    script = f"""
import sys
sys.path.insert(0, {str(target)!r})
for name in ("torch", "scipy", "yaml", "onnx", "matplotlib", "requests"):
    sys.modules[name] = None  # importing it raises ImportError
import metamer
assert metamer.__file__.startswith({str(target)!r}), metamer.__file__
from metamer.cli import main
main()
"""
    otters.crop((0, 0, 64, 48)).save(tmp_path / "a.png")
    for arguments in (
        ["--help"],
        ["encode", "a.png"],
        ["decode", "a.mtm", "-o", "b.png"],
        ["info", "a.mtm"],
    ):
        completed = subprocess.run(
            [sys.executable, "-I", "-c", script, *arguments], cwd=tmp_path, capture_output=True
        )
        assert completed.returncode == 0, completed.stderr.decode()
    assert Image.open(tmp_path / "b.png").size == (64, 48)
