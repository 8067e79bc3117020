"""Human ratings of images, read from the folders that the data sets' own archives unpack to.

Names are matched in any case, since it varies between releases and from copy to copy. Whatever
cannot be read, or is listed and not there, is a RatingsError that names the file and, in a list,
the line.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from metamer.evaluation.ratings.items import (
    OpinionSet,
    RatedImage,
    RatedPair,
    RatedTriplet,
    RatingsError,
)
from metamer.evaluation.ratings.layouts.bapps import bapps_judgements
from metamer.evaluation.ratings.layouts.csiq import csiq_opinions
from metamer.evaluation.ratings.layouts.kadid import kadid_opinions
from metamer.evaluation.ratings.layouts.live import live_opinions
from metamer.evaluation.ratings.layouts.tid import TID_KINDS, tid_opinions
from metamer.perception.registry import suggestion

# and whether more is better
READERS: dict[str, tuple[Callable[[Path], Iterator[RatedImage]], bool]] = {
    # Ponomarenko et al., Signal Processing: Image Communication 30 (2015) 57-77; MOS, 0 to 9
    "tid2013": (lambda path: tid_opinions(path, TID_KINDS), True),
    # Ponomarenko et al., Advances of Modern Radioelectronics 10 (2009) 30-45; MOS, 0 to 9
    "tid2008": (lambda path: tid_opinions(path, TID_KINDS[:17]), True),
    "kadid-10k": (kadid_opinions, True),  # Lin, Hosu, Saupe, QoMEX 2019; mean rating, 1 to 5
    # Larson, Chandler, Journal of Electronic Imaging 19(1) (2010) 011006; DMOS, 0 to 1
    "csiq": (csiq_opinions, False),
    # Sheikh, Sabir, Bovik, IEEE Transactions on Image Processing 15(11) (2006) 3440-3451; DMOS, -3
    # to 112
    "live": (live_opinions, False),
}


def load_opinions(name: str, folder: Path) -> OpinionSet:
    """The mean opinions of a set, unpacked in a folder or one folder deeper.

    Args:
        name: One of READERS.
        folder: Where its archive was unpacked.

    Raises:
        RatingsError: Unknown set, or files that are missing or cannot be read; names the file and,
            in a list, the line.
    """
    if name not in READERS:
        raise RatingsError(
            f"no set of ratings is called '{name}'{suggestion(name, READERS)}: {', '.join(READERS)}"
        )
    reader, higher_is_better = READERS[name]
    items = tuple(reader(Path(folder)))
    if not items:
        raise RatingsError(f"{folder}: no ratings there")
    return OpinionSet(name, items, higher_is_better)


def load_triplets(folder: Path, split: str = "val") -> tuple[RatedTriplet, ...]:
    """BAPPS's two-alternative forced choices (Zhang et al., CVPR 2018):
    2afc/SPLIT/KIND/{ref,p0,p1,judge}.

    ``folder``: the archive's folder 'dataset' or the one that holds it. Raises RatingsError.
    """
    triplets = tuple(
        RatedTriplet(*row)
        for row in bapps_judgements(folder, "2afc", split, ("ref", "p0", "p1"), "judge")
    )
    if not triplets:
        raise RatingsError(f"{folder}: no choices there")
    return triplets


def load_pairs(folder: Path, split: str = "val") -> tuple[RatedPair, ...]:
    """BAPPS's just noticeable differences (Zhang et al., CVPR 2018): jnd/SPLIT/KIND/{p0,p1,same}.

    ``folder``: the archive's folder 'dataset' or the one that holds it. Raises RatingsError.
    """
    pairs = tuple(
        RatedPair(*row) for row in bapps_judgements(folder, "jnd", split, ("p0", "p1"), "same")
    )
    if not pairs:
        raise RatingsError(f"{folder}: no pairs there")
    return pairs
