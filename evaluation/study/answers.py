"""Answers that raters saved, joined with the key of their study."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from metamer.codec.errors import FileError, MetamerError
from metamer.codec.system import files

KEY_KIND = "metamer study key"
ANSWERS_KIND = "metamer study answers"
# how far the first picture was preferred: half a preference each where both looked the same
PREFERENCE = {"first": 1.0, "same": 0.5, "second": 0.0}


@dataclass(frozen=True)
class Vote:
    """A rater's answer to a trial, with what was behind it.

    Attributes:
        rater: Name, unique among all answers.
        trial: The trial's identity.
        kind: pair, repeat, degraded or identical.
        picture: Name of the original.
        rate: Bits a pixel of the group, None where not known.
        codecs: Of the first and the second picture.
        rates: Of each, bits a pixel.
        preferred: 1 for the first, 0 for the second, 0.5 for neither.
        left: Whether the first stood on the left, as A.
        seconds: From when the pictures were there to the answer.
        repeats: For a repeat, the trial that it asks again.
    """

    rater: str
    trial: str
    kind: str
    picture: str
    rate: float | None
    codecs: tuple[str, str]
    rates: tuple[float | None, float | None]
    preferred: float
    left: bool
    seconds: float
    repeats: str | None = None


def read_json(path: Path, kind: str) -> dict:
    """A file of this kind. Raises FileError for any other."""
    try:
        value = json.loads(path.read_text())
    except OSError as problem:
        raise FileError(f"{path}: {files.reason(problem)}") from None
    except ValueError:
        raise FileError(f"{path} is not JSON") from None
    if not isinstance(value, dict) or value.get("kind") != kind:
        raise FileError(f"{path} is not a file of {kind}")
    return value


def read_keys(paths: Sequence[Path], answers: Sequence[Path]) -> dict[str, Mapping[str, dict]]:
    """Study → its trials.

    Args:
        paths: Key files; where none is given, every `*.key.json` in the folders of the answers and
            in those above them counts.
        answers: Files of answers.

    Raises:
        FileError: A file that is not a key, or none at all.
    """
    if not paths:
        folders = dict.fromkeys(
            folder
            for path in answers
            for folder in (path.resolve().parent, path.resolve().parents[1])
        )
        paths = [key for folder in folders for key in sorted(folder.glob("*.key.json"))]
    if not paths:
        raise FileError("no key beside the answers; say where it is with --key")
    keys = {}
    for path in paths:
        value = read_json(path, KEY_KIND)
        try:
            keys[str(value["study"])] = dict(value["trials"])
        except (KeyError, TypeError, ValueError):
            raise FileError(f"{path} is a damaged key") from None
    return keys


def read_votes(paths: Sequence[Path], keys: Mapping[str, Mapping[str, dict]]) -> list[Vote]:
    """Every answer in files that the page saved.

    Args:
        paths: Files of answers.
        keys: `read_keys`.

    Raises:
        MetamerError: A file that is damaged, whose study has no key, or that holds a rater again;
            or no answer in any.
    """
    votes: list[Vote] = []
    path_by_rater: dict[tuple[str, str], Path] = {}
    for path in paths:
        value = read_json(path, ANSWERS_KIND)
        study, rater = str(value.get("study")), str(value.get("rater"))
        if study not in keys:
            raise FileError(f"{path} answers study {study}, whose key is not here")
        if (study, rater) in path_by_rater:
            raise MetamerError(
                f"{path} and {path_by_rater[study, rater]} are both of rater {rater}"
            )
        path_by_rater[study, rater] = path
        try:
            votes += [vote_of(rater, answer, keys[study]) for answer in value["answers"]]
        except (KeyError, TypeError, ValueError, AttributeError):
            raise FileError(f"{path} is damaged, or does not belong to the key") from None
    if not votes:
        raise MetamerError("no answers in these files")
    return votes


def vote_of(rater: str, answer: Mapping, trials: Mapping[str, dict]) -> Vote:
    """One answer. Raises KeyError, TypeError, ValueError or AttributeError for what is none."""
    trial = trials[answer["trial"]]
    sides = (trial["first"], trial["second"])
    if answer["left"] not in ("first", "second"):
        raise ValueError("no such side")
    return Vote(
        rater=rater,
        trial=answer["trial"],
        kind=trial["kind"],
        picture=trial["picture"],
        rate=trial["rate"],
        codecs=(sides[0]["codec"], sides[1]["codec"]),
        rates=(sides[0]["rate"], sides[1]["rate"]),
        preferred=PREFERENCE[answer["choice"]],
        left=answer["left"] == "first",
        seconds=float(answer["milliseconds"]) / 1000,
        repeats=trial["repeats"],
    )
