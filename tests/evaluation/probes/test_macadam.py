"""MacAdam's ellipses and what CIELAB makes of them."""

import numpy as np
import pytest
import torch
from PIL import Image

from metamer.evaluation.probes.macadam import (
    ELLIPSES,
    WHITE,
    chromaticity_to_lab,
    ellipse_outlines,
    plot_macadam,
    roundness,
)
from metamer.perception.distances.cielab import srgb_to_lab


def test_outlines_have_the_axes_of_the_table():
    ring = ellipse_outlines()
    radii = np.linalg.norm(ring - ring.mean(1, keepdims=True), axis=-1)
    np.testing.assert_allclose(radii.max(1) * 1000, ELLIPSES[:, 2], rtol=1e-6)
    np.testing.assert_allclose(radii.min(1) * 1000, ELLIPSES[:, 3], rtol=1e-6)
    assert roundness(ring).elongation == pytest.approx(np.median(ELLIPSES[:, 2] / ELLIPSES[:, 3]))


def test_lab_agrees_with_the_distance_on_grey():
    assert chromaticity_to_lab(np.array(WHITE)) == pytest.approx([0, 0], abs=0.2)
    grey = srgb_to_lab(torch.full((3, 1, 1), 119 / 255)).flatten()
    assert grey[0].item() == pytest.approx(50, abs=0.1)  # the example's luminance


def test_circles_are_round_in_any_order():
    angle = np.linspace(0, 2 * np.pi, 50, endpoint=False)
    circle = np.stack((np.cos(angle), np.sin(angle)), -1)
    circles = roundness(np.stack([circle, 3 * circle]))
    assert circles.elongation == pytest.approx(1) and circles.spread == pytest.approx(3)


def test_the_figure_is_drawn(tmp_path):
    plot_macadam(tmp_path / "macadam.png")
    assert Image.open(tmp_path / "macadam.png").width > 1000


def test_cielab_evens_sizes():
    assert (
        roundness(chromaticity_to_lab(ellipse_outlines())).spread
        < 0.5 * roundness(ellipse_outlines()).spread
    )
