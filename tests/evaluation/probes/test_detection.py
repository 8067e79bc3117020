"""The study of detection: verdicts kept, agreement worked out right, figure and record written."""

import json

import numpy as np
import pytest
import torch

from metamer.codec.errors import FileError, ImageError
from metamer.codec.system import json_lines
from metamer.evaluation.probes import detection
from metamer.evaluation.probes.detection import DetectionRow, agreement_with_teacher
from metamer.perception import create
from metamer.perception.distances.visibility import JND_PER_JOD


@pytest.fixture
def photo(tmp_path, otters):
    otters.crop((60, 60, 380, 380)).save(tmp_path / "otters.png")
    return tmp_path / "otters.png"


@pytest.fixture
def quick(monkeypatch):
    """Few qualities of small pictures."""
    monkeypatch.setattr(detection, "QUALITIES", {"jpeg": (5, 40, 90), "codec": (0, 50, 100)})
    monkeypatch.setattr(detection, "SIDE", 64)
    monkeypatch.setattr(detection, "SAMPLES", 20)


def rows(predicted, teacher) -> list[DetectionRow]:
    pairs = enumerate(zip(predicted, teacher, strict=True))
    return [
        DetectionRow(str(index // 4), "jpeg", index, float(predicted), float(teacher))
        for index, (predicted, teacher) in pairs
    ]


def test_a_study_writes_its_record_and_figure(quick, photo, tmp_path):
    table = detection.study_detection([photo], tmp_path / "out", create("mse"))
    assert (
        table.splitlines()[2].startswith("| both | 6 |")
        and "| JPEG | 3 |" in table
        and "| this codec | 3 |" in table
    )
    record = json.loads((tmp_path / "out" / "detection.json").read_text())
    probabilities = {(row["kind"], row["quality"]): row["teacher"] for row in record["rows"]}
    assert (
        probabilities["jpeg", 5] > probabilities["jpeg", 40] > probabilities["jpeg", 90]
        and probabilities["codec", 0] > probabilities["codec", 100]
    )
    # squared error orders one photograph's JPEGs as the teacher does
    assert record["agreement"][1]["within"][0] == 1
    assert (tmp_path / "out" / "detection.png").stat().st_size > 10_000


def test_the_teachers_verdicts_are_kept(quick, photo, tmp_path, monkeypatch):
    computed = list(detection.detection_rows([photo], create("mse"), tmp_path / "out"))
    notes = tmp_path / "out" / detection.TEACHER_FILE
    notes.write_text(notes.read_text() + '["half a li')
    teacher = create("cvvdp")
    monkeypatch.setattr(teacher, "loss", lambda *_: pytest.fail("asked again"))
    monkeypatch.setattr(detection, "create", lambda _: teacher)
    assert list(detection.detection_rows([photo], create("mse"), tmp_path / "out")) == computed
    assert len(json_lines.read_lines(notes)) == len(computed)


def test_damaged_notes_and_small_photographs_are_named(quick, photo, tmp_path, otters):
    (tmp_path / detection.TEACHER_FILE).write_text("nonsense\n")
    with pytest.raises(FileError, match=r"teacher\.jsonl: line 1 is damaged"):
        json_lines.read_lines(tmp_path / detection.TEACHER_FILE)
    otters.crop((0, 0, 60, 200)).save(tmp_path / "narrow.png")
    with pytest.raises(ImageError, match=r"narrow\.png"):
        list(detection.detection_rows([tmp_path / "narrow.png"], create("mse"), tmp_path / "out"))


def test_agreement_of_perfect_and_of_reversed_predictions(rng):
    teacher = rng.random(24)
    perfect = agreement_with_teacher(rows(teacher, teacher), "all")
    assert (
        perfect.pearson == pytest.approx((1, 1, 1))
        and perfect.within == (1, 1, 1)
        and perfect.error == (0, 0, 0)
    )
    reversed_ = agreement_with_teacher(rows(1 - teacher, teacher), "all")
    assert reversed_.spearman == pytest.approx((-1, -1, -1))
    assert reversed_.error[0] == pytest.approx(np.abs(1 - 2 * teacher).mean())


def test_within_a_photograph_differences_between_photographs_do_not_count(rng):
    teacher = np.tile([0.1, 0.2, 0.3, 0.4], 6)
    predicted = teacher + np.repeat(rng.random(6), 4)
    verdict = agreement_with_teacher(rows(predicted, teacher), "all")
    assert verdict.within[0] == 1 and verdict.spearman[0] < 1


def test_probabilities_of_the_teacher_come_from_its_jod(quick, photo, tmp_path):
    (row, *_) = detection.detection_rows([photo], create("mse"), tmp_path / "out")
    jod = json_lines.read_lines(tmp_path / "out" / detection.TEACHER_FILE)[0][1]
    assert row.teacher == pytest.approx(
        torch.erf(torch.tensor(JND_PER_JOD * jod / 1.4826 / 2**0.5)).item()
    )
