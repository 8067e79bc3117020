"""A tiled picture and its file."""

import pytest
from PIL import Image

import metamer


@pytest.fixture(scope="session")
def wide(otters) -> Image.Image:
    """Two tiles across, the second one position wide, and two down: 1040x1075."""
    return otters.resize((1040, 1075), Image.Resampling.BICUBIC)


@pytest.fixture(scope="session")
def stream(wide) -> bytes:
    return metamer.encode(wide, 35, tile=True)
