"""Context networks run on strips of a picture: the same latents as on all of it."""

import numpy as np
import pytest

import metamer
from metamer.codec.network import passes
from metamer.codec.network.passes import strips


@pytest.mark.parametrize("strip, rows", [(1, 2), (20, 2), (64, 4), (1 << 20, 16)])
@pytest.mark.parametrize("model", ["base", "perceptual"])
def test_strips_change_nothing(strip, rows, model, otters, monkeypatch):
    """Odd and even widths and heights, grey."""
    for size, mode in (((90, 210), "RGB"), ((112, 16), "RGB"), ((16, 230), "L"), ((17, 33), "RGB")):
        picture = otters.crop((200, 60, 200 + size[0], 60 + size[1])).convert(mode)
        data = metamer.encode(picture, 60, model=model)
        expected = metamer.decode_latents(data)
        with monkeypatch.context() as patch:
            patch.setattr(passes, "STRIP", strip)
            patch.setattr(passes, "LEAST_ROWS", rows)
            assert metamer.encode(picture, 60, model=model) == data
            np.testing.assert_array_equal(metamer.decode_latents(data), expected)


def test_strips_cover_all_rows():
    for height in (1, 2, 15, 16, 17, 300):
        for width in (1, 63, 513, 4096):
            bounds = strips(height, width)
            assert [row for top, bottom in bounds for row in range(top, bottom)] == list(
                range(height)
            )
            assert all(top % 2 == 0 for top, _ in bounds)


def test_a_tile_is_one_strip():
    assert strips(64, 64) == [(0, 64)] and len(strips(128, 128)) > 1
