"""A run's log, as a run that goes on finds it."""

import os

import pytest

from metamer.train.run.log import Log


def opened(path, steps_taken: int) -> Log:
    return Log(path, path.with_name("checkpoint.pt"), 1, 10, steps_taken)


def test_half_a_line_of_a_killed_run_is_dropped(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text('{"step": 1, "loss": 0.5}\n{"step": 2, "loss": 0.25}\n{"step": 3, "lo')
    log = opened(path, 1)
    log.row(step=2, loss=0.125)
    log.close()
    assert path.read_text() == '{"step": 1, "loss": 0.5}\n{"step": 2, "loss": 0.125}\n'


def test_a_log_is_never_half_rewritten(tmp_path, monkeypatch):
    path = tmp_path / "log.jsonl"
    path.write_text(before := '{"step": 1}\n{"step": 2}\n')

    def killed(*_) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        opened(path, 1)
    assert path.read_text() == before
