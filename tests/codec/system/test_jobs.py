"""Several files at once: the same bytes as one after the other, failures named, nothing lost."""

import multiprocessing

import pytest

import metamer
from metamer.codec.errors import ImageError
from metamer.codec.system import jobs
from metamer.codec.system.jobs import Report
from tests.conftest import run_metamer
from tests.metamer.test_cli import error_line


def work(name: str) -> Report:
    if name == "bad":
        raise ImageError("is bad")
    if name == "wrong":
        raise KeyError("a mistake")
    if name == "stubborn":
        raise Stubborn(1, 2)
    return Report((name,) * (name == "b"))


class Stubborn(Exception):
    """Does not survive pickling."""

    def __init__(self, message, detail):
        super().__init__(message)


@pytest.fixture
def pictures(tmp_path, otters):
    for index in range(5):
        otters.crop((60 * index, 20 * index, 60 * index + 150 + index, 20 * index + 90)).save(
            tmp_path / f"{index}.png"
        )
    return sorted(tmp_path.glob("*.png"))


@pytest.mark.parametrize("count", [1, 2])
def test_outcomes(count):
    outcomes = list(jobs.outcomes(work, ["a", "bad", "b", "-"], count))
    by_name = {name: (report.notices, repr(problem)) for name, report, problem in outcomes}
    assert by_name == {
        "a": ((), "None"),
        "b": (("b",), "None"),
        "-": ((), "None"),
        "bad": ((), "ImageError('is bad')"),
    }
    assert all((report.seconds > 0) == (problem is None) for _, report, problem in outcomes)


@pytest.mark.parametrize("name, kind", [("wrong", KeyError), ("stubborn", RuntimeError)])
def test_mistakes_are_raised_with_where_they_arose(name, kind):
    with pytest.raises(kind) as raised:
        list(jobs.outcomes(work, ["a", name], 2))
    assert (
        "test_jobs.py" in raised.value.__notes__[0]
        if kind is KeyError
        else "test_jobs.py" in str(raised.value)
    )


def test_the_same_bytes(pictures, tmp_path):
    """Whatever the number of jobs and of threads."""
    assert run_metamer("encode", *pictures, "-o", tmp_path / "one").returncode == 0
    assert (
        run_metamer(
            "encode", *pictures, "-o", tmp_path / "three", "-j", 3, "--threads", 7
        ).returncode
        == 0
    )
    streams = {path.name: path.read_bytes() for path in (tmp_path / "one").iterdir()}
    assert len(streams) == 5 and streams == {
        path.name: path.read_bytes() for path in (tmp_path / "three").iterdir()
    }
    for path in pictures:
        assert {metamer.encode(path, threads=threads) for threads in (1, 2, 3)} == {
            streams[f"{path.stem}.mtm"]
        }
    for folder, count in (("one", 1), ("three", 2)):
        assert (
            run_metamer("decode", *(tmp_path / folder).glob("*.mtm"), "-j", count).returncode == 0
        )
    for path in (tmp_path / "one").glob("*.png"):
        assert path.read_bytes() == (tmp_path / "three" / path.name).read_bytes()


def test_a_failure_is_named_and_the_rest_done(pictures, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"nothing")
    line = error_line(
        run_metamer("encode", *pictures[:2], tmp_path / "bad.png", "-o", tmp_path / "out", "-j", 0)
    )
    assert "bad.png: is not a picture" in line and len(list((tmp_path / "out").iterdir())) == 2
    completed = run_metamer(
        "--debug", "encode", *pictures[:2], tmp_path / "bad.png", "-o", tmp_path / "more", "-j", 2
    )
    assert (
        completed.returncode == 1
        and b"encode_file" in completed.stderr
        and b"ImageError" in completed.stderr
    )


def test_standard_input_among_several(pictures, tmp_path):
    completed = run_metamer(
        "encode",
        "-",
        pictures[0],
        pictures[1],
        "-o",
        tmp_path / "out",
        "-j",
        2,
        input=pictures[2].read_bytes(),
    )
    assert completed.returncode == 0, completed.stderr
    assert (tmp_path / "out" / "stdin.mtm").read_bytes() == metamer.encode(pictures[2])
    assert len(list((tmp_path / "out").iterdir())) == 3


def test_a_worker_whose_pipe_closes_ends_without_complaint():
    context = multiprocessing.get_context("spawn")
    parent_end, child_end = context.Pipe()
    process = context.Process(target=jobs._serve, args=(child_end, work))
    process.start()
    child_end.close()
    parent_end.close()
    process.join(60)
    assert process.exitcode == 0  # 1 after a traceback
