"""Files whole or not at all: in process, with several writers, and killed at any moment."""

import os
import random
import signal
import subprocess
import sys
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metamer.codec.errors import FileError
from metamer.codec.system import atomic, files
from tests.conftest import ROOT

SIZES = 1 << 20, 3 << 19
CONTENTS = [bytes([1]) * SIZES[0], bytes([2]) * SIZES[1]]
REWRITE = """
import sys
from pathlib import Path
from metamer.codec.system import atomic
if sys.argv[2] == "named": atomic._nameless = lambda folder: None
print(flush=True)
while True:
    for value, size in ((1, 1 << 20), (2, 3 << 19)): atomic.write_atomically(Path(sys.argv[1]), bytes([value]) * size)
"""


@pytest.fixture(params=["nameless", "named"])
def way(request, monkeypatch):
    """How systems with and without nameless files do it."""
    if request.param == "named":
        monkeypatch.setattr(atomic, "_nameless", lambda folder: None)
    return request.param


def test_new_and_replaced(way, tmp_path):
    target = tmp_path / "a.mtm"
    old = os.umask(0o027)
    try:
        files.write_file(str(target), b"one")
    finally:
        os.umask(old)
    assert target.read_bytes() == b"one" and target.stat().st_mode & 0o777 == 0o640
    target.chmod(0o604)
    files.write_file(str(target), b"two")
    assert target.read_bytes() == b"two" and target.stat().st_mode & 0o777 == 0o604
    assert list(tmp_path.iterdir()) == [target]


def test_links_stay_links(way, tmp_path):
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    files.write_file(str(tmp_path / "link"), b"new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real").read_bytes() == b"new"


def test_what_was_left_goes(way, tmp_path):
    target = tmp_path / "a.mtm"
    # new and replaced; what stands under the final name alone needs no other
    for content in (b"one", b"two"):
        atomic.part_path(target).write_bytes(b"left by another")
        files.write_file(str(target), content)
        assert target.read_bytes() == content
    assert list(tmp_path.iterdir()) == [target]


def test_what_was_left_goes_when_a_new_file_is_written(way, tmp_path):
    atomic.part_path(tmp_path / "a.mtm").write_bytes(b"left by another")
    files.write_file(str(tmp_path / "a.mtm"), b"one")
    assert list(tmp_path.iterdir()) == [tmp_path / "a.mtm"]


@given(
    st.text(
        st.characters(blacklist_characters="/\0", blacklist_categories=("Cs",)),
        min_size=1,
        max_size=255,
    )
)
def test_temporary_names_are_short_and_differ(name):
    path = atomic.Path("folder", name)
    temporary = atomic.part_path(path)
    assert (
        temporary.parent == path.parent
        and temporary.name != name
        and len(os.fsencode(temporary.name)) <= 255
    )
    assert temporary != atomic.part_path(path.with_name(name + "x"))


def test_a_failure_leaves_the_old_file(way, tmp_path, monkeypatch):
    target = tmp_path / "a.mtm"
    target.write_bytes(b"old")

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FileError, match=r"a\.mtm cannot be written: no space left on device"):
        files.write_file(str(target), b"new")
    assert target.read_bytes() == b"old" and list(tmp_path.iterdir()) == [target]


def test_many_writers_of_one_file(way, tmp_path):
    target = tmp_path / "a.mtm"
    problems = []

    def write(value):
        try:
            for _ in range(10):
                atomic.write_atomically(target, bytes([value]) * 5000)
        except OSError as problem:
            problems.append(problem)

    threads = [threading.Thread(target=write, args=(value,)) for value in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    data = target.read_bytes()
    assert not problems and len(data) == 5000 and len(set(data)) == 1
    assert list(tmp_path.iterdir()) == [target]


def test_killed_between_name_and_place(tmp_path):
    """The one moment when something can be left beside an old file; the next to write it
    clears up.
    """
    target = tmp_path / "a.mtm"
    target.write_bytes(b"old")
    script = (
        "import os, sys; from metamer.codec.system import atomic; os.replace = lambda *_: "
        "os.kill(os.getpid(), 9)\n"
        "atomic.write_atomically(atomic.Path(sys.argv[1]), b'new')"
    )
    completed = subprocess.run(
        [sys.executable, "-P", "-c", script, target], env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    assert completed.returncode == -signal.SIGKILL
    assert target.read_bytes() == b"old" and set(tmp_path.iterdir()) == {
        target,
        atomic.part_path(target),
    }
    atomic.write_atomically(target, b"newer")
    assert target.read_bytes() == b"newer" and list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("way", ["nameless", "named"])
def test_killed_at_any_moment(way, tmp_path):
    target = tmp_path / "a.mtm"
    for round_ in range(12):
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", REWRITE, target, way],
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        process.stdout.readline()
        time.sleep(random.uniform(0, 0.03))
        process.kill()
        process.communicate()
        assert not target.exists() or target.read_bytes() in CONTENTS, round_
        assert {*tmp_path.iterdir()} <= {target, atomic.part_path(target)}
        if round_ % 4 == 0:
            target.unlink(missing_ok=True)
    atomic.write_atomically(target, b"last")
    assert list(tmp_path.iterdir()) == [target]


def test_systems_without_nameless_files(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert atomic._nameless(tmp_path) is None
    atomic.write_atomically(tmp_path / "a.mtm", b"new")
    assert (tmp_path / "a.mtm").read_bytes() == b"new" and list(tmp_path.iterdir()) == [
        tmp_path / "a.mtm"
    ]


def test_what_another_removed_first_is_no_matter(tmp_path):
    atomic._discard(tmp_path / "absent.part")
    assert not list(tmp_path.iterdir())


def test_devices_are_written_to_and_closed_pipes_are_distinguished(monkeypatch):
    files.write_file(os.devnull, b"nothing")
    assert not os.path.isfile(os.devnull)

    class Closed:
        def write(self, data):
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", type("Output", (), {"buffer": Closed()}))
    with pytest.raises(BrokenPipeError):  # which the command passes over in silence
        files.write_file(files.STREAM, b"x")


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(FileError, match="file/new/: not a directory"):
        files.target_for("a.png", f"{tmp_path}/file/new/", ".mtm", False)
