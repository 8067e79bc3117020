"""What runs have left in their folders, read back to be drawn and reported."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from metamer.codec.errors import FileError, MetamerError
from metamer.codec.system import json_lines
from metamer.evaluation.measure.rows import Row, is_trained, read_rows
from metamer.evaluation.measure.runs import RUNS, Run, read_runs
from metamer.evaluation.results.at_rate import RateMiss
from metamer.evaluation.results.summary import MeanInterval, RateSummary
from metamer.perception.registry import metrics

RESULT_FILES = ("results.jsonl", "matched.jsonl", "matched.json")


@dataclass
class Results:
    """What is in some folders of results.

    Attributes:
        rows: Over ranges of settings (results.jsonl), of trained codecs.
        matched: At equal rates (matched.jsonl), with the rate as their setting.
        summaries: Of those (matched.json).
        logs: Of training, by the name of their run.
        decoded: Folders with decoded pictures.
        untrained: Networks without training, which are good for timing alone; no row is theirs.
        runs: When, where and by which command the results were measured.
    """

    rows: list[Row] = field(default_factory=list)
    matched: list[Row] = field(default_factory=list)
    summaries: list[RateSummary] = field(default_factory=list)
    logs: dict[str, list[Row]] = field(default_factory=dict)
    decoded: list[Path] = field(default_factory=list)
    untrained: list[str] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)

    def codecs(self) -> list[str]:
        """Every codec with rows or summaries."""
        measured = (row["codec"] for row in [*self.rows, *self.matched])
        summed = (summary.codec for summary in self.summaries)
        return list(dict.fromkeys([*measured, *summed]))

    def digests(self) -> list[str]:
        """`images.picture_digest` of every picture, empty where rows do not say."""
        rows = [*self.rows, *self.matched]
        return list({row["image"]: row.get("pixels", "") for row in rows}.values())


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
    """The distances that any row has, in the order in which they come.

    A codec that was not measured by one is left out of what is said of it
    (`bjontegaard.picture_curves`).
    """
    registered = metrics()
    labels = dict.fromkeys(
        key for row in rows for key in row if key.partition(":")[0] in registered
    )
    return list(labels)


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


def check_same_pictures(rows_by_folder: Mapping[Path, Sequence[Row]]) -> None:
    """Raises MetamerError where runs are of different pictures, which do not compare: other names,
    other sizes, or other pixels under one name.
    """
    some = {folder: rows for folder, rows in rows_by_folder.items() if rows}
    seen: dict[str, tuple[Path, Row]] = {}
    for folder, rows in some.items():
        for row in rows:
            first, other = seen.setdefault(row["image"], (folder, row))
            sizes = [f"{of['width']}x{of['height']}" for of in (other, row)]
            if sizes[0] != sizes[1]:
                raise MetamerError(
                    f"{row['image']} has {sizes[0]} pixels in {first} and {sizes[1]} in {folder}; "
                    "show one run at a time"
                )
            if row.get("pixels", "") != other.get("pixels", row.get("pixels", "")):
                raise MetamerError(
                    f"{row['image']} is another picture in {first} than in {folder}; show one run "
                    "at a time"
                )
    sets = {folder: {row["image"] for row in rows} for folder, rows in some.items()}
    for folder, names in sets.items():
        first = next(iter(sets))
        if names != sets[first]:
            odd = min(names ^ sets[first])
            raise MetamerError(
                f"{folder} and {first} are of different pictures ({len(names)} and "
                f"{len(sets[first])}; {odd} is in one alone); show one run at a time"
            )


def check_same_misses(summaries_by_folder: Mapping[Path, Sequence[RateSummary]]) -> None:
    """Raises MetamerError where runs left other pictures out at one rate: their means are over
    different ones.
    """
    left_out: dict[float, dict[Path, set[str]]] = defaultdict(dict)
    for folder, summaries in summaries_by_folder.items():
        for summary in summaries:
            left_out_here = left_out[summary.target].setdefault(folder, set())
            if summary.at_rate:
                left_out_here |= {miss.image for miss in summary.misses}
    for target, by_folder in left_out.items():
        first = next(iter(by_folder))
        for folder, images in by_folder.items():
            if images != by_folder[first]:
                raise MetamerError(
                    f"{first} and {folder} leave out different pictures at {target:g} bpp, so "
                    "their means do not compare; measure their codecs in one run"
                )


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
    """What is in these folders, or in runs' log.jsonl themselves.

    Raises:
        FileError: Nothing is there, or a file is damaged.
        MetamerError: The folders are of different pictures.
    """
    results = Results()
    over_settings: dict[Path, list[Row]] = {}
    at_rates: dict[Path, list[Row]] = {}
    summaries: dict[Path, list[RateSummary]] = {}
    for folder in folders:
        _load_log(folder, results)
        over_settings[folder] = read_rows(folder / "results.jsonl")
        at_rates[folder] = read_rows(folder / "matched.jsonl")
        summaries[folder] = _load_summaries(folder / "matched.json")
        results.runs += read_runs(folder / RUNS)
        if (folder / "decoded").is_dir():
            results.decoded.append(folder / "decoded")
    for rows in (over_settings, at_rates):
        check_same_pictures(rows)
    check_same_misses(summaries)
    results.summaries = [summary for of_folder in summaries.values() for summary in of_folder]
    every = [
        row for of_folder in (*over_settings.values(), *at_rates.values()) for row in of_folder
    ]
    results.untrained = list(dict.fromkeys(row["codec"] for row in every if not is_trained(row)))
    rows, matched = (
        latest_rows(row for of_folder in of.values() for row in of_folder if is_trained(row))
        for of in (over_settings, at_rates)
    )
    results.rows = comparable_rows(rows)
    results.matched = comparable_rows([row | {"setting": row["target"]} for row in matched])
    return results


def _load_log(folder: Path, results: Results) -> None:
    """Adds a run's log; raises FileError where there is neither log nor result."""
    log = folder if folder.suffix == ".jsonl" else folder / "log.jsonl"
    if log.is_file():
        name = log.parent.name if log.parent.name not in results.logs else str(log.parent)
        results.logs[name] = json_lines.read_lines(log)
    elif not any((folder / name).is_file() for name in RESULT_FILES):
        raise FileError(
            f"{folder}: no results.jsonl, matched.jsonl or log.jsonl there; `metamer evaluate` and "
            "`metamer train` write them"
        )


def _load_summaries(path: Path) -> list[RateSummary]:
    if not path.is_file():
        return []
    try:
        return parse_summaries(json.loads(path.read_text()))
    except (ValueError, TypeError, KeyError, AttributeError):
        raise FileError(f"{path} is damaged; remove it") from None
