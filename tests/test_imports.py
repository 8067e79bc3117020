"""The runtime half stands without the workshop, and imports run one way."""

import ast
import subprocess
import sys

import pytest

from tests.conftest import ROOT

ALLOWED = {
    "codec": {"codec", "entropy"},
    "entropy": {"entropy"},
    "perception": {"perception"},
    "train": {"train", "perception", "codec", "entropy"},
    "evaluation": {"evaluation", "train", "perception", "codec"},
    "research": {"research", "evaluation", "train", "perception", "codec", "entropy"},
    "bitstreams": {"bitstreams", "codec"},
}
LAZY = {  # inside what needs them
    "codec/cli.py": {"train", "perception", "evaluation"}, "codec/effort.py": {"train"},
}


def imports(tree: ast.AST):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name.split(".")[0], node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module.split(".")[0], node


def test_packages_import_one_way():
    for package, allowed in ALLOWED.items():
        for path in (ROOT / package).rglob("*.py"):
            tree = ast.parse(path.read_text())
            top = set(tree.body)
            for name, node in imports(tree):
                relative = str(path.relative_to(ROOT))
                if name in ALLOWED and name not in allowed:
                    assert name in LAZY.get(relative, ()) and node not in top, f"{relative} imports {name}"


def test_runtime_works_without_torch():
    script = """
import sys
for name in ("torch", "compressai", "onnx", "matplotlib", "lightning_fabric", "yaml", "scipy"):
    sys.modules[name] = None  # importing it raises ImportError
import codec, codec.cli
from PIL import Image
assert codec.decode(codec.encode(Image.new("RGB", (40, 24), (9, 99, 199)))).size == (40, 24)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr.decode()


HIDDEN = """
import sys

class Hidden:
    names = sys.argv.pop(1).split(",")

    @classmethod
    def find_spec(cls, name, *_):
        if name in cls.names:
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)

sys.meta_path.insert(0, Hidden)
from codec.cli import main
main()
"""


def hiding(packages: str, *arguments) -> subprocess.CompletedProcess:
    """The command line where these packages are not installed."""
    return subprocess.run([sys.executable, "-c", HIDDEN, packages, *map(str, arguments)], capture_output=True, text=True,
                          cwd=ROOT)


@pytest.mark.parametrize(("hidden", "arguments"), [
    ("lightning_fabric", ("export", "run", "--data", ".")), ("matplotlib", ("plot", "a")), ("plotly", ("report", "a")),
    ("torch", ("evaluate", "a", "--bpp", "1", "--realism", "--critic", "squeezenet", "--out", "x")),
])
def test_a_missing_extra_is_one_line(hidden, arguments):
    done = hiding(hidden, *arguments)
    assert done.returncode == 1 and done.stdout == "" and len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith("metamer: this command needs the extras") and hidden in done.stderr


def test_the_post_hoc_critic_needs_nothing_of_the_extra_train():
    assert "no such file" in hiding("lightning_fabric,onnxscript,yaml", "metrics", "realism", "a", "b", "--critic",
                                    "squeezenet").stderr
