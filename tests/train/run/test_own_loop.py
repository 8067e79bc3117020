"""The loop in examples/own_loop.py."""

import importlib.util
import statistics

from tests.conftest import ROOT


def test_a_loop_of_ones_own_learns(photographs):
    path = ROOT / "examples" / "own_loop.py"
    spec = importlib.util.spec_from_file_location("own_loop", path)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    losses = example.train(str(photographs), steps=40, batch=4)
    assert len(losses) == 40
    assert statistics.fmean(losses[-5:]) < 0.9 * statistics.fmean(losses[:5])
    # the loop itself stays short
    code = path.read_text().partition("def train(")[2].partition("return losses")[0]
    assert len([line for line in code.splitlines() if line.strip()]) <= 25
