"""What runs have left in their folders, read back to be drawn and reported."""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from metamer.codec.errors import FileError, MetamerError
from metamer.evaluation import json_lines
from metamer.evaluation.measure.measurements import Row
from metamer.evaluation.results.at_rate import RateMiss
from metamer.evaluation.results.summary import MeanInterval, RateSummary
from metamer.perception.registry import metrics

RESULT_FILES = ("results.jsonl", "matched.jsonl", "matched.json")


@dataclass
class Results:
    """Of some folders. rows: over ranges of settings (results.jsonl); matched: at equal rates
    (matched.jsonl), with the rate as their setting; summaries: of those (matched.json); logs: of
    training, by the name of their run; decoded: folders with decoded pictures.
    """

    rows: list[Row] = field(default_factory=list)
    matched: list[Row] = field(default_factory=list)
    summaries: list[RateSummary] = field(default_factory=list)
    logs: dict[str, list[Row]] = field(default_factory=dict)
    decoded: list[Path] = field(default_factory=list)


def latest_rows(rows: Iterable[Row]) -> list[Row]:
    """The last row of each picture, codec and setting or rate, of the version of its codec that was
    measured last.
    """
    rows = list(rows)
    version = {row["codec"]: row["version"] for row in rows}
    newest = {
        (row["image"], row["codec"], row.get("target", row["setting"])): row
        for row in rows
        if row["version"] == version[row["codec"]]
    }
    return list(newest.values())


def distance_labels(rows: Sequence[Row]) -> list[str]:
    """The distances that all rows have, null for some perhaps."""
    registered = metrics()
    return (
        [
            key
            for key in rows[0]
            if key.partition(":")[0] in registered and all(key in row for row in rows)
        ]
        if rows
        else []
    )


def comparable_rows(rows: Sequence[Row]) -> list[Row]:
    """Rows of the same pictures from every codec and setting: means over others would not compare.

    Either pictures that lack a codec or setting are left out, or settings that lack a picture,
    whichever keeps more rows. Raises MetamerError where neither keeps any.
    """
    every = [{(row["codec"], row["setting"]) for row in rows}, {row["image"] for row in rows}]
    points, images = defaultdict(set), defaultdict(set)
    for row in rows:
        points[row["image"]].add((row["codec"], row["setting"]))
        images[row["codec"], row["setting"]].add(row["image"])
    whole = [row for row in rows if points[row["image"]] == every[0]]
    seen = [row for row in rows if images[row["codec"], row["setting"]] == every[1]]
    if rows and not (whole or seen):
        raise MetamerError("the codecs have no picture in common; was every run finished?")
    return max(whole, seen, key=len)


def parse_summaries(rows: Iterable[dict]) -> list[RateSummary]:
    """Those that `metamer evaluate --bpp` wrote to matched.json."""
    summaries = []
    for row in rows:
        means, differences = (
            {label: MeanInterval(**value) for label, value in row[key].items()}
            for key in ("means", "differences")
        )
        misses = [RateMiss(**miss) for miss in row.get("misses", [])]
        summaries.append(
            RateSummary(**{**row, "means": means, "differences": differences, "misses": misses})
        )
    return summaries


def load_results(folders: Sequence[Path]) -> Results:
    """What is in these folders, or in runs' log.jsonl themselves. Raises MetamerError."""
    results = Results()
    for folder in folders:
        log = folder if folder.suffix == ".jsonl" else folder / "log.jsonl"
        if log.is_file():
            results.logs[
                log.parent.name if log.parent.name not in results.logs else str(log.parent)
            ] = json_lines.read_lines(log)
        results.rows += json_lines.read_lines(folder / "results.jsonl")
        results.matched += json_lines.read_lines(folder / "matched.jsonl")
        if (folder / "matched.json").is_file():
            try:
                results.summaries += parse_summaries(
                    json.loads((folder / "matched.json").read_text())
                )
            except (ValueError, TypeError, KeyError, AttributeError):
                raise FileError(f"{folder / 'matched.json'} is damaged; remove it") from None
        if (folder / "decoded").is_dir():
            results.decoded.append(folder / "decoded")
        if not any(path.is_file() for path in (log, *(folder / name for name in RESULT_FILES))):
            raise FileError(
                f"{folder}: no results.jsonl, matched.jsonl or log.jsonl there; `metamer evaluate` "
                "and "
                "`metamer train` write them"
            )
    results.rows = comparable_rows(latest_rows(results.rows))
    results.matched = comparable_rows(
        [row | {"setting": row["target"]} for row in latest_rows(results.matched)]
    )
    return results
