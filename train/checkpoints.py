"""Checkpoints of runs: written whole or not at all, read without executing anything."""

import os
import pickle
import zipfile
from pathlib import Path

import torch

from metamer.codec.errors import RecipeError
from metamer.codec.system import files
from metamer.train.recipe import old_names

CHECKPOINT = "checkpoint.pt"
BEST = "best.pt"


def save(path: Path, state: dict) -> None:
    """Writes another file and moves it into place, so a killed run never leaves half a
    checkpoint.
    """
    unfinished = path.with_suffix(".part")
    torch.save(state, unfinished)
    os.replace(unfinished, path)


def load(path: Path) -> dict:
    """Reads a checkpoint, its recipe with the names of today; executes nothing from it."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise RecipeError(f"{path}: no checkpoint there") from None
    except OSError as problem:
        raise RecipeError(f"{path}: {files.reason(problem)}") from None
    except (RuntimeError, EOFError, pickle.UnpicklingError, zipfile.BadZipFile) as problem:
        raise RecipeError(f"{path}: is not a checkpoint of ours: {problem}") from None
    if not isinstance(state, dict):
        raise RecipeError(f"{path}: is not a checkpoint of ours: it holds a {type(state).__name__}")
    if isinstance(state.get("recipe"), dict):
        state["recipe"] = old_names.translated(state["recipe"])
    return state


def load_run(path: Path) -> dict:
    """The same of a checkpoint that says what its run did. Raises RecipeError where it does not."""
    state = load(path)
    if not isinstance(state.get("recipe"), dict):
        raise RecipeError(f"{path}: holds no recipe, only weights")
    return state


def earlier(out: Path, resume: bool) -> dict | None:
    """The checkpoint in ``out`` if it is to be continued; `RecipeError` if one is there that is
    not, or none that is.
    """
    checkpoint = out / CHECKPOINT
    if checkpoint.exists() and not resume:
        raise RecipeError(f"{checkpoint} exists; use --resume to continue it, or another --out")
    return load_run(checkpoint) if resume else None
