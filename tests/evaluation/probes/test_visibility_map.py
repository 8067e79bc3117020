"""A map of where a difference is seen, drawn and summed up."""

import numpy as np
import pytest
from PIL import Image

from metamer.codec.errors import ImageError
from metamer.evaluation.probes.visibility_map import draw_map
from metamer.perception import create
from tests.conftest import run_metamer


@pytest.fixture
def pair(tmp_path, otters):
    """A photograph, and the same with one corner inverted."""
    reference = otters.crop((100, 60, 301, 221))
    changed = np.array(reference)
    changed[100:, 130:] = 255 - changed[100:, 130:]
    reference.save(tmp_path / "reference.png")
    Image.fromarray(changed).save(tmp_path / "changed.png")
    return tmp_path / "reference.png", tmp_path / "changed.png"


def test_the_place_is_lit(pair, tmp_path):
    visibility = draw_map(*pair, create("visibility"), tmp_path / "map.png")
    share = 61 * 71 / (161 * 201)
    assert (
        visibility.whole > 0.9
        and visibility.highest > 0.9
        and 0.5 * share < visibility.area < 3 * share
    )
    pixels = np.asarray(Image.open(tmp_path / "map.png")).astype(int)
    assert pixels.shape == (161, 201, 3)
    redness = pixels[..., 0] - pixels[..., 2]
    assert redness[110:, 140:].mean() > redness[:80, :110].mean() + 50


def test_what_is_the_same_is_dark(pair, tmp_path):
    visibility = draw_map(pair[0], pair[0], create("visibility"), tmp_path / "map.png")
    assert (visibility.whole, visibility.highest, visibility.area) == (0, 0, 0)


def test_the_command_prints_probabilities_in_a_line(pair, tmp_path):
    completed = run_metamer("metrics", "map", *pair, "--out", tmp_path / "map.png")
    assert completed.stdout.startswith(
        b"seen with probability 1.00; where it is most, 1.00; by half"
    )
    assert (tmp_path / "map.png").is_file()


def test_sizes_must_agree(pair, tmp_path, otters):
    otters.crop((0, 0, 64, 64)).save(tmp_path / "small.png")
    with pytest.raises(ImageError, match="64x64 pixels"):
        draw_map(pair[0], tmp_path / "small.png", create("visibility"), tmp_path / "map.png")
    assert not (tmp_path / "map.png").exists()
