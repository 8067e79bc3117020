"""Shared pictures and a tiny model that is really trained, once a test session."""

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import Phase, settings
from PIL import Image

from metamer.cli import main

# no test depends on wall time; in CI the same examples every time, elsewhere new ones
settings.register_profile("metamer", deadline=None, derandomize="CI" in os.environ)
# for mutants (tests/COVERAGE.md): whether they fail, not the simplest example
settings.register_profile(
    "mutants", deadline=None, derandomize=True, phases=[Phase.explicit, Phase.generate]
)
settings.load_profile("metamer")

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared" / "data"
# AlexNet, where the project's own copy is at hand
os.environ.setdefault("METAMER_WEIGHTS", str(SHARED / "weights"))

TINY_RECIPE = """
network: {groups: [8, 24], width: 16, analysis_blocks: 1, synthesis_blocks: 1,
          hyper_latents: 8, features: 8, context_width: 16, levels: 4}
stages:
  - {name: entropy model, parts: entropy, steps: 40, batch: 4, crop: 96, learning_rate: 5.0e-3, warmup_steps: 4}
  - {name: joint, steps: 12, batch: 4, crop: 96, warmup_steps: 4}
  - {name: integers, steps: 8, batch: 4, crop: 96, learning_rate: 1.0e-4, integer_networks: true, warmup_steps: 1}
precision: 32-true
weight_average_decay: 0.9
start_crops: 40
save_every: 5
validate_every: 20
log_every: 4
"""


@pytest.fixture(scope="session")
def otters() -> Image.Image:
    """The shipped photograph, 736x414."""
    return Image.open(ROOT / "examples" / "otters.png").convert("RGB")


@pytest.fixture(scope="session")
def photographs(tmp_path_factory, otters) -> Path:
    """A folder of crops of the shipped photograph in every format that training reads, one of them
    held out.
    """
    folder = tmp_path_factory.mktemp("photographs")
    for index, suffix in enumerate((".png", ".jpg", ".webp", ".avif", ".tiff", ".png")):
        left, top = 90 * index, 14 * index
        otters.crop((left, top, left + 280, top + 288)).save(folder / f"crop{index}{suffix}")
    (folder / "validation.txt").write_text("crop5.png\n")
    return folder


def run_metamer(*arguments, **options) -> subprocess.CompletedProcess:
    """Runs the installed command."""
    command = shutil.which("metamer", path=str(Path(sys.executable).parent)) or shutil.which(
        "metamer"
    )
    assert command, "the package is not installed: pip install -e '.[dev]'"
    return subprocess.run(
        [command, *map(str, arguments)], capture_output=True, timeout=300, **options
    )


def inside(*arguments, cwd: Path | None = None, **options) -> subprocess.CompletedProcess:
    """What `run_metamer` returns, by the command in this process, where torch is imported already:
    seconds less each time.
    """
    with contextlib.chdir(cwd or Path.cwd()):
        result = CliRunner().invoke(main, list(map(str, arguments)), **options)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return subprocess.CompletedProcess(
        arguments, result.exit_code, result.stdout_bytes, result.stderr_bytes
    )


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory, photographs) -> Path:
    """A finished training run of the tiny recipe, made through the installed command."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "recipe.yaml").write_text(TINY_RECIPE)
    completed = run_metamer(
        "train", folder / "recipe.yaml", "--data", photographs, "--out", folder / "run"
    )
    assert completed.returncode == 0, completed.stderr.decode()
    return folder / "run"


@pytest.fixture(scope="session")
def tiny_model(tiny_run, photographs) -> str:
    """That run exported to a model file."""
    completed = run_metamer(
        "export", tiny_run, "--data", photographs, "--name", "tiny", "--crops", 8
    )
    assert completed.returncode == 0, completed.stderr.decode()
    return str(tiny_run / "model.metamer")


@pytest.fixture(scope="session")
def all_weights(pytestconfig) -> None:
    """AlexNet and VGG16."""
    at_hand(pytestconfig, "alexnet", "vgg16")


@pytest.fixture(scope="session")
def inception_weights(pytestconfig) -> None:
    at_hand(pytestconfig, "inception")


def at_hand(pytestconfig, *names: str) -> None:
    """Weights are fetched once into pytest's cache where they are not here; without an index, a
    skip.
    """
    from metamer.perception import WeightsError, weights

    missing = [name for name in names if weights.find_file(weights.CATALOGUE[name]) is None]
    if not missing:
        return
    folder = Path(pytestconfig.cache.mkdir("weights"))
    try:
        weights.fetch(missing, folder, progress=False)
    except WeightsError as problem:
        pytest.skip(str(problem))
    os.environ["METAMER_WEIGHTS"] += os.pathsep + str(folder)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20261121)
