"""The pipeline for many pictures, with two workers of its own."""

import os
import subprocess
import sys

import pytest

import metamer
from tests.conftest import ROOT

pytest.importorskip("dask.distributed")


def bulk(*arguments) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-P", ROOT / "examples" / "bulk.py", *map(str, arguments)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )


def test_two_workers(tmp_path, otters):
    photos, out = tmp_path / "photos", tmp_path / "out"
    (photos / "trip").mkdir(parents=True)
    for index in range(6):
        otters.crop((9 * index, 0, 9 * index + 80, 64)).save(
            photos / f"{'trip/' * (index % 2)}{index}.png"
        )
    (photos / "bad.png").write_bytes(b"nothing")
    completed = bulk(photos, out, "--workers", 2, "--quality", 30)
    assert completed.returncode == 1 and completed.stdout == "6 of 7 encoded\n", completed.stderr
    assert "bad.png: is not a picture" in completed.stderr and "Traceback" not in completed.stderr
    streams = {
        str(path.relative_to(out).with_suffix(".png")): path.read_bytes()
        for path in out.rglob("*.mtm")
    }
    pictures = {str(path.relative_to(photos)) for path in photos.rglob("*.png")} - {"bad.png"}
    assert streams == {name: metamer.encode(photos / name, 30) for name in pictures}
    (photos / "bad.png").unlink()
    (out / "0.mtm").unlink()
    # the rest is there
    assert bulk(photos, out, "--workers", 1, "--quality", 30).stdout == "1 of 1 encoded\n"
