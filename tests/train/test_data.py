"""Photographs and crops."""

import numpy as np
import pytest
import torch
from PIL import Image

from metamer.codec.errors import RecipeError
from metamer.train.data import Crops, Photographs, centre_crops, find


def test_every_format_is_found_and_the_list_held_out(photographs):
    training, held = find(photographs)
    assert {path.suffix for path in training} == {".png", ".jpg", ".webp", ".avif", ".tiff"}
    assert [path.name for path in held] == ["crop5.png"]


def test_unreadable_files_are_named_and_skipped(tmp_path, capsys):
    Image.new("RGB", (120, 120)).save(tmp_path / "good.png")
    (tmp_path / "bad.jpg").write_bytes(b"not a picture")
    found = Photographs(find(tmp_path)[0])
    assert len(found) == 1
    assert "bad.jpg" in capsys.readouterr().err


def test_nothing_to_train_on(tmp_path):
    with pytest.raises(RecipeError, match="no readable photographs"):
        Crops(Photographs(find(tmp_path)[0]), 96, 0)
    with pytest.raises(RecipeError, match="no such folder"):
        find(tmp_path / "absent")


def test_crops_depend_on_seed_and_index_alone(photographs):
    files = find(photographs)[0]
    kept, decoded = Crops(Photographs(files), 96, 7), Crops(Photographs(files, memory=0), 96, 7)
    other = Crops(Photographs(files), 96, 8)
    for index in (0, 3, 12345678):
        assert torch.equal(kept[index], decoded[index])
        assert not torch.equal(kept[index], other[index])


def test_names_with_spaces_are_held_out_and_wrong_ones_told(tmp_path):
    Image.new("RGB", (120, 120)).save(tmp_path / "my photo.png")
    (tmp_path / "validation.txt").write_text("my photo.png\n")
    assert [path.name for path in find(tmp_path)[1]] == ["my photo.png"]
    (tmp_path / "validation.txt").write_text("absent.png\n")
    with pytest.raises(RecipeError, match=r"absent\.png"):
        find(tmp_path)


def test_small_pictures_are_enlarged(tmp_path):
    Image.fromarray(np.arange(40 * 60 * 3, dtype=np.uint8).reshape(40, 60, 3)).save(
        tmp_path / "small.png"
    )
    assert Crops(Photographs(find(tmp_path)[0]), 96, 0)[5].shape == (3, 96, 96)


def test_centre_crops_take_the_middle(photographs):
    held = Photographs(find(photographs)[1])
    piece = centre_crops(held, 256, 4)
    assert torch.equal(piece[0], held[0][:, 16:272, 12:268])
    assert centre_crops(held, 512, 4).shape == (0, 3, 512, 512)
