"""The script for borrowed minutes: packed, rehearsed, run, gone on with."""

import json
import subprocess
import sys

import pytest

from tests.conftest import ROOT, TINY_RECIPE

pytest.importorskip("webdataset")


def test_a_pack_is_trained_on_for_minutes(photographs, tiny_run, tmp_path):
    (tmp_path / "recipe.yaml").write_text(TINY_RECIPE)

    def budget(*arguments) -> str:
        script = ROOT / "research" / "experiments" / "budget.py"
        common_options = "--folder", tmp_path, "--start", tiny_run / "checkpoint.pt", "--recipe"
        command = [sys.executable, script, *arguments, *common_options, tmp_path / "recipe.yaml"]
        completed = subprocess.run(
            list(map(str, command)), cwd=ROOT, capture_output=True, timeout=500
        )
        assert completed.returncode == 0, completed.stderr.decode()
        return completed.stdout.decode()

    assert "1 held out" in budget("pack", photographs, "--max-bytes", 900_000)
    size = sum(path.stat().st_size for path in (tmp_path / "pack").iterdir())
    assert 0 < size <= 900_000
    printed = budget("rehearse")
    assert "nothing was written" in printed and "rehearsed: step" in printed
    assert not (tmp_path / "run").exists()
    assert "trained: step 60" in budget("run", "--minutes", "100")
    rows = (tmp_path / "run" / "log.jsonl").read_text().splitlines()
    assert json.loads(rows[-1])["step"] == 60
