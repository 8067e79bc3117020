"""Keeps what `metamer evaluate --bpp` wrote, for research/POINTS.md:

    python -m research.record NAME OUT

NAME: kodak, ablation or realism; OUT: the folder that `metamer evaluate` wrote. Writes
research/results/train/NAME.json: `rows` of single pictures, without what is of one machine alone, or
the `summaries` of decoders of one model's streams; and `runs`, which say by which command, when and
where.
"""

import json
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from metamer.codec.errors import MetamerError
from metamer.codec.system import files, json_lines
from metamer.evaluation.measure.rows import Row
from metamer.evaluation.measure.runs import RUNS, Run, read_runs
from metamer.evaluation.results.folders import distance_labels, latest_rows
from research.recorded_results import result_path

KEPT = {"kodak": "rows", "ablation": "summaries", "realism": "summaries"}
ROW_FIELDS = ("codec", "version", "setting", "image", "bytes", "bpp", "target")
ABSOLUTE_FOLDER = re.compile(r"(?<![\w./])/(?:[^/]+/)*(?=[^/])")  # also behind `NAME=`
DIGITS = 6  # significant ones of what is kept


def kept_row(row: Row, labels: Sequence[str]) -> Row:
    """A row's fields that every machine gives alike, and its distances."""
    fields = {key: row[key] for key in (*ROW_FIELDS, *labels)}
    return {
        key: float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value
        for key, value in fields.items()
    }


def streams_model(rows: Sequence[Row]) -> str:
    """The id of the model whose streams all rows are of.

    Raises:
        MetamerError: They are of several.
    """
    ids = {row["version"].partition(" ")[0] for row in rows}
    if len(ids) != 1:
        raise MetamerError(f"decoders of one model are compared, not of {', '.join(sorted(ids))}")
    return ids.pop()


def kept_run(run: Run) -> Run:
    """A run whose command has the names of absolute paths alone, which tell of one machine."""
    words = shlex.split(run.command)
    named = [ABSOLUTE_FOLDER.sub("", word) for word in words]
    return replace(run, command=shlex.join(named))


def recorded(name: str, out: Path) -> dict:
    """What is kept of a folder of `metamer evaluate --bpp`."""
    runs = {"runs": [asdict(kept_run(run)) for run in read_runs(out / RUNS)]}
    rows = latest_rows(json_lines.read_lines(out / "matched.jsonl"))
    if KEPT[name] == "rows":
        labels = distance_labels(rows)
        return runs | {"rows": [kept_row(row, labels) for row in rows]}
    summaries = json.loads((out / "matched.json").read_text())
    return runs | {"model": streams_model(rows), "summaries": summaries}


def result_text(result: Mapping) -> str:
    """As JSON, an item of a list a line, so that changes can be read."""
    fields = []
    for key, value in result.items():
        text = json.dumps(value)
        if isinstance(value, list):
            text = "[" + ",".join(f"\n  {json.dumps(item)}" for item in value) + "\n ]"
        fields.append(f' "{key}": {text}')
    return "{\n" + ",\n".join(fields) + "\n}\n"


if __name__ == "__main__":
    name, folder = sys.argv[1:]
    result = recorded(name, Path(folder))
    files.write_file(str(result_path(name, "train")), result_text(result).encode())
