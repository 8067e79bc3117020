"""The site builds without a warning, and holds what the repository's documents say."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from metamer.cli import RUNTIME, WORKSHOP
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The built site; a warning fails the build."""
    folder = tmp_path_factory.mktemp("site")
    completed = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", folder],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},  # the theme's, of versions not taken here
        capture_output=True,
        text=True,
    )
    assert completed.returncode == 0 and completed.stdout + completed.stderr == "", (
        completed.stdout + completed.stderr
    )
    return folder


def text(site: Path, page: str) -> str:
    return (site / page / "index.html").read_text()


def test_documents_lie_where_the_repository_has_them(site):
    assert "A learned image codec" in text(site, "")
    assert "Glossary" in text(site, "inside/glossary")  # docs/ is the site's top
    assert "range coder" in text(site, "bitstreams/FORMAT")
    assert (site / "examples" / "front.png").read_bytes() == (
        ROOT / "examples" / "front.png"
    ).read_bytes()


def test_links_to_code_lead_to_a_page_of_it(site):
    assert 'href="../../train/recipes/base.yaml/"' in text(site, "reference/recipes")
    assert "learning_rate" in text(site, "train/recipes/base.yaml")


def test_the_reference_has_every_command_with_basic_options_first(site):
    page = text(site, "reference/commands")
    for name in (*RUNTIME, *WORKSHOP):
        assert f'id="metamer-{name}"' in page, name
    encode = page[page.index('id="metamer-encode"') : page.index('id="metamer-decode"')]
    basic, advanced = encode.split("Advanced options")
    assert "--quality" in basic and "--alpha-quality" in advanced


def test_the_reference_has_the_interface_and_the_recipes(site):
    python = text(site, "reference/python")
    for name in ("metamer.encode", "metamer.decode", "metamer.StreamError", "metamer.train.Run"):
        assert f'id="{name}"' in python, name
    recipes = text(site, "reference/recipes")
    assert "<code>learning_rate</code>" in recipes and "<code>distortion</code>" in recipes


class Loader(yaml.SafeLoader):
    """Of mkdocs.yml, which names Python functions."""


Loader.add_multi_constructor("!!python/", lambda *_: None)
Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda *_: None)


def paths(nav) -> list[str]:
    parts = nav.values() if isinstance(nav, dict) else nav
    return [nav] if isinstance(nav, str) else [path for part in parts for path in paths(part)]


def test_every_page_of_docs_is_in_the_navigation():
    with (ROOT / "mkdocs.yml").open() as file:
        nav = paths(yaml.load(file, Loader)["nav"])
    assert {str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md")} <= {*nav}
    assert [path for path in nav if not (ROOT / path).is_file()] == []


SCREEN = 40  # lines, of at most 160 characters


@pytest.mark.parametrize("card", ["base", "perceptual", "realism", "perceptnet", "pim"])
def test_a_card_fits_on_a_screen(card):
    """What is not folded away."""
    text = (ROOT / "codec" / "weights" / f"{card}.md").read_text()
    visible = re.sub(r"<details.*?</details>", "", text, flags=re.DOTALL)
    assert sum(1 + len(line) // 160 for line in visible.splitlines()) <= SCREEN


def test_tables_have_at_most_six_columns(site):
    """More than that no screen holds."""
    wide = {
        str(page.relative_to(site).parent): columns
        for page in site.rglob("index.html")
        for head in re.findall(r"<thead>(.*?)</thead>", page.read_text(), re.DOTALL)
        if (columns := len(re.findall(r"<th\b", head))) > 6
    }
    assert wide == {}


def test_the_front_page_is_short():
    """A stranger knows after a minute what this is."""
    assert len((ROOT / "README.md").read_bytes()) < 5500
