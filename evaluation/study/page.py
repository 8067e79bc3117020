"""`metamer study make`: an offline page of blind pairs, and the key that says what they were."""

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path

import jinja2
import numpy as np
from PIL import Image

from metamer.codec.errors import FileError, ImageError
from metamer.codec.system import files
from metamer.evaluation.images import read_image, round_trip, save_image
from metamer.evaluation.results.at_rate import TOLERANCE
from metamer.evaluation.study.answers import KEY_KIND
from metamer.evaluation.study.pairs import (
    DecodedSet,
    Pair,
    draw_pairs,
    off_rate_note,
    possible_pairs,
    read_sets,
)

HERE = Path(__file__).parent / "static"
SCRIPTS = ("study.css", "order.js", "record.js", "panes.js", "study.js")
DEGRADED = {"quality": 1}  # of Pillow's JPEG: nobody who looks takes it for the original
IDENTICAL_SHARE = 3  # one catch trial in so many shows the same picture twice


@dataclass(frozen=True)
class Trial:
    """One question. kind: pair, repeat, degraded or identical; pair: what it is made from."""

    kind: str
    pair: Pair
    repeats: int | None = None  # place of the trial that it asks again


def draw_trials(
    pairs: Sequence[Pair], repeats: int, catches: int, rng: np.random.Generator
) -> tuple[list[Trial], int]:
    """The trials in two blocks, and how many are in the first: pairs and half of the catches; then
    pairs again and the other half. Raters see each block in an order of their own.
    """
    late = rng.permutation(len(pairs))[:repeats]
    first = [Trial("pair", pair) for pair in pairs]
    second = [Trial("repeat", pairs[index], int(index)) for index in late]
    for number in range(catches):
        kind = "identical" if number % IDENTICAL_SHARE == IDENTICAL_SHARE - 1 else "degraded"
        catch = Trial(kind, pairs[int(rng.integers(len(pairs)))])
        (second if number % 2 and second else first).append(catch)
    return first + second, len(first)


def trial_slots(trial: Trial, rng: np.random.Generator) -> list[DecodedSet | str]:
    """What the first and the second picture of a trial are: sets, `original` or `degraded`."""
    slots: list[DecodedSet | str]
    if trial.kind == "degraded":
        slots = ["original", "degraded"]
    elif trial.kind == "identical":
        slots = [trial.pair.first] * 2
    else:
        slots = [trial.pair.first, trial.pair.second]
    return slots[:: int(rng.choice([1, -1]))]


def opaque_name(seed: int, *parts: object) -> str:
    """A name that tells nothing: hexadecimal digits of a digest of seed and place."""
    return hashlib.sha256("/".join(map(str, (seed, *parts))).encode()).hexdigest()[:16]


class Pictures:
    """Reads pictures of a study and writes those that the page shows, as PNG without metadata."""

    def __init__(self, originals: Mapping[str, Path], out: Path):
        self.originals, self.out = originals, out

    def read(self, picture: str, slot: DecodedSet | str) -> Image.Image:
        """The pixels of a slot. Raises ImageError where a decode has another size."""
        original = read_image(self.originals[picture])
        if slot == "original":
            return original
        if slot == "degraded":
            return round_trip(original, "JPEG", **DEGRADED)
        path = slot.pictures[picture]
        decoded = read_image(path)
        if decoded.size != original.size:
            sizes = ["×".join(map(str, one.size)) for one in (decoded, original)]
            raise ImageError(f"{path} has {sizes[0]} pixels, its original {sizes[1]}")
        return decoded

    def write(self, picture: str, slot: DecodedSet | str, name: str) -> dict[str, object]:
        """Writes a slot under an opaque name; returns what the page says of it."""
        target = self.out / "pictures" / f"{name}.png"
        image = self.read(picture, slot)
        if not target.exists():
            save_image(image, target)
        return {"src": f"pictures/{name}.png", "width": image.width, "height": image.height}


def slot_label(slot: DecodedSet | str) -> dict[str, object]:
    """A slot as the key says it."""
    if isinstance(slot, str):
        return {"codec": slot, "rate": None}
    return {"codec": slot.codec, "rate": slot.rate}


