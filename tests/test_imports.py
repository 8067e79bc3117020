"""The runtime half stands without the workshop, and imports run one way."""

import ast
import subprocess
import sys
from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import metamer
from tests.conftest import ROOT

ROOMS_BELOW = {  # folder → those that it may import, besides itself
    "entropy": (),
    "perception": (),
    "codec": ("entropy",),
    "bitstreams": ("codec",),
    "train": ("perception", "codec", "entropy"),
    "evaluation": ("train", "perception", "codec"),
    "metamer": ("evaluation", "train", "perception", "codec", "entropy", "bitstreams"),
    "research": ("metamer", "evaluation", "train", "perception", "codec", "entropy"),
}


# of a package from the lowest up: each imports itself, those before it, and files of the package's
# own top
ROOMS = {
    "evaluation": (
        "codecs",
        "cost",
        "measure",
        "results",
        "realism",
        "plots",
        "rate",
        "ratings",
        "probes",
        "toy",
        "report",
        "study",
    ),
    "perception": ("weights", "backbones", "vision", "distances"),
    "research": ("experiments", "pages", "benchmarks"),
}


def files(folder: str) -> list[Path]:
    """Python files of one of the repository's folders, without those that links in it lead to."""
    return [
        path
        for path in (ROOT / folder).rglob("*.py")
        if not any(part.is_symlink() for part in path.parents)
    ]


def module_name(path: Path) -> str:
    """As in the repository: `codec.grid`, of what is imported as `metamer.codec.grid`."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def local(name: str) -> str:
    """The same of a name that is imported."""
    relative_name = name.removeprefix("metamer.")
    return relative_name if relative_name.partition(".")[0] in ROOMS_BELOW else name


def imported_modules(path: Path, project_modules: set[str]) -> set[str]:
    """The modules of this repository that a file imports, whether at its top or when called."""
    imported = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            imported |= {local(alias.name) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = {local(f"{node.module}.{alias.name}") for alias in node.names}
            imported |= names & project_modules or {local(node.module)}
    return (imported & project_modules) - {module_name(path)}


def import_graph(packages: Iterable[str]) -> dict[str, set[str]]:
    """Module → the modules that it imports, of all files of these packages."""
    paths = [path for package in packages for path in files(package)]
    project_modules = {module_name(path) for path in paths}
    return {module_name(path): imported_modules(path, project_modules) for path in paths}


def test_no_module_imports_itself_by_way_of_others():
    try:
        TopologicalSorter(import_graph(ROOMS_BELOW)).prepare()
    except CycleError as problem:
        pytest.fail(" → ".join(problem.args[1]))


@pytest.mark.parametrize("package", ROOMS)
def test_rooms_import_those_below_them(package):
    order = {room: place for place, room in enumerate(ROOMS[package])}
    for name, imported in import_graph((package,)).items():
        if (room := name.split(".")[1:2]) and room[0] in order:
            above = {
                module
                for module in imported
                if order.get(module.split(".")[1] if "." in module else "", -1) > order[room[0]]
            }
            assert not above, f"{name} imports {above}"
        else:
            assert not {
                module
                for module in imported
                if module.split(".")[1:2] and module.split(".")[1] in order
            }, name


# rooms and files of codec/, from the lowest up: each imports itself and those before it
CODEC = (
    "errors",
    "options",
    "grid",
    "format",
    "system",
    "picture",
    "network",
    "stream",
    "transforms",
    "decode",
    "info",
    "encoder",
    "encode",
    "plugin",
)


def test_rooms_and_files_of_the_codec_import_those_below_them():
    assert set(CODEC) == {
        path.stem for path in (ROOT / "codec").iterdir() if path.suffix == ".py" or path.is_dir()
    } - {"__init__", "__pycache__", "weights"}
    for name, imported in import_graph(("codec",)).items():
        if name == "codec":
            assert not imported
            continue
        place = CODEC.index(name.split(".")[1])
        above = {module for module in imported if CODEC.index(module.split(".")[1]) > place}
        assert not above, f"{name} imports {above}"


@pytest.mark.parametrize("packages", [("evaluation", "perception"), ("codec", "entropy")])
def test_no_two_modules_export_one_name(packages):
    """A reader who meets a name knows whose it is; functions of commands are called after what one
    types.
    """
    homes: dict[str, set[str]] = {}
    for path in [path for package in packages for path in files(package)]:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                homes.setdefault(node.name, set()).add(module_name(path))
    assert {name: modules for name, modules in homes.items() if len(modules) > 1} == {}


def test_folders_import_one_way():
    """At their top or when called: what a lower folder needs of a higher one it finds by entry
    point.
    """
    for name, imported in import_graph(ROOMS_BELOW).items():
        folder = name.partition(".")[0]
        above = {
            module
            for module in imported
            if module.partition(".")[0] not in (folder, *ROOMS_BELOW[folder])
        }
        assert not above, f"{name} imports {above}"


def test_runtime_works_without_torch():
    script = """
import sys
for name in ("torch", "compressai", "onnx", "matplotlib", "lightning_fabric", "yaml", "scipy"):
    sys.modules[name] = None  # importing it raises ImportError
import metamer, metamer.cli
from PIL import Image
assert metamer.decode(metamer.encode(Image.new("RGB", (40, 24), (9, 99, 199)), lossless=False)).size == (40, 24)
"""
    completed = subprocess.run([sys.executable, "-c", script], capture_output=True, cwd=ROOT)
    assert completed.returncode == 0, completed.stderr.decode()


HIDDEN = """
import sys

class Hidden:
    names = sys.argv.pop(1).split(",")

    @classmethod
    def find_spec(cls, name, *_):
        if name in cls.names:
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)

sys.meta_path.insert(0, Hidden)
from metamer.cli import main
main()
"""


def run_without(packages: str, *arguments) -> subprocess.CompletedProcess:
    """The command line where these packages are not installed."""
    return subprocess.run(
        [sys.executable, "-c", HIDDEN, packages, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )


@pytest.mark.parametrize(
    ("hidden", "arguments", "extras"),
    [
        ("lightning_fabric", ("export", "run", "--data", "."), "train"),
        ("matplotlib", ("plot", "a"), "evaluate"),
        ("plotly", ("report", "a"), "evaluate"),
        ("distributed", ("encode", "examples/otters.png", "--dask", "x"), "scale"),
        (
            "torch",
            ("evaluate", "a", "--bpp", "1", "--realism", "--critic", "squeezenet", "--out", "x"),
            "perception",
        ),
    ],
)
def test_a_missing_extra_is_one_line(hidden, arguments, extras):
    completed = run_without(hidden, *arguments)
    advice = f"pip install 'metamer-codec[{extras}]'"
    assert completed.returncode == 1 and completed.stdout == ""
    assert completed.stderr == f"metamer: this needs the package {hidden}: {advice}\n"


def test_the_post_hoc_critic_needs_nothing_of_the_extra_train():
    assert (
        "no such file"
        in run_without(
            "lightning_fabric,onnxscript,yaml",
            "metrics",
            "realism",
            "a",
            "b",
            "--critic",
            "squeezenet",
        ).stderr
    )


@pytest.mark.parametrize("name", metamer.__all__)
def test_what_the_package_promises_can_be_read(name):
    assert getattr(metamer, name).__name__ == name
