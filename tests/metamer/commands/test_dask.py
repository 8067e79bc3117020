"""`--dask`: the work of a command done by a cluster's workers, one of them here."""

import json

import pytest

from tests.conftest import inside

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def scheduler():
    """A scheduler's address, with a worker in this process."""
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
    ) as cluster:
        yield cluster.scheduler_address


def test_streams_are_those_of_one_process(scheduler, otters, tmp_path, monkeypatch):
    """By relative names too; what cannot be encoded is named, and ends with status 1."""
    names = []
    for index in range(5):
        names.append(f"{index}.png")
        otters.crop((9 * index, 0, 9 * index + 80, 64)).save(tmp_path / names[-1])
    (tmp_path / "bad.png").write_bytes(b"nothing")
    monkeypatch.chdir(tmp_path)
    assert inside("encode", *names, "-q", 30, "-o", "here/").returncode == 0
    completed = inside("encode", *names, "bad.png", "-q", 30, "-o", "there/", "--dask", scheduler)
    assert completed.returncode == 1
    (line,) = completed.stderr.decode().splitlines()
    assert "bad.png: is not a picture" in line
    for name in names:
        stream = name.replace("png", "mtm")
        assert (tmp_path / "here" / stream).read_bytes() == (
            tmp_path / "there" / stream
        ).read_bytes()


def test_measurements_are_those_of_one_process(scheduler, otters, tmp_path):
    """But for seconds; an interrupted run goes on."""
    (tmp_path / "pictures").mkdir()
    for index in range(2):
        otters.crop((9 * index, 0, 9 * index + 96, 64)).save(tmp_path / "pictures" / f"{index}.png")
    options = "--codec", "jpeg", "--quality", "20,80", "-m", "psnr"
    rows_of = {}
    for name, scheduler_options in (("here", ()), ("there", ("--dask", scheduler))):
        completed = inside(
            "evaluate",
            tmp_path / "pictures",
            *options,
            "--out",
            tmp_path / name,
            *scheduler_options,
        )
        assert completed.returncode == 0, completed.stderr.decode()
        rows = [
            json.loads(line)
            for line in (tmp_path / name / "results.jsonl").read_text().splitlines()
        ]
        rows_of[name] = {
            (row["image"], row["setting"]): (row["bytes"], row["bpp"], row["psnr"], row["machine"])
            for row in rows
        }
    assert rows_of["here"] == rows_of["there"] and len(rows_of["here"]) == 4
    before = (tmp_path / "there" / "results.jsonl").read_text()
    inside(
        "evaluate",
        tmp_path / "pictures",
        *options,
        "--out",
        tmp_path / "there",
        "--dask",
        scheduler,
    )
    assert (tmp_path / "there" / "results.jsonl").read_text() == before


def test_no_scheduler_is_one_line(otters, tmp_path, monkeypatch):
    monkeypatch.setattr("metamer.codec.system.cluster.WAIT", "1s")
    otters.save(tmp_path / "a.png")
    completed = inside("encode", tmp_path / "a.png", "--dask", "tcp://127.0.0.1:9")
    assert (
        completed.returncode == 1 and b"no Dask scheduler at tcp://127.0.0.1:9" in completed.stderr
    )
    assert len(completed.stderr.splitlines()) == 1
    completed = inside("encode", "-", "--dask", "tcp://127.0.0.1:9")
    assert completed.returncode == 2
