"""Progress in logs: a line now and then, none of a short run."""

from metamer.evaluation import progress


def test_lines_come_now_and_then(monkeypatch, capsys):
    clock = iter([0.0, 10.0, 31.0, 40.0, 62.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    assert list(progress.tracked("abcd", "point", "x")) == list("abcd")
    assert capsys.readouterr().err.splitlines() == [
        "x: 2 of 4 points, 00:31 gone, about 00:31 left",
        "x: 4 of 4 points, 01:02 gone, about 00:00 left",
    ]


def test_a_short_run_prints_nothing(capsys):
    with progress.progress(3, "point") as bar:
        bar.update(3)
    assert bar.n == 3 and capsys.readouterr().err == ""