def write_study(
    originals: Path,
    decoded: Sequence[Path],
    out: Path,
    pairs: int = 48,
    repeats: int = 6,
    catches: int = 9,
    tolerance: float = TOLERANCE,
    seed: int = 0,
    title: str = "Which is closer to the original?",
) -> str:
    """Writes a study: the folder ``out`` for raters, and the key beside it, which they do not get.

    Args:
        originals: Folder of pictures.
        decoded: Folders of decoded pictures (`pairs.read_sets`).
        out: Folder for the page, which must not exist, or be empty. The key is `OUT.key.json`.
        pairs: Trials that compare codecs, at most.
        repeats: How many of them are asked twice, to see whether raters agree with themselves.
        catches: Trials with a known answer: of three, two show the original against a ruin of it,
            one the same picture twice.
        tolerance: Share by which rates of a pair may differ.
        seed: Of the draw, names and orders: the same seed makes the same study.
        title: The question.

    Returns:
        A line about it, and one that names pictures left out for missing the rate.

    Raises:
        MetamerError: Pictures that cannot be paired or read, or a folder that is taken.
    """
    key_path = out.with_name(f"{out.name}.key.json")
    if key_path.exists() or out.is_file() or (out.is_dir() and any(out.iterdir())):
        existing = key_path if key_path.exists() else out
        raise FileError(f"{existing} exists; choose another folder or remove it")
    names, sets = read_sets(originals, decoded)
    rng = np.random.default_rng(seed)
    drawn = draw_pairs(possible_pairs(names, sets, tolerance), pairs, rng)
    trials, size = draw_trials(drawn, repeats, catches, rng)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=".study-") as folder:
            page = Path(folder) / "page"  # whole or not there: renamed when complete
            (page / "pictures").mkdir(parents=True)
            entries, key = write_trials(trials, Pictures(names, page), seed, rng)
            identity = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:12]
            blocks = [
                sorted(part, key=itemgetter("id")) for part in (entries[:size], entries[size:])
            ]
            write_html(page, title, {"study": identity, "blocks": blocks})
            key_file = {"kind": KEY_KIND, "study": identity, "seed": seed, "trials": key}
            files.write_file(str(key_path), json.dumps(key_file, indent=1).encode(), force=False)
            try:
                os.replace(page, out)
            except BaseException:
                key_path.unlink()  # of a study that is not there
                raise
    except OSError as problem:
        raise FileError(f"{out}: {files.reason(problem)}") from None
    codecs = len({one.codec for pair in drawn for one in (pair.first, pair.second)})
    pictures = len({pair.picture for pair in drawn})
    line = f"{out / 'index.html'}: {len(trials)} trials of {codecs} codecs and {pictures} picture"
    line += "s" if pictures != 1 else ""
    return "\n".join(filter(None, (f"{line}; the key is {key_path}", off_rate_note(sets))))


def write_trials(
    trials: Sequence[Trial], pictures: Pictures, seed: int, rng: np.random.Generator
) -> tuple[list[dict], dict[str, dict]]:
    """Writes all pictures; returns trials as the page has them, and the key, by trial."""
    entries, key = [], {}
    identities = [opaque_name(seed, "trial", number) for number in range(len(trials))]
    for number, trial in enumerate(trials):
        picture = trial.pair.picture
        slots = trial_slots(trial, rng)
        reference = opaque_name(seed, "reference", picture)
        first, second = (
            pictures.write(picture, slot, opaque_name(seed, number, place))
            for place, slot in enumerate(slots)
        )
        entries.append(
            {
                "id": identities[number],
                "reference": pictures.write(picture, "original", reference),
                "first": first["src"],
                "second": second["src"],
            }
        )
        key[identities[number]] = {
            "kind": trial.kind,
            "picture": picture,
            "rate": trial.pair.rate,
            "first": slot_label(slots[0]),
            "second": slot_label(slots[1]),
            "repeats": None if trial.repeats is None else identities[trial.repeats],
        }
    return entries, key


def write_html(out: Path, title: str, data: dict) -> None:
    """The page, and the files that it needs."""
    template = jinja2.Environment(
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        loader=jinja2.FileSystemLoader(HERE),
    ).get_template("index.html")
    for name in SCRIPTS:
        files.write_file(str(out / name), (HERE / name).read_bytes())
    count = sum(map(len, data["blocks"]))
    files.write_file(
        str(out / "index.html"), template.render(title=title, data=data, count=count).encode()
    )
