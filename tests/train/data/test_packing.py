"""Folders packed into shards, and trained on."""

import io
import tarfile

import numpy as np
import pytest
import torch
from PIL import Image

from metamer.train.data import Photographs, find, open_data
from metamer.train.data.packing import pieces
from tests.conftest import inside

pytest.importorskip("webdataset")


def pack(*arguments) -> str:
    completed = inside("data", "pack", *arguments)
    assert completed.returncode == 0, completed.stderr.decode()
    return completed.stdout.decode()


def members(path) -> dict[str, bytes]:
    with tarfile.open(path) as archive:
        return {info.name: archive.extractfile(info).read() for info in archive}


def test_files_are_packed_as_they_are(photographs, tmp_path):
    stdout = pack(photographs, "--out", tmp_path / "shards", "--shard-bytes", 100_000)
    shards = sorted((tmp_path / "shards").glob("0*.tar"))
    assert len(shards) > 1 and f"5 pictures in {len(shards)} shards, 1 held out" in stdout
    packed = [data for shard in shards for data in members(shard).values()]
    training, held_out = find(photographs)
    assert sorted(packed) == sorted(path.read_bytes() for path in training)
    assert [*members(tmp_path / "shards" / "validation.tar").values()] == [held_out[0].read_bytes()]
    data = open_data([tmp_path / "shards"])
    assert data.count == 5 and len(data.validation) == 1
    expected = {
        picture.numpy().tobytes() for picture in map(Photographs(training).__getitem__, range(5))
    }
    photos = data.training.photographs
    assert {photos[index].numpy().tobytes() for index in range(5)} == expected


def test_the_same_folder_packs_to_the_same_bytes(photographs, tmp_path):
    for name in ("one", "other"):
        pack(photographs, "--out", tmp_path / name, "--side", 128)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "other" / path.name).read_bytes()


def test_pieces_are_without_loss_and_cover_the_picture(photographs, tmp_path):
    pack(photographs, "--out", tmp_path / "shards", "--side", 128)
    packed = members(tmp_path / "shards" / "000000.tar")
    cut_pieces = [Image.open(io.BytesIO(data)) for data in packed.values()]
    assert len(cut_pieces) == 5 * 9 and {max(piece.size) <= 128 for piece in cut_pieces} == {True}
    originals = Photographs(find(photographs)[0])
    assert sum(piece.width * piece.height for piece in cut_pieces) == sum(
        h * w for h, w in originals.sizes
    )
    original = originals[0].permute(1, 2, 0).numpy()
    places = [
        original[top:bottom, left:right].tobytes()
        for left, top, right, bottom in pieces((288, 280), 128)
    ]
    assert {*places} <= {np.asarray(piece).tobytes() for piece in cut_pieces}


@pytest.mark.parametrize("max_bytes", [60_000, 200_000])
def test_packs_stay_within_their_limit_of_bytes(photographs, tmp_path, max_bytes):
    """Of every photograph first one piece."""
    stdout = pack(
        photographs,
        "--out",
        tmp_path / "s",
        "--side",
        96,
        "--quality",
        90,
        "--max-bytes",
        max_bytes,
        "--shard-bytes",
        70_000,
    )
    size = sum(path.stat().st_size for path in (tmp_path / "s").glob("*.tar"))
    assert 0.6 * max_bytes < size <= max_bytes and f"{size / 1e6:.1f} MB" in stdout


def test_what_cannot_be_packed(photographs, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x.tar").write_bytes(b"")
    for arguments, status, message in (
        ((tmp_path / "empty", "--out", tmp_path / "a"), 1, "no picture was packed"),
        ((photographs, "--out", tmp_path / "full"), 1, "holds shards already"),
        ((photographs, "--out", tmp_path / "b", "--quality", 5), 2, "--quality goes with --side"),
        ((photographs, "--out", tmp_path / "c", "--max-bytes", 99), 1, "none that fits"),
    ):
        completed = inside("data", "pack", *arguments)
        assert completed.returncode == status and message in completed.stderr.decode()


def test_a_shard_gives_the_crops_that_its_pictures_give(photographs, tmp_path):
    """Whatever the order they were packed in, a pack is one collection."""
    pack(photographs, "--out", tmp_path / "shards", "--side", 4096)
    data = open_data([tmp_path / "shards"])
    assert torch.equal(
        next(data.training.crops(96, 3, 1)),
        next(open_data([tmp_path / "shards"]).training.crops(96, 3, 1)),
    )
