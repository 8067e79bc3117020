"""BAPPS, as its archive unpacks."""

from collections.abc import Iterator
from pathlib import Path

from metamer.evaluation.ratings.layouts.files import (
    Folder,
    home_folder,
    read_fraction,
)

BAPPS_KINDS = {
    "traditional": "traditional distortions",
    "cnn": "distortions by convolutional networks",
    "superres": "super-resolution",
    "deblur": "deblurring",
    "color": "colourisation",
    # the last one in the training split alone
    "frameinterp": "frame interpolation",
    "mix": "mixed distortions",
}


def bapps_judgements(
    folder: Path, task: str, split: str, images: tuple[str, ...], verdict: str
) -> Iterator[tuple]:
    """The paths of ``images``, the kind and the fraction for every .npy file of
    TASK/SPLIT/*/VERDICT, by kind and number.
    """
    split_folder = Folder(Folder(home_folder(folder, task).find(task)).find(split))
    for name, kind in split_folder.entries.items():
        if kind.is_dir():
            inside = Folder(kind)
            pictures = [Folder(inside.find(part)) for part in images]
            for file in Folder(inside.find(verdict)).entries.values():
                if file.suffix.lower() == ".npy":
                    paths = (part.find(file.stem + ".png", where=str(file)) for part in pictures)
                    yield *paths, BAPPS_KINDS.get(name, name), read_fraction(file)
