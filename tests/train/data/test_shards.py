"""Shards: WebDataset's and Hugging Face's, in order, resumed, damaged."""

import io
import itertools
import tarfile

import pytest
import torch
from PIL import Image

from metamer.codec.errors import RecipeError
from metamer.train.data import Plan, open_data, shards
from metamer.train.data.opening import Collection
from metamer.train.data.streams import Stream

pytest.importorskip("webdataset")
SIDE = 64


def picture(number: int) -> bytes:
    """A PNG, all of whose pixels tell its number."""
    buffer = io.BytesIO()
    Image.new("RGB", (72 + number % 5, 80), (number, 7 * number % 256, 99)).save(buffer, "PNG")
    return buffer.getvalue()


def write(path, members: dict[str, bytes]) -> None:
    with tarfile.open(path, "w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


@pytest.fixture
def folder(tmp_path):
    """Four shards of ten pictures, with a caption each."""
    for shard in range(4):
        members = {}
        for number in range(10 * shard, 10 * shard + 10):
            members |= {f"{number:03}.png": picture(number), f"{number:03}.txt": b"a caption"}
        write(tmp_path / f"{shard:03}.tar", members)
    return tmp_path


def stream(folder, **options) -> Stream:
    return Stream(shards.open_shards([f"{folder}/{{000..003}}.tar"]), workers=2, **options)


def numbers(batches) -> list[int]:
    """The pictures that crops are of."""
    return [int(crop[0, 0, 0]) for crops, _ in batches for crop in crops]


def plan(steps: range, taken: int | None = None, own=slice(0, 5), batch=5) -> Plan:
    return Plan(SIDE, 3, batch, steps, own, steps.start * batch if taken is None else taken)


def test_every_picture_once_an_epoch(folder):
    seen = numbers(stream(folder, chunk=3000).batches(plan(range(16))))
    assert sorted(seen[:40]) == list(range(40)) == sorted(seen[40:])
    assert seen[:40] != seen[40:] and seen[:40] != sorted(seen[:40])
    assert seen == numbers(stream(folder, chunk=3000).batches(plan(range(16))))


def test_processes_share_the_samples(folder):
    whole = numbers(stream(folder).batches(plan(range(8))))
    shares = [
        numbers(stream(folder).batches(plan(range(8), own=own)))
        for own in (slice(0, 2), slice(2, 5))
    ]
    for step in range(8):
        assert whole[5 * step : 5 * step + 5] == [
            *shares[0][2 * step : 2 * step + 2],
            *shares[1][3 * step : 3 * step + 3],
        ]


@pytest.mark.parametrize("done", [1, 7, 13])
def test_a_run_goes_on_with_the_same_sample(folder, done):
    """From a mark, which reads no shard before it; and without one."""
    whole = list(stream(folder, chunk=3000).batches(plan(range(20))))
    first = stream(folder, chunk=3000)
    for _ in itertools.islice(first.batches(plan(range(done))), done):
        pass
    state, second = first.state(5 * done), stream(folder, chunk=3000)
    assert state["first"] > 5 * done - 15
    opened, pictures = [], second.shards.pictures
    second.shards.pictures = lambda shard: opened.append(shard) or pictures(shard)
    second.restore(state)
    for resumed in (second, stream(folder, chunk=3000)):
        rest = list(resumed.batches(plan(range(done, 20))))
        for (crops, affines), (others, theirs) in zip(whole[done:], rest, strict=True):
            assert torch.equal(crops, others) and torch.equal(affines, theirs)
    assert len(opened) < 10 if done == 13 else opened


def test_what_is_held_out_is_not_trained_on(folder):
    seen = numbers(stream(folder, held_out=4).batches(plan(range(18), batch=4, own=slice(0, 4))))
    assert sorted(seen[:36]) == list(range(4, 40)) == sorted(seen[36:])


def test_damaged_pictures_are_passed_over(tmp_path, capsys):
    write(
        tmp_path / "a.tar",
        {f"{n}.png": picture(n)[: 60 if n % 4 == 0 else None] for n in range(1, 9)},
    )
    shard = Stream(shards.open_shards([str(tmp_path / "a.tar")]), workers=2)
    seen = numbers(shard.batches(plan(range(4), batch=4, own=slice(0, 4))))
    assert {*seen} == {1, 2, 3, 5, 6, 7}
    assert sorted(line.split()[1].rstrip(":") for line in capsys.readouterr().err.splitlines()) == [
        f"{tmp_path}/a.tar/{n}.png" for n in (4, 8)
    ]


def test_small_shards_are_kept_as_a_folder_is(folder):
    """With what is held out in a file beside them."""
    data = open_data([folder])
    assert isinstance(data.training, Collection) and data.count == 40
    write(folder / "validation.tar", {"x.png": picture(99)})
    data = open_data([f"{folder}/{{000..001}}.tar"])
    assert data.count == 20 and [held.name for held in data.validation] == [
        f"{folder}/validation.tar/x.png"
    ]


def test_a_command_is_a_shard(folder):
    """It ends early where not all is read, which is no error."""
    data = open_data([f"pipe:cat {folder}/000.tar"])
    assert data.set_aside == [f"pipe:cat {folder}/000.tar/{n:03}.png" for n in range(10)]
    with pytest.raises(RecipeError, match="no pictures to train on"):  # all are held out
        next(data.training.batches(plan(range(1))))
    data = open_data([f"pipe:cat {folder}/00*.tar"] * 2)
    assert len(data.validation) == 10  # tar ends where its first archive does


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("{}/absent.tar", "absent.tar: no such file"),
        ("{}/text.tar", "text.tar cannot be read"),
        ("pipe:false {}", "cannot be read"),
        ("{}/empty.tar", "no readable photographs to train on"),
    ],
)
def test_what_is_no_shard(tmp_path, spec, said):
    (tmp_path / "text.tar").write_text("not a tar file" * 100)
    write(tmp_path / "empty.tar", {"readme.txt": b"nothing"})
    with pytest.raises(RecipeError, match=said):
        list(open_data([spec.format(tmp_path)]).training.batches(plan(range(1))))


def test_folders_and_shards_do_not_go_together(folder, photographs):
    with pytest.raises(RecipeError, match="metamer data pack"):
        open_data([folder, photographs])


def test_a_dataset_of_hugging_face(tmp_path):
    """Streamed from files here, as from the hub: parts, a column by name, held out, resumed."""
    datasets = pytest.importorskip("datasets")
    for part in range(3):
        rows = [picture(number) for number in range(20 * part, 20 * part + 20)]
        table = {"caption": ["x"] * 20, "image": [{"bytes": row, "path": None} for row in rows]}
        features = datasets.Features(
            {"caption": datasets.Value("string"), "image": datasets.Image()}
        )
        datasets.Dataset.from_dict(table, features).to_parquet(tmp_path / f"train-{part}.parquet")
    data = open_data([f"hf:{tmp_path}"])
    assert len(data.training.shards.names) == 3 and len(data.validation) == 16
    whole = numbers(data.training.batches(plan(range(9))))
    assert sorted(whole[:44]) == list(range(16, 60))
    resumed = open_data([f"hf:{tmp_path}:train:image"], before=data.state(20))
    assert numbers(resumed.training.batches(plan(range(4, 9)))) == whole[20:]
    for spec, said in (
        (f"hf:{tmp_path}:test", "test"),
        (f"hf:{tmp_path}:train:photo", "no column photo, but caption, image"),
        (f"hf:{tmp_path}/absent", "absent"),
    ):
        with pytest.raises(RecipeError, match=said):
            open_data([spec])
