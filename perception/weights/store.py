"""Weights on disk: found by name, checked against their digests, written whole."""

import hashlib
import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pooch
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from metamer.perception.errors import WeightsError
from metamer.perception.weights.catalogue import CATALOGUE, Entry, find_entry

SHIPPED = Path(__file__).parent / "shipped"


def cache_folder() -> Path:
    """Where fetched weights are kept: under METAMER_CACHE, or the platform's folder for caches."""
    return Path(os.environ.get("METAMER_CACHE") or pooch.os_cache("metamer")) / "weights"


def find_file(entry: Entry) -> Path | None:
    """The first file of that name in the folders of METAMER_WEIGHTS, the package, the cache."""
    named = [
        Path(folder).expanduser()
        for folder in os.environ.get("METAMER_WEIGHTS", "").split(os.pathsep)
        if folder
    ]
    paths = [folder / entry.file for folder in (*named, SHIPPED, cache_folder())]
    return next((path for path in paths if path.is_file()), None)


def require_file(name: str) -> Path:
    """The file that holds these weights, not yet checked; `WeightsError` if there is none."""
    path = find_file(find_entry(name))
    if path is None:
        raise WeightsError(f"{name} weights are not here: run `metamer weights fetch`")
    return path


def list_entries() -> list[Entry]:
    """Every entry of the catalogue, with its path if it is here."""
    return [replace(entry, path=find_file(entry)) for entry in CATALOGUE.values()]


def load(name: str) -> dict[str, Tensor]:
    """The tensors in order of their names; `WeightsError` if they are missing or not those pinned.
    0.2 s for VGG16.

    >>> {name: tuple(tensor.shape) for name, tensor in load("dists").items()}
    {'alpha': (1, 1475, 1, 1), 'beta': (1, 1475, 1, 1)}
    """
    return read_checked(require_file(name), find_entry(name))


def load_trained(source: str) -> dict[str, Tensor]:
    """Tensors by name, as `load` has them, or from a ``.safetensors`` file of one's own
    training.
    """
    if not source.endswith(".safetensors"):
        return load(source)
    try:
        return safetensors.torch.load(Path(source).read_bytes())
    except OSError as problem:
        raise WeightsError(f"{source} cannot be read: {_reason(problem)}") from None
    except (SafetensorError, KeyError, ValueError):
        raise WeightsError(f"{source} is no safetensors file, or a damaged one") from None


def tensor_digest(tensors: dict[str, Tensor]) -> str:
    """SHA-256, in hexadecimal, over names, types, shapes and elements (little-endian), in order of
    names.

    Over the tensors rather than the file: one that another program wrote, with other metadata, is
    as good as ours.
    """
    state = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        state.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        state.update(tensor.reshape(-1).view(torch.uint8).numpy())
    return state.hexdigest()


def read_checked(path: Path, entry: Entry) -> dict[str, Tensor]:
    """The tensors of a safetensors file, if they are the entry's."""
    try:
        tensors = safetensors.torch.load(path.read_bytes())
    except OSError as problem:
        raise WeightsError(f"{path} cannot be read: {_reason(problem)}") from None
    except (
        SafetensorError,
        KeyError,
        ValueError,
    ):  # KeyError: element types that torch does not have
        tensors = None
    if tensors is None or tensor_digest(tensors) != entry.sha256:
        raise WeightsError(
            f"{path} is cut or altered, it is not {entry.name}: remove it and run `metamer weights "
            "fetch`"
        )
    return {name: tensors[name] for name in sorted(tensors)}


def is_intact(path: Path, entry: Entry) -> bool:
    try:
        read_checked(path, entry)
    except WeightsError:
        return False
    return True


def write_tensors(path: Path, entry: Entry, tensors: dict[str, Tensor]) -> None:
    """Writes a temporary file next to ``path`` and moves it into place, so that no half file ever
    bears its name.
    """
    metadata = {"format": "pt", "origin": entry.origin, "licence": entry.licence}
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(safetensors.torch.save(tensors, metadata))
        os.replace(temporary, path)
    except OSError as problem:
        raise WeightsError(f"{path} cannot be written: {_reason(problem)}") from None
    finally:
        with suppress(OSError):
            temporary.unlink()


def _reason(problem: OSError) -> str:
    return (problem.strerror or str(problem)).lower()
