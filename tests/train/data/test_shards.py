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


def plan(steps: range, start: int | None = None, share=slice(0, 5), batch=5) -> Plan:
    return Plan(SIDE, 3, batch, steps, share, steps.start * batch if start is None else start)


def test_every_picture_once_an_epoch(folder):
    samples = numbers(stream(folder, chunk=3000).batches(plan(range(16))))
    assert sorted(samples[:40]) == list(range(40)) == sorted(samples[40:])
    assert samples[:40] != samples[40:] and samples[:40] != sorted(samples[:40])
    assert samples == numbers(stream(folder, chunk=3000).batches(plan(range(16))))


def test_processes_share_the_samples(folder):
    all_samples = numbers(stream(folder).batches(plan(range(8))))
    shares = [
        numbers(stream(folder).batches(plan(range(8), share=share)))
        for share in (slice(0, 2), slice(2, 5))
    ]
    for step in range(8):
        assert all_samples[5 * step : 5 * step + 5] == [
            *shares[0][2 * step : 2 * step + 2],
            *shares[1][3 * step : 3 * step + 3],
        ]


@pytest.mark.parametrize("steps_done", [1, 7, 13])
def test_a_run_goes_on_with_the_same_sample(folder, steps_done):
    """From a mark, which reads no shard before it; and without one."""
    uninterrupted = list(stream(folder, chunk=3000).batches(plan(range(20))))
    stopped = stream(folder, chunk=3000)
    for _ in itertools.islice(stopped.batches(plan(range(steps_done))), steps_done):
        pass
    state, resumed_stream = stopped.state(5 * steps_done), stream(folder, chunk=3000)
    assert state["first"] > 5 * steps_done - 15
    opened, pictures = [], resumed_stream.shards.pictures
    resumed_stream.shards.pictures = lambda shard: opened.append(shard) or pictures(shard)
    resumed_stream.restore(state)
    for resumed in (resumed_stream, stream(folder, chunk=3000)):
        remaining = list(resumed.batches(plan(range(steps_done, 20))))
        for (crops, affines), (resumed_crops, resumed_affines) in zip(
            uninterrupted[steps_done:], remaining, strict=True
        ):
            assert torch.equal(crops, resumed_crops) and torch.equal(affines, resumed_affines)
    assert len(opened) < 10 if steps_done == 13 else opened


def test_what_is_held_out_is_not_trained_on(folder):
    samples = numbers(
        stream(folder, held_out=4).batches(plan(range(18), batch=4, share=slice(0, 4)))
    )
    assert sorted(samples[:36]) == list(range(4, 40)) == sorted(samples[36:])


def test_damaged_pictures_are_passed_over(tmp_path, capsys):
    write(
        tmp_path / "a.tar",
        {f"{n}.png": picture(n)[: 60 if n % 4 == 0 else None] for n in range(1, 9)},
    )
    shard = Stream(shards.open_shards([str(tmp_path / "a.tar")]), workers=2)
    samples = numbers(shard.batches(plan(range(4), batch=4, share=slice(0, 4))))
    assert {*samples} == {1, 2, 3, 5, 6, 7}
    assert sorted(line.split()[1].rstrip(":") for line in capsys.readouterr().err.splitlines()) == [
        f"{tmp_path}/a.tar/{n}.png" for n in (4, 8)
    ]


def test_small_shards_are_kept_as_a_folder_is(folder):
    """With what is held out in a file beside them."""
    data = open_data([folder])
    assert isinstance(data.training, Collection) and data.count == 40
    write(folder / "validation.tar", {"x.png": picture(99)})
    data = open_data([f"{folder}/{{000..001}}.tar"])
    assert data.count == 20 and [photograph.name for photograph in data.validation] == [
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
    ("spec", "message"),
    [
        ("{}/absent.tar", "absent.tar: no such file"),
        ("{}/text.tar", "text.tar cannot be read"),
        ("pipe:false {}", "cannot be read"),
        ("{}/empty.tar", "no readable photographs to train on"),
    ],
)
def test_what_is_no_shard(tmp_path, spec, message):
    (tmp_path / "text.tar").write_text("not a tar file" * 100)
    write(tmp_path / "empty.tar", {"readme.txt": b"nothing"})
    with pytest.raises(RecipeError, match=message):
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
    all_samples = numbers(data.training.batches(plan(range(9))))
    assert sorted(all_samples[:44]) == list(range(16, 60))
    resumed = open_data([f"hf:{tmp_path}:train:image"], before=data.state(20))
    assert numbers(resumed.training.batches(plan(range(4, 9)))) == all_samples[20:]
    for spec, message in (
        (f"hf:{tmp_path}:test", "test"),
        (f"hf:{tmp_path}:train:photo", "no column photo, but caption, image"),
        (f"hf:{tmp_path}/absent", "absent"),
    ):
        with pytest.raises(RecipeError, match=message):
            open_data([spec])
