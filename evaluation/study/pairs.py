"""What a study compares: decoded pictures of codecs at nearly equal rates, and a balanced draw."""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from metamer.codec.errors import ImageError, MetamerError
from metamer.evaluation.images import pictures_by_name
from metamer.evaluation.measure.decoded import decoded_path
from metamer.evaluation.measure.rows import Point, read_rows
from metamer.evaluation.results.at_rate import TOLERANCE, is_off_rate
from metamer.evaluation.results.folders import latest_rows


@dataclass(frozen=True)
class DecodedSet:
    """What one codec made of the pictures at one rate. rate: bits a pixel, None where no name says
    it; pictures: name without suffix → file; off_rate: names of those left out, whose files miss
    the rate.
    """

    codec: str
    rate: float | None
    pictures: Mapping[str, Path]
    off_rate: Sequence[str] = ()


@dataclass(frozen=True)
class Pair:
    """Two decodes of a picture. rate: that of their group, the lowest in it."""

    picture: str
    rate: float | None
    first: DecodedSet
    second: DecodedSet


def rate_in(text: str) -> float | None:
    """A rate that a name says; None for a name that is no positive number."""
    try:
        rate = float(text)
    except ValueError:
        return None
    return rate if math.isfinite(rate) and rate > 0 else None


def pictures_off_rate(folder: Path) -> list[str]:
    """Pictures that `metamer evaluate --keep` left in a folder though their files are off its rate,
    by what it measured; none of other folders.
    """
    return sorted(
        Path(row["image"]).stem
        for row in latest_rows(read_rows(folder.parent.parent / "matched.jsonl"))
        if is_off_rate(row)
        and folder
        == decoded_path(
            folder.parent, Path(row["image"]), Point(row["codec"], target=row["target"])
        ).parent
    )


def decoded_sets(folder: Path) -> list[DecodedSet]:
    """The sets of one folder: itself, CODEC or CODEC@BPP, or its sub-folders, called by rate.

    Raises:
        MetamerError: It is empty, or has sub-folders with other names than rates.
    """
    folder = folder.resolve()
    pictures = pictures_by_name(folder)
    if pictures:
        codec, _, rate = folder.name.rpartition("@")
        if codec and rate_in(rate):
            missed = pictures_off_rate(folder)
            at_rate = {name: path for name, path in pictures.items() if name not in missed}
            return [DecodedSet(codec, rate_in(rate), at_rate, missed)]
        return [DecodedSet(folder.name, None, pictures)]
    below = sorted(path for path in folder.iterdir() if path.is_dir())
    if not below:
        raise ImageError(f"{folder}: no pictures there")
    for path in below:
        if rate_in(path.name) is None:
            raise MetamerError(
                f"{path}: the sub-folders of a codec are called by rate, such as 0.3"
            )
    return [DecodedSet(folder.name, rate_in(path.name), pictures_by_name(path)) for path in below]


def read_sets(originals: Path, folders: Sequence[Path]) -> tuple[dict[str, Path], list[DecodedSet]]:
    """The originals by name, and every set of decoded pictures.

    Args:
        originals: Folder of pictures.
        folders: Folders of decoded pictures of the same names, whatever their formats: each CODEC,
            CODEC@BPP (as `metamer evaluate --keep` leaves them) or CODEC with a sub-folder a rate.
            The folder of originals itself does not count among them.

    Raises:
        MetamerError: No pictures, a codec twice at a rate, rates known of some folders alone, or
            nothing in a folder that an original belongs to.
    """
    names = pictures_by_name(originals)
    if not names:
        raise ImageError(f"{originals}: no pictures there")
    sets: list[DecodedSet] = []
    for folder in folders:
        if folder.resolve() == originals.resolve():
            continue
        for decoded_set in decoded_sets(folder):
            if not {*decoded_set.pictures, *decoded_set.off_rate} & set(names):
                raise ImageError(f"{folder} has none of the pictures of {originals}")
            sets.append(decoded_set)
    twice = [key for key, count in Counter((s.codec, s.rate) for s in sets).items() if count > 1]
    if twice:
        raise MetamerError(f"two folders hold what {twice[0][0]} decoded at one rate")
    if len({decoded_set.rate is None for decoded_set in sets}) > 1:
        nameless = next(decoded_set.codec for decoded_set in sets if decoded_set.rate is None)
        raise MetamerError(f"the rate of {nameless} is not known; call its folder {nameless}@BPP")
    if len({decoded_set.codec for decoded_set in sets}) < 2:
        raise MetamerError("a study compares two codecs at least")
    return names, sets


def off_rate_note(sets: Sequence[DecodedSet]) -> str:
    """A line that names pictures left out, empty where there are none."""
    missed = [
        f"{', '.join(one.off_rate)} by {one.codec} at {one.rate:g}" for one in sets if one.off_rate
    ]
    percent = f"{100 * TOLERANCE:g} %"
    return f"left out, more than {percent} off the rate: {'; '.join(missed)}" if missed else ""


def rate_groups(sets: Sequence[DecodedSet], tolerance: float) -> list[list[DecodedSet]]:
    """Sets at nearly equal rates: none is more than ``tolerance`` (a share) above the lowest of its
    group. Raises MetamerError where a codec has two rates in a group.
    """
    groups: list[list[DecodedSet]] = []
    for decoded_set in sorted(
        sets, key=lambda decoded_set: (decoded_set.rate or 0.0, decoded_set.codec)
    ):
        low = groups[-1][0].rate if groups else None
        near = bool(groups) and (
            decoded_set.rate is None
            or (low is not None and decoded_set.rate <= low * (1 + tolerance))
        )
        if near:
            groups[-1].append(decoded_set)
        else:
            groups.append([decoded_set])
    for group in groups:
        codec, count = Counter(one.codec for one in group).most_common(1)[0]
        if count > 1:
            raise MetamerError(f"{codec} has two rates within {100 * tolerance:g} % of each other")
    return groups


def possible_pairs(
    names: Mapping[str, Path], sets: Sequence[DecodedSet], tolerance: float
) -> list[Pair]:
    """Every two decodes of a picture, by different codecs, whose rates are nearly equal.

    Raises MetamerError where there is none.
    """
    pairs = [
        Pair(picture, group[0].rate, first, second)
        for group in rate_groups(sets, tolerance)
        for first, second in combinations(group, 2)
        for picture in sorted(set(names) & set(first.pictures) & set(second.pictures))
    ]
    if not pairs:
        raise MetamerError(
            f"no picture was decoded by two codecs at rates within {100 * tolerance:g} %"
        )
    return pairs


def draw_pairs(pairs: Sequence[Pair], count: int, rng: np.random.Generator) -> list[Pair]:
    """At most ``count`` of the pairs, no two codecs at a rate nor any picture much more often than
    others.
    """
    strata: dict[tuple, list[Pair]] = defaultdict(list)
    for index in rng.permutation(len(pairs)):
        pair = pairs[index]
        strata[pair.rate, pair.first.codec, pair.second.codec].append(pair)
    used: Counter[str] = Counter()
    drawn: list[Pair] = []
    while len(drawn) < min(count, len(pairs)):
        keys = [key for key in strata if strata[key]]
        for place in rng.permutation(len(keys)):
            stratum = strata[keys[place]]
            drawn.append(
                stratum.pop(min(range(len(stratum)), key=lambda at: used[stratum[at].picture]))
            )
            used[drawn[-1].picture] += 1
    return drawn[:count]
