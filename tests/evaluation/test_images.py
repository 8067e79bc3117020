"""Pictures of folders."""

import pytest

from metamer.codec.errors import FileError, ImageError
from metamer.codec.picture import pixels
from metamer.evaluation import images
from metamer.evaluation.realism.comparison import paired_pictures


@pytest.fixture
def folder(tmp_path, otters):
    (tmp_path / "in").mkdir()
    for name in ("b.png", "a.jpg", "c.webp"):
        otters.crop((0, 0, 8, 8)).save(tmp_path / "in" / name)
    return tmp_path / "in"


def names(paths) -> list[str]:
    return [path.name for path in paths]


def test_a_list_says_what_is_held_out(folder):
    assert names(images.held_out_paths(folder)) == ["a.jpg", "b.png", "c.webp"]
    (folder / "validation.txt").write_text("c.webp\n\nb.png\n")
    assert names(images.held_out_paths(folder)) == ["b.png", "c.webp"]


@pytest.mark.parametrize(
    ("text", "problem", "reason"),
    [
        ("", ImageError, r"validation\.txt: names no pictures"),
        ("\n \n", ImageError, r"validation\.txt: names no pictures"),
        ("b.png\nabsent.png\n", FileError, r"validation\.txt: there is no absent\.png"),
    ],
)
def test_lists_that_name_nothing_or_what_is_not_there(text, problem, reason, folder):
    (folder / "validation.txt").write_text(text)
    with pytest.raises(problem, match=reason):
        images.held_out_paths(folder)


def test_every_format_that_is_read_is_found(folder, monkeypatch):
    """Those of packages too, where they are installed."""
    (folder / "d.heic").touch()
    monkeypatch.setattr(pixels, "PHOTOGRAPHS", pixels.SUFFIXES | {".heic"})
    assert "d.heic" in names(images.held_out_paths(folder))
    assert [*images.pictures_by_name(folder)] == ["a", "b", "c", "d"]
    assert "d.heic" in names(paired_pictures(folder, folder)[0])


def test_two_pictures_of_one_name_cannot_be_paired(folder):
    (folder / "a.png").touch()
    with pytest.raises(ImageError, match="in has two pictures called a"):
        paired_pictures(folder, folder)
