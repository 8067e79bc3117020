"""What is kept of a run of `metamer evaluate --bpp` is what the page reads."""

import json
from dataclasses import asdict

import pytest

from metamer.codec.errors import MetamerError
from metamer.evaluation.results import folders
from metamer.evaluation.results.summary import MeanInterval, RateSummary
from research import record

MEAN = {"psnr": MeanInterval(30.0, 29.0, 31.0)}


def write_run(folder, versions):
    """A run of as many codecs as there are versions, one picture each."""
    rows = [
        {
            "codec": f"codec{index}",
            "version": version,
            "setting": 10.0,
            "image": "a.png",
            "bytes": 100,
            "bpp": 0.3000001234,
            "encode_seconds": 0.5,
            "machine": "1234",
            "target": 0.3,
            "psnr": 30.12345678,
        }
        for index, version in enumerate(versions)
    ]
    summaries = [RateSummary(row["codec"], 0.3, 1, 0.3, 0.0, 0.0, MEAN, MEAN) for row in rows]
    run = {"date": "2026-12-01T00:00:00+00:00", "machine": {}}
    command = "metamer evaluate /home/a/kodak --codec x=base+/home/a/x.decoder --out runs/kodak"
    run |= {"command": command}
    texts = {
        "matched.jsonl": "".join(json.dumps(row) + "\n" for row in rows),
        "matched.json": json.dumps(list(map(asdict, summaries))),
        "runs.jsonl": json.dumps(run) + "\n",
    }
    for name, text in texts.items():
        (folder / name).write_text(text)


def test_rows_are_kept_without_what_is_of_one_machine(tmp_path):
    write_run(tmp_path, ["01", "02"])
    kept = json.loads(record.result_text(record.recorded("kodak", tmp_path)))
    commands = [run["command"] for run in kept["runs"]]
    assert commands == ["metamer evaluate kodak --codec x=base+x.decoder --out runs/kodak"]
    assert kept["rows"][1] == {
        "codec": "codec1",
        "version": "02",
        "setting": 10.0,
        "image": "a.png",
        "bytes": 100,
        "bpp": 0.3,
        "target": 0.3,
        "psnr": 30.1235,
    }


def test_summaries_are_kept_with_the_model_of_their_streams(tmp_path):
    write_run(tmp_path, ["01", "01 feedbeef 0.5"])
    kept = json.loads(record.result_text(record.recorded("realism", tmp_path)))
    assert kept["model"] == "01"
    assert folders.parse_summaries(kept["summaries"])[0].means == MEAN


def test_summaries_are_of_one_models_streams(tmp_path):
    write_run(tmp_path, ["01", "02"])
    with pytest.raises(MetamerError, match="decoders of one model are compared, not of 01, 02"):
        record.recorded("ablation", tmp_path)
