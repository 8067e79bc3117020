"""Pages speak of models that ship: figures of others are measured again, or go."""

import re

import pytest

from research.recorded_results import ROOT, read_results, shipped_ids

# that hold figures of models; ids are eight hexadecimal digits
PATTERNS = ("README.md", "docs/**/*.md", "codec/*.md", "codec/weights/*.md", "research/*.md")
# digits alone are taken for a number, words for words
ID = re.compile(r"(?<![0-9a-f])(?=[0-9a-f]*\d)(?=\d*[a-f])[0-9a-f]{8}(?![0-9a-f])")
NAME = re.compile(r"`(base-\d+)(?=[`+@])")


def pages() -> list[str]:
    return [str(path.relative_to(ROOT)) for glob in PATTERNS for path in sorted(ROOT.glob(glob))]


def unknown(text: str) -> set[str]:
    """Ids and names of models in a text that do not ship."""
    ids, names = set(ID.findall(text)), set(NAME.findall(text))
    return ids - shipped_ids().keys() | names - {*shipped_ids().values()}


@pytest.mark.parametrize("page", pages())
def test_a_page_names_no_model_that_does_not_ship(page):
    assert unknown((ROOT / page).read_text()) == set()


def test_one_that_does_is_refused():
    assert unknown("`base` is the model 0badcafe, later `base-0`") == {"0badcafe", "base-0"}
    assert unknown(f"`base` is the model {next(iter(shipped_ids()))}; deadbeef is a word") == set()


def recorded_ids() -> set[str]:
    """Of the models whose figures research/POINTS.md has."""
    rows = read_results("kodak", "train")["rows"]
    ids = {row["version"] for row in rows if row["codec"] != "avif"}
    return ids | {read_results(name, "train")["model"] for name in ("ablation", "realism")}


def test_figures_are_of_models_that_ship():
    assert recorded_ids() <= shipped_ids().keys()


@pytest.mark.parametrize(
    "page, model_name", [("docs/evidence/results.md", "base"), ("codec/DRAWINGS.md", "base")]
)
def test_pages_of_the_default_are_of_todays(page, model_name):
    """And say so, by its id."""
    ids = ID.findall((ROOT / page).read_text())
    assert [shipped_ids()[model_id] for model_id in ids] == [model_name]


def test_the_page_of_points_names_the_model_of_its_tables():
    page = (ROOT / "research" / "POINTS.md").read_text()
    said = page.partition("**Of which models the tables are**: ")[2].partition("\n\n")[0]
    for model_id in recorded_ids():
        assert f"`{shipped_ids()[model_id]}` ({model_id})" in said
