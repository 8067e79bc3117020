"""When, where and by which command results were measured."""

import shlex
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from metamer.codec.system import json_lines
from metamer.evaluation.cost import machine

RUNS = "runs.jsonl"  # beside the rows, an object a run


@dataclass(frozen=True)
class Run:
    """One start of `metamer evaluate`. date: UTC, ISO 8601; machine: `machine.conditions`."""

    date: str
    command: str
    machine: Mapping[str, object]


def record_run(folder: Path) -> None:
    """Adds this run to a folder's runs.jsonl, as the command line that started it."""
    command = shlex.join(["metamer", *sys.argv[1:]])
    now = datetime.now(UTC).isoformat(timespec="seconds")
    json_lines.append_line(folder / RUNS, asdict(Run(now, command, machine.conditions())))


def read_runs(path: Path) -> list[Run]:
    """The runs of a folder; none where nobody wrote them down."""
    return [Run(**row) for row in json_lines.read_lines(path)]


def conditions_text(run: Run) -> str:
    """Machine and versions in one line."""
    parts = [f"{key} {value}" for key, value in run.machine.items()]
    return ", ".join(parts)
