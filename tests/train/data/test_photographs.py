"""Photographs in folders, and crops of them."""

import numpy as np
import pytest
import torch
from PIL import Image

from metamer.codec.errors import RecipeError
from metamer.codec.picture import load, pixels
from metamer.train.data import Batches, Crops, Photographs, Plan, centre_crops, find, open_data
from metamer.train.data.photographs import Recent


def test_every_format_is_read_and_listed_files_are_held_out(photographs):
    training, held_out = find(photographs)
    assert {path.suffix for path in training} == {".png", ".jpg", ".webp", ".avif", ".tiff"}
    assert [path.name for path in held_out] == ["crop5.png"]


def test_unreadable_files_are_named_and_skipped(tmp_path, capsys):
    Image.new("RGB", (120, 120)).save(tmp_path / "good.png")
    (tmp_path / "bad.jpg").write_bytes(b"not a picture")
    readable = Photographs(find(tmp_path)[0])
    assert len(readable) == 1
    assert "bad.jpg" in capsys.readouterr().err


def test_nothing_to_train_on(tmp_path):
    with pytest.raises(RecipeError, match="no readable photographs"):
        Crops(Photographs(find(tmp_path)[0]), 96, 0)
    with pytest.raises(RecipeError, match="no such folder"):
        find(tmp_path / "absent")


def test_crops_depend_only_on_seed_and_index(photographs):
    files = find(photographs)[0]
    in_memory, decoded = (
        Crops(Photographs(files), 96, 7),
        Crops(Photographs(files, memory=0), 96, 7),
    )
    other_seed = Crops(Photographs(files), 96, 8)
    for index in (0, 3, 12345678):
        assert torch.equal(in_memory[index], decoded[index])
        assert not torch.equal(in_memory[index], other_seed[index])


def test_names_with_spaces_are_held_out_and_wrong_ones_reported(tmp_path):
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
    held_out = Photographs(find(photographs)[1])
    piece = centre_crops(held_out, 256, 4)
    assert torch.equal(piece[0], held_out[0][:, 16:272, 12:268])
    assert centre_crops(held_out, 512, 4).shape == (0, 3, 512, 512)


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    levels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(levels)


@pytest.fixture
def many(tmp_path):
    """Forty pictures of many sizes; two of them are cut off in their pixels."""
    folder = tmp_path / "many"
    folder.mkdir()
    for index in range(40):
        noise(100 + index, 260 - index, index).save(folder / f"{index:02}.png")
    for index in (3, 17):
        file_bytes = (folder / f"{index:02}.png").read_bytes()
        (folder / f"{index:02}.png").write_bytes(file_bytes[: len(file_bytes) // 2])
    return folder


def test_only_headers_are_read_at_the_start(many, monkeypatch):
    """Of a folder that does not fit; sizes are those of the upright pictures."""
    noise(120, 200).save(
        many / "turned.jpg",
        exif=bytes.fromhex("4578696600004d4d002a00000008000101120003000000010006000000000000"),
    )
    decoded = Photographs(find(many)[0])
    monkeypatch.setattr(pixels, "read_rgb", None)  # what decodes
    headers = Photographs(find(many)[0], memory=0)
    sizes = dict(zip(headers.files, headers.sizes, strict=True))
    assert sizes[many / "turned.jpg"] == (120, 200)
    assert len(decoded) == len(headers) - 2
    assert {file: sizes[file] for file in decoded.files} == dict(
        zip(decoded.files, decoded.sizes, strict=True)
    )


def test_damaged_pictures_are_passed_over(many, capsys):
    """Where they are found out only when they are decoded: the same crops each time, each named
    once.
    """
    crops, crops_again = (Crops(Photographs(find(many)[0], memory=0), 64, 1) for _ in range(2))
    for index in range(300):
        assert torch.equal(crops[index], crops_again[index])
    lines = capsys.readouterr().err.splitlines()
    assert sorted(line.split()[1].rstrip(":") for line in lines) == sorted(
        str(many / name) for name in ("03.png", "17.png") for _ in range(2)
    )


def test_nothing_that_decodes(tmp_path):
    for name in "ab":
        noise(80, 80).save(tmp_path / f"{name}.png")
        (tmp_path / f"{name}.png").write_bytes((tmp_path / f"{name}.png").read_bytes()[:2000])
    with pytest.raises(RecipeError, match="none can be decoded"):
        Crops(Photographs(find(tmp_path)[0], memory=0), 64, 0)[0]


def test_batches_are_the_same_by_threads(photographs):
    """Decoded ahead, in order, or all kept: crops and colours are the same bits."""
    files, plan = find(photographs)[0], Plan(96, 5, 6, range(3, 9), slice(2, 6))
    in_memory, decoded = Photographs(files), Photographs(files, memory=300_000)
    assert in_memory.resident and not decoded.resident
    for batch, decoded_batch in zip(
        Batches(in_memory, plan), Batches(decoded, plan, workers=3), strict=True
    ):
        assert torch.equal(batch[0], decoded_batch[0]) and torch.equal(batch[1], decoded_batch[1])


def test_what_is_kept_is_bounded():
    recent, pictures = Recent(1000), [torch.zeros(3, 10, 10, dtype=torch.uint8) for _ in range(9)]
    for index, picture in enumerate(pictures):
        recent.keep(index, picture)
        recent.get(0)
    recent.keep(99, torch.zeros(3, 100, 100, dtype=torch.uint8))  # more than all that may be kept
    assert [index for index in range(100) if recent.get(index) is not None] == [0, 7, 8]


def test_a_thread_that_fails_ends_the_batches(many, monkeypatch):
    def broken(picture):
        raise ZeroDivisionError

    monkeypatch.setattr("metamer.train.data.photographs.decoded", broken)
    with pytest.raises(ZeroDivisionError):
        next(
            iter(
                Batches(Photographs(find(many)[0], memory=0), Plan(64, 0, 4, range(9), slice(0, 4)))
            )
        )


@pytest.mark.parametrize("package, suffix", [("pillow_heif", ".heic"), ("pillow_jxl", ".jxl")])
def test_formats_of_packages_count(tmp_path, package, suffix):
    plugin = pytest.importorskip(package)
    if package == "pillow_heif":
        plugin.register_heif_opener()
    noise(96, 128).save(tmp_path / f"photo{suffix}")
    (file,) = find(tmp_path)[0]
    assert load.upright_size(file) == (96, 128)
    assert Photographs([file])[0].shape == (3, 128, 96)


def test_photographs_are_set_aside_where_nobody_chose(many, photographs):
    """One in twenty, those large enough, spread evenly; the same when the run goes on, and none of
    a run from before.
    """
    for index in range(20):
        noise(256, 256, index).save(many / f"large{index:02}.png")
    data = open_data([many])
    assert data.set_aside == ["many/large00.png", "many/large09.png", "many/large19.png"]
    assert [file.name for file in data.validation] == [
        "large00.png",
        "large09.png",
        "large19.png",
    ]
    assert data.notice.startswith("3 of 60 photographs are set aside for validation")
    trained_on = {file.name for file in data.training.photographs.files}
    assert len(trained_on) == 55 and not trained_on & {"large00.png", "large09.png", "large19.png"}
    noise(300, 300).save(many / "another.png")
    assert open_data([many], before=data.state(0)).set_aside == data.set_aside
    assert open_data([many], before={}).validation == []
    without_list = open_data([photographs])
    assert [file.name for file in without_list.validation] == [
        "crop5.png"
    ] and not without_list.notice
