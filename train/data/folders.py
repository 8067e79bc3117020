"""Picture files in folders, and those of them that are held out of training."""

from pathlib import Path

from metamer.codec.errors import RecipeError
from metamer.codec.picture import pixels


def has_list(folder: Path) -> bool:
    """Whether the folder says which of its pictures are held out."""
    return (folder / pixels.HOLD_OUT).exists()


def find(*folders: Path) -> tuple[list[Path], list[Path]]:
    """Picture files below the folders, sorted: those to train on, and those that each folder's
    `validation.txt` holds out. Raises RecipeError.
    """
    training, validation = [], []
    for folder in map(Path, folders):
        if not folder.is_dir():
            raise RecipeError(f"{folder}: no such folder")
        names = (folder / pixels.HOLD_OUT).read_text().splitlines() if has_list(folder) else []
        held = {name.strip() for name in names if name.strip()}
        files = sorted(
            path for path in folder.rglob("*") if path.suffix.lower() in pixels.PHOTOGRAPHS
        )
        missing = held - {path.name for path in files}
        if missing:
            raise RecipeError(f"{folder / pixels.HOLD_OUT}: there is no {min(missing)}")
        training += [path for path in files if path.name not in held]
        validation += [path for path in files if path.name in held]
    return training, validation
