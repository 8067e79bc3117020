"""What a model file holds, checked before anything is made of it: card, channel groups, members,
ids.

One zip file a model. What it says is no more believed than what a stream says:
`codec.network.files.archive` reads its members, `codec.network.files.arrays` its arrays,
`codec.network.graphs` what a graph may do; what is wrong is a ModelError of one line (SECURITY.md).

Members: `model.json`, the card (name, format, groups, receptive_field, steps of training, …; older
files call some of it otherwise, `codec.network.files.old_names`); `analysis.onnx`, `synthesis.onnx`
or one for each band of qualities (`codec.network.files.bands`), `features.onnx`, `context0.onnx` …;
arrays as `.npy`. The id that every stream bears is the start of a SHA-256 over the members that
decoded latents depend on, so a new synthesis or a new card keeps it. `grey.npy`, if there, names
the latents that grey pictures need; their streams bear an id that depends on it too.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from metamer.codec.errors import ModelError
from metamer.codec.network.files.archive import ArchiveError, parse_card, read_members
from metamer.codec.network.files.arrays import DECODING_ARRAYS, GREY, MAX_LATENTS

FORMAT, OLDEST = 3, 2  # 2 knows no bands of qualities
MAX_GROUPS = 16
NAME_LENGTH = 100  # characters
CARD = "model.json"


@dataclass(frozen=True)
class ModelFile:
    """What was read of a model file.

    Attributes:
        path: Where it is.
        card: The object that `model.json` holds.
        groups: Latent channels of each group, in decoding order.
        members: Members by name: those that the ids depend on, and those that were asked for.
        id: What streams of colour pictures call the model, 4 bytes.
        grey_id: What streams of grey pictures call it, 4 bytes.
    """

    path: Path
    card: Mapping[str, Any]
    groups: tuple[int, ...]
    members: Mapping[str, bytes]
    id: bytes
    grey_id: bytes


def read_model_file(path: Path, others: Sequence[str] = ()) -> ModelFile:
    """Reads card and members of a model file.

    Args:
        path: The file.
        others: Members that are wanted besides those that the ids depend on, where it holds them.

    Raises:
        ModelError: There is no such file, or it is not a model file of a format that is read.
    """
    try:
        card = parse_card(read_members(path, [CARD])[CARD])
        groups = _checked_groups(path, card)
        members = read_members(path, [*_decoding_members(groups), GREY, *others])
        whole = digest(members, groups)
    except FileNotFoundError:
        raise ModelError(f"{path}: no such model file") from None
    except KeyError as problem:
        raise ModelError(f"{path}: is not a Metamer model: {problem} is missing") from None
    except (ArchiveError, OSError) as problem:
        raise ModelError(f"{path}: is not a Metamer model: {problem}") from None
    grey_id = hashlib.sha256(whole + members.get(GREY, b"")).digest()[:4]
    return ModelFile(path, card, tuple(groups), members, whole[:4], grey_id)


def _checked_groups(path: Path, card: Mapping[str, Any]) -> list[int]:
    """The groups of a card whose format is read. Raises ModelError, ArchiveError, KeyError."""
    form, name, groups = card["format"], card["name"], card["groups"]
    if type(form) is int and form > FORMAT:
        raise ModelError(f"{path}: model format {form} is newer than this program reads")
    if type(form) is int and 0 < form < OLDEST:
        raise ModelError(f"{path}: model format {form} is older than this program reads")
    if type(form) is not int or form < 1 or not is_name(name):
        raise ArchiveError(f"format {form!r}, name {name!r}"[:200])
    if not (
        isinstance(groups, list)
        and 0 < len(groups) <= MAX_GROUPS
        and all(type(size) is int and 0 < size <= MAX_LATENTS for size in groups)
        and sum(groups) <= MAX_LATENTS
    ):
        raise ArchiveError(f"groups {groups!r}"[:200])
    return groups


def is_name(name: object) -> bool:
    """Whether a card's ``name`` may be shown to people."""
    return isinstance(name, str) and 0 < len(name) <= NAME_LENGTH and name.isprintable()


def graph_names(groups: int) -> tuple[str, ...]:
    """The integer graphs of a model with so many channel groups, in decoding order.

    Examples:
        >>> graph_names(1)
        ('features', 'context0', 'context1')
    """
    return ("features", *(f"context{index}" for index in range(2 * groups)))


def digest(members: Mapping[str, bytes], groups: Sequence[int]) -> bytes:
    """SHA-256 over what decoded latents depend on; of the members' bytes, never of what a card
    says.

    Args:
        members: Members by name.
        groups: Latent channels of each group.

    Returns:
        32 bytes.

    Raises:
        KeyError: A member that latents depend on is missing.
    """
    state = hashlib.sha256(",".join(map(str, groups)).encode())
    for name in sorted(_decoding_members(groups)):
        state.update(name.encode() + len(members[name]).to_bytes(8, "little") + members[name])
    return state.digest()


def _decoding_members(groups: Sequence[int]) -> list[str]:
    return [f"{graph}.onnx" for graph in graph_names(len(groups))] + [
        f"{array}.npy" for array in DECODING_ARRAYS
    ]


def card_number(
    card: Mapping[str, Any], key: str, low: float, high: float, default: float, whole: bool = False
) -> float:
    """A number that a card may have.

    Args:
        card: The card.
        key: Which of its values.
        low: The least that it may be.
        high: The most that it may be.
        default: What stands for it where the card does not have it.
        whole: Whether it has to be an integer.

    Raises:
        ArchiveError: It is not such a number.
    """
    value = card.get(key, default)
    if type(value) not in ((int,) if whole else (int, float)) or not low <= value <= high:
        raise ArchiveError(f"{key} is out of range")
    return value


def card_numbers(card: Mapping[str, Any], key: str, default: list[float]) -> np.ndarray:
    """Positive numbers that a card may have, float64. Raises ArchiveError for anything else."""
    values = card.get(key, default)
    if (
        not isinstance(values, list)
        or len(values) > MAX_LATENTS
        or not all(type(value) in (int, float) and 0 < value <= 1e9 for value in values)
    ):
        raise ArchiveError(f"{key} is out of range")
    return np.array(values, float)
