"""Real commands, interrupted, killed, out of room: the old file or the complete new one, and
nothing beside it.
"""

import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import metamer
from tests.conftest import ROOT, run_metamer

COMMAND = [sys.executable, "-P", "-m", "metamer.cli"]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}


def start(*arguments, largest: int | None = None, **options) -> subprocess.Popen:
    """The command in a process group of its own, as a shell starts it. largest: file that it may
    write, in bytes.
    """

    def before() -> None:
        # what a shell starts in the background, these tests maybe, ignores it
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        if largest is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))

    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        env=ENVIRONMENT,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=before,
        **options,
    )


def until(condition) -> None:
    """Waits for it, for a minute at most."""
    for _ in range(3000):
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("did not happen")


def children(process: subprocess.Popen) -> list[int]:
    return [
        int(child)
        for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    ]


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture
def pictures(tmp_path, otters):
    """More than will be coded."""
    otters.save(tmp_path / "0.ppm")
    for index in range(1, 200):
        (tmp_path / f"{index}.ppm").symlink_to("0.ppm")
    return sorted(tmp_path.glob("*.ppm"))


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds children in /proc")
@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_signals(pictures, tmp_path, number, jobs):
    out = tmp_path / "out"
    process = start("encode", *pictures, "-o", out, "-j", jobs, "--threads", 1)
    until(lambda: out.exists() and any(out.iterdir()))
    helpers = children(process)
    assert len(helpers) >= jobs if jobs > 1 else not helpers
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as Ctrl-C in a terminal does
    else:
        process.send_signal(number)
    stderr = process.communicate(timeout=60)[1].decode()
    assert (
        process.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -9}[number]
    ), stderr
    assert stderr == ("metamer: interrupted\n" if number == signal.SIGINT else "")
    until(lambda: not any(map(running, helpers)))
    written = list(out.iterdir())
    assert 0 < len(written) < len(pictures)
    for path in written:
        assert path.suffix == ".mtm" and metamer.info(path).width == 736


def test_a_killed_worker_loses_one_file(pictures, tmp_path):
    out = tmp_path / "out"
    process = start("encode", *pictures[:12], "-o", out, "-j", 2, "--threads", 1)
    until(lambda: out.exists() and any(out.iterdir()))
    workers = [
        pid
        for pid in children(process)
        if b"resource_tracker" not in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    os.kill(workers[0], signal.SIGKILL)
    lines = process.communicate(timeout=120)[1].decode().splitlines()
    assert process.returncode == 1 and len(lines) == 1 and "process was killed" in lines[0]
    assert len(list(out.iterdir())) == 11


def test_killed_at_random_moments(tmp_path, otters):
    otters.crop((0, 0, 96, 64)).save(tmp_path / "a.png")
    target = tmp_path / "a.mtm"
    encodings = [metamer.encode(tmp_path / "a.png", quality) for quality in (20, 90)]
    target.write_bytes(encodings[0])
    for _ in range(6):
        process = start("encode", tmp_path / "a.png", "-q", 90, "--force")
        time.sleep(random.uniform(0.2, 0.9))
        process.kill()
        process.communicate()
        assert target.read_bytes() in encodings
        assert sum(path.suffix == ".mtm" for path in tmp_path.iterdir()) == 1
    assert run_metamer("encode", tmp_path / "a.png", "-q", 90, "--force").returncode == 0
    assert {path.name for path in tmp_path.iterdir()} == {"a.png", "a.mtm"}


def test_a_limit_on_file_size(tmp_path, otters):
    otters.save(tmp_path / "a.ppm")
    target = tmp_path / "a.mtm"
    target.write_bytes(b"old")
    process = start("encode", tmp_path / "a.ppm", "--force", largest=4096)
    stderr = process.communicate()[1].decode()
    assert (
        process.returncode == 1
        and stderr.count("\n") == 1
        and "cannot be written: file too large" in stderr
    )
    assert target.read_bytes() == b"old" and {path.name for path in tmp_path.iterdir()} == {
        "a.ppm",
        "a.mtm",
    }


@pytest.mark.parametrize(
    "options, reason", [("size=12k", "no space left on device"), ("ro", "read-only file system")]
)
def test_full_and_read_only_disks(tmp_path, otters, options, reason):
    """On a file system of its own, in a name space of its own."""
    otters.save(tmp_path / "a.ppm")
    (tmp_path / "disk").mkdir()
    unshare = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
    mount = f"mount -t tmpfs -o {options} none '{tmp_path}/disk'"
    if (
        not shutil.which("unshare")
        or subprocess.run([*unshare, mount], capture_output=True).returncode
    ):
        pytest.skip("no name spaces here")
    script = f"{mount} && \"$@\"; echo $?; ls -A '{tmp_path}/disk'"
    completed = subprocess.run(
        [
            *unshare,
            script,
            "sh",
            *COMMAND,
            "encode",
            tmp_path / "a.ppm",
            "-o",
            tmp_path / "disk" / "a.mtm",
        ],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
    )
    assert (
        completed.stdout == "1\n"
        and completed.stderr.count("\n") == 1
        and reason in completed.stderr
    ), completed.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_standard_output_that_is_full(otters, tmp_path):
    otters.crop((0, 0, 64, 64)).save(tmp_path / "a.png")
    with open("/dev/full", "wb") as full:
        process = start("encode", tmp_path / "a.png", "-o", "-", stdout=full)
        stderr = process.communicate()[1].decode()
    assert (
        process.returncode == 1
        and stderr.count("\n") == 1
        and "standard output cannot be written" in stderr
    )
