"""What the walk of one picture points at is there."""

import re

import numpy as np
import pytest

import metamer
from metamer.codec.format import container
from tests.conftest import ROOT

PAGE = ROOT / "docs" / "inside" / "walk.md"
PLACE = re.compile(r"\[([\w/]+\.py)\]\(([^)]+)\)\s+`(\w+)`")


@pytest.mark.parametrize("path, link, name", PLACE.findall(PAGE.read_text()))
def test_the_walk_names_what_its_files_hold(path, link, name):
    assert (PAGE.parent / link).resolve() == ROOT / path
    assert re.search(rf"^(async )?(def|class) {name}\b", (ROOT / path).read_text(), re.MULTILINE)


def test_its_figures_are_those_of_the_shipped_picture():
    page = " ".join(PAGE.read_text().split())
    data = metamer.encode(ROOT / "examples" / "otters.png")
    (section,) = container.unpack(data)[1]
    latents = metamer.decode_latents(data)
    assert f"becomes {len(data):,} bytes" in page
    assert f"{len(section.body):,} bytes of picture, {len(data) - len(section.body)} of" in page
    assert "{} × {} positions of {} latents".format(*latents.shape) in page
    assert 5.5 / 7 < np.mean(latents == 0) < 6.5 / 7  # six of seven
